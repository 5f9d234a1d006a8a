"""Boxes of people as tokens for a network: the most certain ones of each frame, in a fixed order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes
from savg.format import SAVGBENCH

VALUES = 5
"""Values of a token: 1 for a box (0 for none), then x0, y0, x1, y1 from −1 to 1 across the frame."""

FRAME = float(SAVGBENCH.size)
"""Pixels across the frame that boxes are in."""


def box_tokens(boxes: Boxes, frames: int, count: int) -> NDArray[np.float32]:
    """The `count` most certain boxes of each of `frames` frames [frames, count, 5].

    Without scores the largest come first; places without a box are zeros. Boxes that reach out of the
    frame are cut off at its edge.
    """
    tokens = np.zeros((frames, count, VALUES), np.float32)
    x0, y0, x1, y1 = boxes.xyxy.T
    rank = (x1 - x0) * (y1 - y0) if boxes.scores is None else boxes.scores
    order = np.lexsort((-rank, boxes.frames))
    places = 2 * boxes.xyxy[order].clip(0, FRAME) / FRAME - 1
    taken = np.zeros(frames, np.int64)
    for frame, place in zip(boxes.frames[order].tolist(), places, strict=True):
        if frame < frames and taken[frame] < count:
            tokens[frame, taken[frame]] = (1, *place)
            taken[frame] += 1
    return tokens
