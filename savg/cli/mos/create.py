"""`python -m savg mos create`: a study folder from one folder of clips for each condition."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from savg.cli.mos.folders import named_folders
from savg.mos.design import LABELS, QUESTION, standard
from savg.mos.folder import create_folder, form_of

HELP = "Make a listening test: clips under opaque names at one level, screening, design, database."

REFERENCE = "ground_truth"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    add = parser.add_argument
    add("study", type=Path, metavar="STUDY", help="the folder to make; its name names the study")
    add(
        "--conditions",
        nargs="+",
        required=True,
        metavar="NAME=DIR",
        help=f"folders of mp4 clips; {REFERENCE}=DIR is the hidden reference unless --reference",
    )
    add("--reference", metavar="NAME", help="the condition that is ground truth ('none': none is)")
    add("--question", default=QUESTION, help="what is asked about every clip")
    add("--labels", nargs="+", default=LABELS, metavar="LABEL", help="the scale, worst first")
    add("--trials", type=int, default=45, help="of all conditions together (default 45)")
    add("--anchor-trials", type=int, default=3, help="of each anchor (default 3, 0: no anchors)")
    add("--practice", type=int, default=3, help="practice clips (default 3)")
    add("--repeats", type=int, default=3, help="clips rated twice (default 3)")
    add("--catch", type=int, default=2, help="catch trials (default 2)")
    add("--level", choices=("in-person", "remote"), default="in-person", help="of the screening")
    add(
        "--matched",
        action="store_true",
        help="clips of one name show one scene, which nobody meets twice",
    )
    add("--clips", type=int, default=100, help="at most so many clips of a condition")
    add("--fps", type=int, default=4, help="frame rate in which all clips are shown")
    add("--size", type=int, default=256, help="width in pixels in which all clips are shown")
    add("--seed", type=int, default=0)
    add("--database", metavar="URL", help="instead of SQLite in the folder: postgresql://…")
    add("--json", action="store_true", help="print a summary as JSON")


def run(args: argparse.Namespace) -> int:
    """Make the study."""
    from tqdm import tqdm

    folders = named_folders(args.conditions, "--conditions")
    reference = args.reference or (REFERENCE if REFERENCE in folders else None)
    study = standard(
        args.study.resolve().name,
        list(folders),
        None if reference == "none" else reference,
        trials=args.trials,
        anchor_trials=args.anchor_trials,
        question=args.question,
        labels=tuple(args.labels),
        practice=args.practice,
        repeats=args.repeats,
        catch=args.catch,
        level=args.level.replace("-", "_"),
        matched=args.matched,
        seed=args.seed,
    )
    with tqdm(unit="clip", file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        built = create_folder(
            study,
            folders,
            args.study,
            url=args.database,
            clips=args.clips,
            form=form_of(args.fps, args.size),
            on_clip=progress,
        )
    summary = built.summary()
    if args.json:
        print(json.dumps({"study": study.to_dict(), "levels": summary}, ensure_ascii=False))
        return 0
    made = ", ".join(f"{g.trials} of {g.name}" for g in study.groups)
    print(f"{args.study}: {study.positions} trials a listener ({made}).")
    print(
        f"{len(built.stimuli)} clips, gain {built.gain:+.1f} dB, median {built.loudness:.1f} LUFS; "
        "level differences between the channels moved by at most "
        f"{summary['level_difference_change_max_db']} dB."
    )
    return 0
