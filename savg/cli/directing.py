"""Options of `generate` that say what clips shall be."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from savg.numerals import integer, number
from savg.pipelines.direction_text import OPTIONS, read_direction

if TYPE_CHECKING:
    from savg.pipelines.direction import Direction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is not given is left open."""
    parser.add_argument(
        "--say",
        metavar="SOUND",
        help="what is heard: speech or instrument (directed weights; left open unless given)",
    )
    parser.add_argument(
        "--x", type=number, metavar="PX", help="where it is heard, in pixels of 256 from the left"
    )
    parser.add_argument(
        "--x-path",
        metavar="PX,PX,…",
        help="where it goes: places spread evenly from the clip's start to its end",
    )
    parser.add_argument("--people", type=integer, metavar="N", help="how many are seen: 1 to 3")
    parser.add_argument(
        "--strength",
        action="append",
        metavar="CONDITION=W",
        help="how closely sound, x or people is followed: 1 as trained; others cost an evaluation "
        "a step",
    )


def direction_of(args: argparse.Namespace) -> Direction | None:
    """The direction that is asked for, None for none; SavgError for values out of range."""
    options = {name: getattr(args, name) for name in OPTIONS}
    options["strength"] = args.strength and ",".join(args.strength)
    return read_direction(options, lambda name: f"--{name.replace('_', '-')}")
