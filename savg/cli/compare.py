"""`python -m savg compare`: two runs of `evaluate` side by side, on the same clips."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from savg.errors import SavgError, whole_number
from savg.numerals import integer
from savg.paths import existing

if TYPE_CHECKING:
    from savg.evaluation.results_file import Run

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

    whole_number("--seed", args.seed, 0)
    comparison = compare_runs(_read(args.first), _read(args.second), args.seed)
    if args.json:
        print(json.dumps(comparison.to_json(), indent=1, allow_nan=False))
        return 0
    for warning in comparison.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(as_text(comparison))
    return 0


def _read(path: Path) -> Run:
    """The run of a folder or file; SavgError, which says what was expected, for anything else."""
    from savg.evaluation.results_file import read_run

    try:
        return read_run(existing(path))
    except SavgError as error:
        raise SavgError(
            f"{str(error).rstrip('.')}; expected a folder that `evaluate --out` wrote, or its "
            "results.json."
        ) from error
