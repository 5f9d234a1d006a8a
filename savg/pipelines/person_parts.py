"""The person detector that is a part of a pipeline: read from its folder, written beside it, and the
people whom it finds in a video."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import torch

from savg.annotation import Boxes
from savg.detectors import detector_of, person_detector
from savg.errors import SavgError
from savg.hub import Card, component_card, save_component
from savg.models.nanodet import Nanodet
from savg.pipelines.visual_features import Persons, silent_clip
from savg.video import Video

CHUNK = 20
"""Frames that people are looked for in at once."""

UNTOLD = Card("", "beside the pipeline")
"""Of a detector that came without a card."""


def read_persons(
    place: str | os.PathLike[str], device: torch.device, score: float | None = None
) -> tuple[Persons, Card]:
    """The detector whose weights are in a component folder, of whichever kind, and its card.

    score: of a detection, at least; None: the detector's own. CheckpointError or SavgError for a
    folder without a person detector.
    """
    card = component_card(place)
    options = {} if score is None else {"score_threshold": score}
    return person_detector(detector_of(place), place, device=str(device), **options), card


def other_cards(cards: Mapping[str, Card]) -> dict[str, Card]:
    """The cards but that of the person detector, which does not describe another one."""
    return {role: card for role, card in cards.items() if role != "persons"}


def write_persons(persons: Persons | None, place: Path, card: Card | None) -> None:
    """Write the detector's weights as a component; nothing for one without a network, or a folder that
    is there."""
    network = getattr(persons, "model", None)
    if network is not None and not place.exists():
        kind = "nanodet" if isinstance(network, Nanodet) else "yolox"
        save_component(network, place, kind, card or UNTOLD)


def looks_in(duration: Fraction, fps: int) -> int:
    """Steps in which people are looked for in a video of `duration` seconds, `fps` times a second."""
    return max(1, -(-ceil(duration * fps) // CHUNK))


def people_in(
    video: Video, fps: int, persons: Persons | None, report: Callable[[int], None]
) -> tuple[Boxes, Fraction]:
    """People in a video, and the frames a second that their boxes count: its own, or found ones.

    Args:
        fps: frames a second that people are looked for in, at most; those on screen at their middles.
        persons: finds them where the video comes without boxes.
        report: called with 1, 2, … as often as `looks_in` says.

    Raises:
        SavgError: neither boxes nor a detector.
    """
    looks = looks_in(video.duration, fps)
    if video.boxes is not None:
        for done in range(1, looks + 1):
            report(done)
        return video.boxes, video.fps
    if persons is None:
        raise SavgError("boxes must come with the video or from a person detector, got neither.")
    rate = min(Fraction(fps), video.fps)
    middles = (np.arange(ceil(video.duration * rate)) + 0.5) / float(rate)
    shown = (middles * float(video.fps)).astype(np.int64).clip(0, len(video.frames) - 1)
    tables = []
    for done, part in enumerate(np.array_split(np.arange(len(shown)), looks), 1):
        if len(part):
            found = persons(silent_clip(video.frames[shown[part]]))
            tables.append((part[found.frames], found.categories, found.xyxy))
        report(done)
    return Boxes(*(np.concatenate(column) for column in zip(*tables, strict=True))), rate
