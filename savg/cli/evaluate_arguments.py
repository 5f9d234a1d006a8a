"""Arguments of `python -m savg evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from savg.cli.observing import add_audio_arguments, add_detector_arguments
from savg.evaluation.files import BOXES, EVENTS
from savg.evaluation.outcome import MODES
from savg.evaluation.selection import ALL, SETS
from savg.metrics.registry import METRICS
from savg.numerals import integer, number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        metavar="DIR",
        help=f"the same as --generated DIR: videos, or pairs NAME{BOXES} and NAME{EVENTS} as annotate "
        "writes them",
    )
    parser.add_argument(
        "--selftest",
        type=integer,
        nargs="?",
        const=48,
        metavar="N",
        help="check which metric sees which known damage, on N synthetic clips (%(const)s), in place "
        "of --generated",
    )
    parser.add_argument("--generated", type=Path, metavar="DIR", help="the clips to score")
    parser.add_argument(
        "--reference", type=Path, metavar="DIR", help="clips to compare with, such as true ones"
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        metavar="NAME",
        help=f"of {', '.join(METRICS)}; the sets {', '.join(SETS)}; or {ALL}, which says what is left "
        "out and why; default: all whose inputs and weights are here",
    )
    parser.add_argument(
        "--mode",
        choices=MODES,
        default=MODES[0],
        help="standard: whole clips, networks in evaluation mode; official: FVD, KVD and FAD of pieces "
        "as the published evaluator takes them (default metrics: savgbench); numbers of one are not "
        "comparable with those of the other",
    )
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="DIR",
        help=f"labels NAME.csv and boxes NAME{BOXES} of the clips",
    )
    parser.add_argument(
        "--baselines",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="rows for the reference set, and for the same videos with trivial audio",
    )
    _add_reading_arguments(parser)
    _add_network_arguments(parser)
    _add_output_arguments(parser)


def _add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how clips are read")
    group.add_argument("--fps", type=integer, metavar="N", help="frames a second (4)")
    group.add_argument("--sample-rate", type=integer, metavar="HZ", help="of the audio (16000)")
    group.add_argument(
        "--seconds",
        type=number,
        metavar="S",
        help="cut or pad every clip to this length (each has its file's own)",
    )
    group.add_argument(
        "--max-seconds", type=number, metavar="S", help="refuse longer files (60, the most)"
    )
    add_audio_arguments(parser)


def _add_network_arguments(parser: argparse.ArgumentParser) -> None:
    add_detector_arguments(parser)
    parser.add_argument(
        "--objects",
        action="store_true",
        help="find other objects that can sound beside persons, for the metrics that ask for them",
    )
    parser.add_argument(
        "--networks",
        metavar="DIR",
        help="weights of other networks, as `weights import` writes them (the user's data folder)",
    )
    parser.add_argument(
        "--seld-csv",
        type=Path,
        metavar="DIR",
        help="tables NAME.csv (frame,category,x) in place of the sound detector",
    )
    parser.add_argument(
        "--detection-csv",
        type=Path,
        metavar="DIR",
        help="tables NAME.csv (frame,category,x0,y0,x1,y1) in place of the person detector",
    )
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, … (the first GPU)")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder for what networks found (the user's cache folder); an interrupted run continues",
    )
    parser.add_argument("--no-cache", action="store_true", help="compute everything again")


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=integer, default=0, help="of resampling (%(default)s)")
    parser.add_argument("--name", metavar="TEXT", help="of the run (default: the folder's name)")
    parser.add_argument("--json", action="store_true", help="print results.json")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write results.json, clips.csv, frames.csv and reports (Markdown, LaTeX, HTML) there",
    )
    parser.add_argument(
        "--leaderboard", type=Path, metavar="FILE", help="append the run to this JSON file"
    )
