"""Arguments and detectors that `annotate` and `evaluate` share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from savg.detectors import default_detector, detectors
from savg.media.channels import AMBISONICS, AudioRules

if TYPE_CHECKING:
    from savg.clip import Clip
    from savg.evaluation.observe import Detectors


def add_detector_arguments(parser: argparse.ArgumentParser) -> None:
    """Add arguments that choose detectors and their weights."""
    persons, sounds = detectors("persons"), detectors("sounds")
    missing = [name for name, entry in {**persons, **sounds}.items() if not entry.available]
    not_available = f" (not installed here: {', '.join(missing)})" if missing else ""
    parser.add_argument(
        "--detector",
        choices=list(persons),
        help=f"person detector{not_available}; default: {default_detector('persons')}, or what "
        "the weights are",
    )
    parser.add_argument(
        "--sound-detector",
        choices=list(sounds),
        default=next(iter(sounds)),
        help="sound detector",
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


def load_detectors(
    args: argparse.Namespace,
    candidates: bool = False,
    device: str | None = None,
    objects: bool = False,
) -> Detectors:
    """The detectors that the arguments name, else those for users' videos: whichever command judges a
    file, the same ones do."""
    from savg.detectors import detector_of
    from savg.evaluation.observe import Detectors

    source = args.person_weights or args.weights
    return Detectors.load(
        args.weights,
        args.detector or detector_of(source),
        args.sound_detector,
        args.person_weights,
        args.sound_weights,
        candidates,
        device,
        objects,
    )


def add_audio_arguments(parser: argparse.ArgumentParser) -> None:
    """Add arguments that say how audio becomes stereo."""
    parser.add_argument(
        "--ambisonic",
        choices=list(AMBISONICS),
        metavar="CONVENTION",
        help=f"the audio is first-order Ambisonics ({', '.join(AMBISONICS)}); otherwise mono goes to "
        "both channels, and 2.1 to 7.1 is mixed down",
    )
    parser.add_argument(
        "--silent-ok", action="store_true", help="read videos without audio as silent"
    )


def audio_rules(args: argparse.Namespace) -> AudioRules:
    """What may become the audio of a clip, by the arguments."""
    return AudioRules(args.ambisonic, args.silent_ok)


def readers(
    files: Iterable[tuple[str, Path]], rules: AudioRules | None = None
) -> Iterator[tuple[str, Callable[[], Clip]]]:
    """For each (name, file) a function that reads its clip: the file's own length, up to a limit.

    rules: what becomes stereo; by default mono and known layouts do.
    """
    from savg.clip import Clip
    from savg.media.clip_reader import MAX_SECONDS

    for name, path in files:
        yield name, partial(Clip.read, path, max_seconds=MAX_SECONDS, audio=rules or AudioRules())
