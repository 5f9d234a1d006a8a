"""Options of `v2a` that say what audio is moved, and what new audio follows."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savg.errors import SavgError, whole_number
from savg.numerals import integer
from savg.pipelines.strengths import strength

if TYPE_CHECKING:
    from savg.pipelines.audio_settings import AudioSettings
    from savg.pipelines.box_path import Whom
    from savg.pipelines.depth_condition import DepthMaps
    from savg.pipelines.words import Words
    from savg.video import Soundtrack

OPTIONS = {
    "audio": "audio",
    "person": "person",
    "envelope": "envelope",
    "envelope_from": "envelope",
    "sounds_like": "semantic",
    "depth": "depth",
    "strength": "weights",
}
"""Name of an argument → the option of a pipeline's call that it sets."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of stereosync; those that pan has too stand in `v2a`."""
    parser.add_argument(
        "--envelope",
        metavar="own|none|FILE",
        help="the level that stereosync follows: the video's own (the default), none, or a .json or "
        ".csv file of points: seconds,level (RMS of full scale, 0 to 1)",
    )
    parser.add_argument(
        "--envelope-from", metavar="FILE", help="the level of an audio file, in its place"
    )
    parser.add_argument(
        "--sounds-like",
        metavar="own|none|FILE|TEXT",
        help="what stereosync shall sound like: the video's own audio (the default), nothing, an "
        "audio file (.wav, .flac, .mp3, .ogg, .m4a, …), or words where CLAP says what sounds",
    )
    parser.add_argument(
        "--depth",
        metavar="own|none|FILE",
        help="depth that stereosync follows where it was trained with it: what it sees itself (the "
        "default), none, or depth maps: .npy, .npz, a 16-bit .png, or a folder of those",
    )
    parser.add_argument(
        "--strength",
        action="append",
        metavar="CONDITION=W",
        help="how closely stereosync follows one of spatial, envelope and semantic: 1 as trained",
    )


def options(args: argparse.Namespace, name: str) -> dict[str, Any]:
    """The options of a call of the pipeline `name`; SavgError for one that it does not have."""
    from savg.pipelines.envelope_file import read_curve
    from savg.pipelines.registry import AUDIO

    given = {key: getattr(args, key) for key in OPTIONS if getattr(args, key) is not None}
    for key in given:
        if OPTIONS[key] not in AUDIO[name].options:
            ones = " and ".join(one for one in AUDIO if OPTIONS[key] in AUDIO[one].options)
            option = key.replace("_", "-")
            raise SavgError(f"--{option} is an option of --pipeline {ones}, not of {name}.")
    if "envelope" in given and "envelope_from" in given:
        raise SavgError("Either --envelope or --envelope-from must be given, got both.")
    result: dict[str, Any] = {}
    if "audio" in given:
        known = args.audio in ("own", "network")
        result["audio"] = args.audio if known else _recording(args.audio)
    if "person" in given:
        result["person"] = _person(args.person)
    for key in ("envelope", "sounds_like", "depth"):
        if given.get(key) in ("own", "none"):
            result[OPTIONS[key]] = "own" if given[key] == "own" else None
        elif key in given:
            read = {"envelope": read_curve, "sounds_like": _like, "depth": _depth}[key]
            result[OPTIONS[key]] = read(given[key])  # type: ignore[operator]
    if "envelope_from" in given:
        result["envelope"] = _recording(given["envelope_from"])
    if "strength" in given:
        result["weights"] = dict(map(strength, given["strength"]))
    return result


def settings(
    args: argparse.Namespace, name: str, source: Path, detector: str, options: Mapping[str, Any]
) -> AudioSettings:
    """What the file of a video with new audio says of that; options: of the call."""
    from savg.pipelines.audio_settings import AudioSettings
    from savg.pipelines.box_path import BoxPath
    from savg.pipelines.envelope_file import Curve
    from savg.pipelines.words import Words

    boxes: list[list[float]] = []
    points: list[list[float]] = []
    if isinstance(path := options.get("person"), BoxPath):
        boxes = [
            [t, *box] for t, box in zip(path.seconds.tolist(), path.xyxy.tolist(), strict=True)
        ]
    if isinstance(curve := options.get("envelope"), Curve):
        points = [
            list(row) for row in zip(curve.seconds.tolist(), curve.levels.tolist(), strict=True)
        ]
    worded = isinstance(options.get("semantic"), Words)
    envelope = "" if points else args.envelope_from or args.envelope
    return AudioSettings(
        source.name,
        name,
        args.seed,
        args.steps,
        args.guidance,
        args.weights,
        audio=_name(args.audio),
        person="" if boxes else args.person or "",
        boxes=tuple(map(tuple, boxes)),
        envelope=_name(envelope),
        curve=tuple(map(tuple, points)),
        semantic=(args.sounds_like or "") if worded else _name(args.sounds_like),
        depth=_name(args.depth),
        strengths=options.get("weights", {}),
        blind=args.no_boxes,
        detector="" if boxes else detector,
    )


def _name(text: str | None) -> str:
    """The name of a file, or a word that is none."""
    return Path(text).name if text else ""


def _recording(path: str) -> Soundtrack:
    from savg.media.recording import read_recording
    from savg.video import Soundtrack

    return Soundtrack(*read_recording(path))


def _depth(path: str) -> DepthMaps:
    from savg.media.depth_file import read_depth
    from savg.pipelines.depth_condition import DepthMaps

    return DepthMaps(read_depth(path))


def _like(text: str) -> Soundtrack | Words:
    """A recording, or what names no file as words."""
    from savg.pipelines.words import Words, names_file

    is_file = names_file(text) or Path(text).is_file()
    return _recording(text) if is_file else Words(text)


def _person(text: str) -> Whom:
    from savg.pipelines.box_path import read_box_path

    if text == "longest":
        return "longest"
    if text.lower().endswith((".json", ".csv")):
        return read_box_path(text)
    try:
        return whole_number("--person", integer(text), 1)
    except (SavgError, ValueError) as error:
        raise SavgError(
            "--person must be 'longest', a number counted from the left, or a .json or .csv file, "
            f"got {text!r}."
        ) from error
