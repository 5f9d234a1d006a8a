"""Options of `generate` that say what clips shall be."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from savg.cli.strengths import strength
from savg.errors import SavgError
from savg.numerals import integer, number

if TYPE_CHECKING:
    from savg.pipelines.direction import Direction

ARGUMENTS = {"say": "say", "x": "x", "x_path": "x-path", "people": "people", "strength": "strength"}
"""Name of an argument → the option."""


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
    from savg.pipelines.direction import Direction

    if all(getattr(args, name) is None for name in ARGUMENTS):
        return None
    if args.x is not None and args.x_path is not None:
        raise SavgError("Either --x or --x-path must be given, got both.")
    path: Any = None if args.x is None else (args.x,)
    if args.x_path is not None:
        path = tuple(_place(place) for place in args.x_path.split(","))
    weights = dict(strength(one) for text in args.strength or () for one in text.split(","))
    direction = Direction(args.say, path, args.people, weights)
    if direction.is_open:
        raise SavgError("--strength must come with --say, --x, --x-path or --people.")
    return direction


def _place(text: str) -> float:
    try:
        return number(text.strip())
    except (SavgError, ValueError, argparse.ArgumentTypeError) as error:
        raise SavgError(
            f"--x-path must be places in pixels such as 40,120,200, got {text!r}."
        ) from error
