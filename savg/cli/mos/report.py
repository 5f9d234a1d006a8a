"""`python -m savg mos report`: the results of a listening test."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from savg.cli.mos.folders import named_folders
from savg.numerals import integer
from savg.paths import writable_folder

HELP = "Analyse a listening test: report page, JSON and CSV tables."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    add = parser.add_argument
    add("study", type=Path, metavar="STUDY", help="the study's folder")
    add("--out", type=Path, metavar="DIR", help="folder to write (default: STUDY/report)")
    add(
        "--tables",
        nargs="+",
        default=[],
        metavar="NAME=PATH",
        help="tables by `annotate`, or what `evaluate --json` printed: ratings against Spatial "
        "AV-Align, clip by clip (default: the scores of `create`)",
    )
    add("--database", metavar="URL", help="of the database, where it is not in the study's folder")
    add("--seed", type=integer, default=0, help="of the bootstraps")
    add("--json", action="store_true", help="print the results as JSON")


def run(args: argparse.Namespace) -> int:
    """Write the report."""
    from savg.mos.results.analysis import clip_scores
    from savg.mos.results.report import report_file, write_report
    from savg.mos.study.folder import open_folder
    from savg.viz.documents import interval, number

    scores: dict[tuple[str, str], float] = {}
    for condition, folder in named_folders(args.tables, "--tables").items():
        scores |= clip_scores(condition, folder)
    study = open_folder(args.study, args.database)
    out = writable_folder(args.out or args.study / "report", "--out")
    try:
        analysis = write_report(study.store, study.name, out, scores or None, args.seed)
    finally:
        study.store.close()
    if args.json:
        print(json.dumps(analysis.to_dict(), ensure_ascii=False, allow_nan=False))
        return 0
    for warning in analysis.warnings:
        print(f"Note: {warning}")
    for result in analysis.conditions:
        mos = result.mos
        bounds = "" if mos.low is None else f"  95 % {interval(mos.low, mos.high)}"
        print(f"{result.name:20} {number(mos.estimate)}{bounds}  ({result.ratings} ratings)")
    print(f"Report: {report_file(out, 'report.html', analysis.simulated)}")
    return 0
