"""`python -m savg compare`: two runs of `evaluate` side by side, on the same clips."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from savg.errors import whole_number
from savg.numerals import integer

HELP = "Compare two runs of evaluate: paired differences of the same clips, metrics side by side."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    for name in ("first", "second"):
        parser.add_argument(
            name,
            type=Path,
            metavar=f"RUN_{'A' if name == 'first' else 'B'}",
            help="a folder that evaluate --out wrote, or its results.json",
        )
    parser.add_argument("--seed", type=integer, default=0, help="of resampling (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")


def run(args: argparse.Namespace) -> int:
    """Print what the first run's clips gain over the second's."""
    from savg.evaluation.compare import as_text, compare_runs
    from savg.evaluation.results_file import read_run

    whole_number("--seed", args.seed, 0)
    comparison = compare_runs(read_run(args.first), read_run(args.second), args.seed)
    if args.json:
        print(json.dumps(comparison.to_json(), indent=1, allow_nan=False))
        return 0
    for warning in comparison.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(as_text(comparison))
    return 0
