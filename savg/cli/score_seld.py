"""`python -m savg score-seld`: predictions of a sound detector against labels, by published rules."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from savg.errors import whole_number
from savg.evaluation.seld_rules import LABELS, RULES
from savg.evaluation.seld_scores import SeldReport, score_folders
from savg.numerals import integer
from savg.paths import atomic_file, existing, writable_file

HELP = "Score tables of sound events against labels: SAVGBench's rules, DCASE2022's, DCASE2025's."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    files = "; ".join(f"{name}: {rules.files}" for name, rules in RULES.items())
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        metavar="DIR",
        help="CSV files of what was detected",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        required=True,
        metavar="DIR",
        help=f"CSV files of the same names with the labels, {files}",
    )
    parser.add_argument(
        "--rules",
        choices=list(RULES),
        default=next(iter(RULES)),
        help="dcase2025 has the traits of the public baseline (last labelled frame not scored, flags "
        "cut off to whole numbers), dcase2025-corrected has none",
    )
    parser.add_argument("--seed", type=integer, default=0, help="of the bootstrap")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="also write the result there, as JSON"
    )


def run(args: argparse.Namespace) -> int:
    """Score the folders; a bad file becomes one sentence and exit code 1, the others are scored."""
    whole_number("--seed", args.seed, 0)
    predictions, reference = (existing(f, "folder") for f in (args.predictions, args.reference))
    if args.out:
        writable_file(args.out, "--out")
    report = score_folders(predictions, reference, args.rules, args.seed)
    if args.out:
        with atomic_file(args.out) as part:
            part.write_text(json.dumps(report.to_json(), indent=2, allow_nan=False) + "\n")
    for row in report.failed:
        print(f"error: {row['reason']}", file=sys.stderr)
    print(json.dumps(report.to_json(), allow_nan=False) if args.json else as_text(report))
    if report.failed:
        count = f"{len(report.failed)} of {len(report.failed) + report.files}"
        print(f"{count} files could not be scored.", file=sys.stderr)
    return 1 if report.failed else 0


def as_text(report: SeldReport) -> str:
    """The scores in aligned lines, each with its bootstrap interval, then the classes."""
    rules = RULES[report.rules]
    lines = [f"{rules.label} ({report.files} files)"]
    width = max(len(LABELS[name]) for name in report.scores)
    for name, score in report.scores.items():
        unit = rules.units.get(name, "")
        unit = f" {unit}" if unit.isalpha() else unit
        value = "–" if score["value"] is None else f"{score['value']:.3f}{unit}"
        if score["low"] is not None:
            value += f"  ({score['low']:.3f}…{score['high']:.3f})"
        lines.append(f"  {LABELS[name]:<{width}}  {value}")
    for row in report.classes:
        values = (f"{name} {_number(value)}" for name, value in row.items() if name != "class")
        lines.append(f"  class {row['class']}: {', '.join(values)}")
    return "\n".join([*lines, *(f"! {sentence}" for sentence in report.warnings)])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
