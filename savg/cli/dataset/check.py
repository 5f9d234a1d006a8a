"""`python -m savg dataset check`: verify a downloaded or built set of clips."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from savg.data.check import CheckReport, check
from savg.data.savgbench import SPLITS, SavgBench, find_split, splits_in
from savg.errors import SavgError
from savg.numerals import integer

HELP = "Verify a dataset: counts, lengths, rates, labels."

LISTED = 20
"""Number of findings that are printed; --json prints all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="clips as they are published or built")
    add("--split", choices=SPLITS, help="check only this split")
    add("--quick", action="store_true", help="read headers and labels, decode nothing")
    add("--threads", type=integer, help="threads that decode (default: one a core)")
    add("--json", action="store_true", help="print every finding as JSON")


def run(args: argparse.Namespace) -> int:
    """Check the requested splits; returns 1 where something is wrong."""
    from tqdm import tqdm

    if args.threads is not None and args.threads < 1:
        raise SavgError(f"--threads must be ≥ 1, got {args.threads}.")
    reports = []
    for split in _splits(args.folder, args.split):
        bench = SavgBench(args.folder, split)
        with tqdm(total=len(bench), unit="clip", desc="checking", file=sys.stderr) as bar:
            follow = partial(_follow, bar)
            report = check(bench, quick=args.quick, threads=args.threads, progress=follow)
        reports.append(report)
    _print(reports, args.json)
    return 1 if any(report.findings for report in reports) else 0


def _follow(bar: Any, done: int, total: int) -> None:
    bar.update(done - bar.n)


def _splits(folder: Path, split: str | None) -> list[str]:
    """The splits to check: the requested one, or all of the folder."""
    present = {name for _, name in splits_in(folder)} if folder.is_dir() else set()
    if split is not None or len(present) < 2:
        return [find_split(folder, split)[1]]
    return [name for name in SPLITS if name in present]


def _print(reports: Sequence[CheckReport], as_json: bool) -> None:
    if as_json:
        print(json.dumps([_plain(report) for report in reports], indent=1, ensure_ascii=False))
    for report in reports:
        how = "by its headers" if report.quick else "whole"
        what = f"{report.folder}: {report.clips} clip{'s' * (report.clips != 1)} checked {how}"
        if not report.findings:
            if not as_json:
                print(f"{what}, nothing wrong.")
            continue
        if not as_json:
            for finding in report.findings[:LISTED]:
                print(finding.sentence)
            if len(report.findings) > LISTED:
                print(f"… and {len(report.findings) - LISTED} more (--json lists all).")
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.kinds.items())
        count = len(report.findings)
        print(f"error: {what}, {count} thing{'s' * (count != 1)} wrong ({kinds}).", file=sys.stderr)


def _plain(report: CheckReport) -> dict[str, object]:
    return {
        "folder": str(report.folder),
        "split": report.split,
        "clips": report.clips,
        "quick": report.quick,
        "kinds": report.kinds,
        "findings": [asdict(finding) for finding in report.findings],
    }
