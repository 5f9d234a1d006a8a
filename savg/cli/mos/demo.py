"""`python -m savg mos demo`: a small study of the bundled example clips, to try one with."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from savg.paths import assets_dir, writable_folder

HELP = "Make a small listening test of the bundled example clips, to see how one runs."

CONDITIONS = ("joint", "two_stage")
"""Beginnings of the example clips' names."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    parser.add_argument("study", type=Path, metavar="STUDY", help="the folder to make")


def run(args: argparse.Namespace) -> int:
    """Make the study, of as many trials as the examples allow, and say how to go on."""
    from savg.folders import videos_in
    from savg.mos.study.folder import create_folder
    from savg.mos.study.options import NO_REFERENCE, plan_study

    writable_folder(args.study, "The study")
    examples = videos_in(assets_dir() / "examples")
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: Path(scratch) / name for name in CONDITIONS}
        for name, folder in folders.items():
            folder.mkdir()
            for path in examples:
                if path.name.startswith(f"{name}_"):
                    shutil.copy(path, folder)
        counts = {name: len(videos_in(folder)) for name, folder in folders.items()}
        name = args.study.resolve().name
        plan = plan_study(name, list(folders), NO_REFERENCE, {}, counts)
        create_folder(plan.study, folders, args.study, clips=plan.clips, format=plan.format)
    print(f"{args.study}: {plan.study.positions} trials a listener, of the bundled example clips.")
    print(f"Listen: python -m savg mos serve {args.study}")
    print(f"A rehearsal with its report: python -m savg mos simulate {args.study} --listeners 24")
    return 0
