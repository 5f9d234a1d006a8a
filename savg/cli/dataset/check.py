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

HELP = "Verify a dataset: counts, lengths, rates, labels."

LISTED = 20
"""How many findings are printed; --json prints all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="clips as they are published or built")
    add("--split", choices=SPLITS, help="check only this split")
    add("--quick", action="store_true", help="read headers and labels, decode nothing")
    add("--threads", type=int, help="threads that decode (default: one a core)")
    add("--json", action="store_true", help="print every finding as JSON")


def run(args: argparse.Namespace) -> int:
    """Check every split asked for; 1 where something is wrong."""
    from tqdm import tqdm

    if args.threads is not None and args.threads < 1:
        raise SavgError(f"--threads is at least 1, not {args.threads}.")
    checked = []
    for split in _splits(args.folder, args.split):
        bench = SavgBench(args.folder, split)
        with tqdm(total=len(bench), unit="clip", desc="checking", file=sys.stderr) as bar:
            follow = partial(_follow, bar)
            one = check(bench, quick=args.quick, threads=args.threads, progress=follow)
        checked.append(one)
    _report(checked, args.json)
    return 1 if any(one.findings for one in checked) else 0


def _follow(bar: Any, done: int, total: int) -> None:
    bar.update(done - bar.n)


def _splits(folder: Path, split: str | None) -> list[str]:
    """The splits to check: the one asked for, or all that are there."""
    there = {name for _, name in splits_in(folder)} if folder.is_dir() else set()
    if split is not None or len(there) < 2:
        return [find_split(folder, split)[1]]
    return [name for name in SPLITS if name in there]


def _report(checked: Sequence[CheckReport], as_json: bool) -> None:
    if as_json:
        print(json.dumps([_plain(one) for one in checked], indent=1, ensure_ascii=False))
    for one in checked:
        how = "by its headers" if one.quick else "whole"
        what = f"{one.folder}: {one.clips} clip{'s' * (one.clips != 1)} checked {how}"
        if not one.findings:
            if not as_json:
                print(f"{what}, nothing wrong.")
            continue
        if not as_json:
            for finding in one.findings[:LISTED]:
                print(finding.sentence)
            if len(one.findings) > LISTED:
                print(f"… and {len(one.findings) - LISTED} more (--json lists all).")
        kinds = ", ".join(f"{count} {kind}" for kind, count in one.kinds.items())
        found = len(one.findings)
        print(f"error: {what}, {found} thing{'s' * (found != 1)} wrong ({kinds}).", file=sys.stderr)


def _plain(one: CheckReport) -> dict[str, object]:
    return {
        "folder": str(one.folder),
        "split": one.split,
        "clips": one.clips,
        "quick": one.quick,
        "kinds": one.kinds,
        "findings": [asdict(finding) for finding in one.findings],
    }
