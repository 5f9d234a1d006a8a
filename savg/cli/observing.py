"""Arguments and detectors that `annotate` and `evaluate` share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from savg.detectors import detectors

if TYPE_CHECKING:
    from savg.clip import Clip
    from savg.evaluation.observe import Detectors


def add_detector_arguments(parser: argparse.ArgumentParser) -> None:
    """Which detectors, with which weights."""
    persons, sounds = detectors("persons"), detectors("sounds")
    away = [name for name, entry in {**persons, **sounds}.items() if not entry.available]
    not_there = f" (not installed here: {', '.join(away)})" if away else ""
    parser.add_argument(
        "--detector",
        choices=list(persons),
        default=next(iter(persons)),
        help=f"who finds the persons{not_there}",
    )
    parser.add_argument(
        "--sound-detector",
        choices=list(sounds),
        default=next(iter(sounds)),
        help="who finds the sounds",
    )
    parser.add_argument(
        "--weights",
        default="demo",
        metavar="SOURCE",
        help="'demo', a pipeline folder, or a Hugging Face repo id, for both detectors",
    )
    parser.add_argument(
        "--person-weights", metavar="SOURCE", help="other weights for the person detector"
    )
    parser.add_argument(
        "--sound-weights", metavar="SOURCE", help="other weights for the sound detector"
    )


def load_detectors(args: argparse.Namespace, candidates: bool = False) -> Detectors:
    """The detectors that the arguments name."""
    from savg.evaluation.observe import Detectors

    return Detectors.load(
        args.weights,
        args.detector,
        args.sound_detector,
        args.person_weights,
        args.sound_weights,
        candidates,
    )


def readers(files: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Callable[[], Clip]]]:
    """For each (name, file) what reads its clip: the file's own length, up to a limit."""
    from savg.clip import Clip
    from savg.media.clip_reader import MAX_SECONDS

    for name, path in files:
        yield name, partial(Clip.read, path, max_seconds=MAX_SECONDS)
