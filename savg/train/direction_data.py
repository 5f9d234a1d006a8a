"""The direction of a training clip, from its labels and boxes: what would have asked for it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from savg.annotation import Boxes, ClipLabels
from savg.format import ClipFormat
from savg.models.direction import CONDITIONS, SOUNDS, row, without

POINTS = 11
"""Of the paths that directed networks take: every half second of a clip."""


def direction_of(labels: ClipLabels, boxes: Boxes, format: ClipFormat, points: int) -> Tensor:
    """The direction [2 + points] of a clip.

    The sound is the one labelled most often; x is where it is, between labels on a straight line and
    beyond them held. The number of people is that of the median frame with a box. What labels and boxes
    do not say is withheld.
    """
    sound = x = people = None
    if len(labels):
        counts = np.bincount(labels.categories, minlength=len(SOUNDS))
        sound = int(counts[: len(SOUNDS)].argmax())
        x = _path(labels, sound, format, points)
    if len(boxes):
        _, in_frame = np.unique(boxes.frames, return_counts=True)
        people = round(float(np.median(in_frame)))
    return row(points, sound, people, x)


def _path(labels: ClipLabels, sound: int, format: ClipFormat, points: int) -> list[float] | None:
    """x of a sound at points from start to end, −1 … 1; None where it is never labelled."""
    own = labels.categories == sound
    if not own.any():
        return None
    frames, place = np.unique(labels.frames[own], return_inverse=True)
    x = np.bincount(place, labels.x[own]) / np.bincount(place)  # of two with one label, the middle
    times = (frames + 0.5) / format.label_fps
    wanted = np.linspace(0, float(format.duration), points)
    return (np.interp(wanted, times, x) / (format.size / 2) - 1).clip(-1, 1).tolist()


def withheld(direction: Tensor, drop: float, generator: torch.Generator) -> Tensor:
    """Directions [B, 2 + P] with each condition withheld from a share of the clips, and all from as
    many."""
    random = {"generator": generator, "device": direction.device}
    alone = torch.rand(len(direction), **random) < drop  # type: ignore[call-overload]
    for condition in CONDITIONS:
        dropped = alone | (torch.rand(len(direction), **random) < drop)  # type: ignore[call-overload]
        direction = without(direction, condition, dropped)
    return direction
