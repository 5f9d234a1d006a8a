"""`python -m savg mos create`: a study folder from one folder of clips for each condition."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savg.cli.mos.folders import named_folders
from savg.errors import SavgError
from savg.numerals import integer
from savg.paths import writable_folder

if TYPE_CHECKING:
    from savg.mos.study.options import Option

HELP = "Make a listening test: clips under opaque names at one level, screening, design, database."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    from savg.mos.study.options import NO_REFERENCE, OPTIONS, REFERENCE

    add = parser.add_argument
    add("study", type=Path, metavar="STUDY", help="the folder to make; its name names the study")
    add(
        "--conditions",
        nargs="+",
        required=True,
        metavar="NAME=DIR",
        help=f"folders of clips; {REFERENCE}=DIR is the hidden reference unless --reference",
    )
    add(
        "--reference",
        metavar="NAME",
        help=f"the condition that is ground truth ('{NO_REFERENCE}': none is)",
    )
    for option in OPTIONS:
        add(f"--{option.name.replace('_', '-')}", dest=option.name, **_argument(option))
    add(
        "--scores",
        nargs="+",
        default=[],
        metavar="NAME=PATH",
        help="Spatial AV-Align of a condition's clips: tables by `annotate`, or what `evaluate "
        "--json` printed (default: beside the clips, as evaluate.json or tables)",
    )
    add("--database", metavar="URL", help="instead of SQLite in the folder: postgresql://…")
    add("--json", action="store_true", help="print a summary as JSON")


def _argument(option: Option) -> dict[str, Any]:
    """Arguments of `add_argument` for an option; choices are spelt with dashes."""
    if option.kind == "flag":
        return {"action": "store_true", "help": option.help}
    settings: dict[str, Any] = {"default": option.default, "help": option.help}
    if option.kind == "lines":
        return settings | {"nargs": "+", "metavar": option.name.upper().removesuffix("S")}
    if option.kind == "whole":
        return settings | {
            "type": integer,
            "metavar": "N",
            "help": f"{option.help} (default: {option.default})",
        }
    if option.kind == "choice":
        choices = [value.replace("_", "-") for value, _ in option.choices]
        return settings | {"choices": choices, "default": option.default.replace("_", "-")}
    return settings | {"metavar": "TEXT"}


def _value(option: Option, argument: Any) -> Any:
    return argument.replace("-", "_") if option.kind == "choice" else argument


def run(args: argparse.Namespace) -> int:
    """Make the study."""
    from tqdm import tqdm

    from savg.mos.study.folder import check_elsewhere, create_folder
    from savg.mos.study.options import OPTIONS, plan_study, wrong_names, wrong_values
    from savg.mos.study.stimuli import count_off_centre, find_clips

    writable_folder(args.study, "The study")
    if args.database is not None:
        check_elsewhere(args.database, args.study.resolve().name)
    folders = named_folders(args.conditions, "--conditions")
    values = {option.name: _value(option, getattr(args, option.name)) for option in OPTIONS}
    study_name = args.study.resolve().name
    available, problems = {}, wrong_names(study_name, folders)
    for condition, folder in folders.items():
        try:
            available[condition] = len(find_clips(folder))
        except SavgError as error:
            problems.append(str(error))
    if problems := [*dict.fromkeys(problems), *wrong_values(values)]:
        raise SavgError(" ".join(problems))
    plan = plan_study(
        study_name,
        list(folders),
        args.reference,
        values,
        available,
        off_centre=partial(count_off_centre, folders),
    )
    study = plan.study
    if plan.note:
        print(plan.note, file=sys.stderr)
    with tqdm(unit="clip", file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        built = create_folder(
            study,
            folders,
            args.study,
            url=args.database,
            clips=plan.clips,
            format=plan.format,
            on_clip=progress,
            scores=named_folders(args.scores, "--scores"),
            checked=True,
        )
    summary = built.summary()
    if args.json:
        print(json.dumps({"study": study.to_dict(), "levels": summary}, ensure_ascii=False))
        return 0
    groups = ", ".join(f"{g.trials} of {g.name}" for g in study.groups)
    print(f"{args.study}: {study.positions} trials a listener ({groups}).")
    print(
        f"{len(built.stimuli)} clips, gain {built.gain:+.1f} dB, median {built.loudness:.1f} LUFS; "
        "level differences between the channels moved by at most "
        f"{summary['level_difference_change_max_db']} dB."
    )
    return 0
