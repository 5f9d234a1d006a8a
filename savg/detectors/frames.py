"""What detectors of objects in frames share: where a frame lies in a network's input, batches that
clips share, categories.

Boxes are corners in pixels of the 256×256 frame, which includes the black rows above and below the
picture; x grows to the right. Categories are those of COCO, counted from 0: 0 is a person.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat

FRAME_SIZE = SAVGBENCH.size

COCO_CATEGORIES = 80
"""Number of categories of COCO."""

Video = tuple[NDArray[np.uint8], ClipFormat]
"""Frames [F, H, W, 3] RGB, and their format."""

Found = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Of one image: boxes [K, 4] in pixels of the input, scores [K], labels [K]."""


@dataclass(frozen=True)
class Placement:
    """Position of a clip's frame in the network's input, in pixels:
    input = (frame − (0, top)) · scale + corner."""

    scale: tuple[float, float]
    top: int
    corner: tuple[float, float] = (0.0, 0.0)

    def to_input(self, xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Boxes [N, 4] of the frame as boxes of the network's input."""
        return (np.asarray(xyxy, np.float64) - self._offset) * np.tile(self.scale, 2) + self._corner

    def to_frame(self, xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Boxes [N, 4] of the network's input as boxes of the frame."""
        places = np.asarray(xyxy, np.float64) - self._corner
        return places / np.tile(self.scale, 2) + self._offset

    @property
    def _offset(self) -> NDArray[np.float64]:
        return np.array([0, self.top, 0, self.top], np.float64)

    @property
    def _corner(self) -> NDArray[np.float64]:
        return np.tile(np.asarray(self.corner, np.float64), 2)


Prepare = Callable[[NDArray[np.uint8], ClipFormat], tuple[NDArray[np.uint8], Placement]]
"""Frames → the network's input uint8 [F, 3, h, w], and where they lie in it."""


def detect_in(
    videos: Sequence[Video],
    batch_size: int,
    prepare: Prepare,
    find: Callable[[NDArray[np.uint8]], Sequence[Found]],
) -> list[Boxes]:
    """Boxes of each video, by frame; all videos' frames share batches.

    find: inputs uint8 [N, 3, h, w] → what is in each, best first.
    """
    tables: list[list[tuple[NDArray[Any], ...]]] = [[] for _ in videos]
    for pieces in batches([len(video) for video, _ in videos], batch_size):
        inputs, placements = [], []
        for index, first, end in pieces:
            video, format = videos[index]
            images, placement = prepare(video[first:end], format)
            inputs.append(images)
            placements += [(index, frame, placement) for frame in range(first, end)]
        for (index, frame, placement), (xyxy, scores, labels) in zip(
            placements, find(np.concatenate(inputs)), strict=True
        ):
            placed = placement.to_frame(xyxy) * (FRAME_SIZE / videos[index][1].size)
            tables[index].append((np.full(len(scores), frame), labels, placed, scores))
    return [_table(rows) for rows in tables]


def batches(lengths: Sequence[int], size: int) -> Iterator[list[tuple[int, int, int]]]:
    """Batches of `size` frames of videos of these lengths: (video, first frame, end) of each piece."""
    pieces: list[tuple[int, int, int]] = []
    room = size
    for index, length in enumerate(lengths):
        first = 0
        while first < length:
            end = min(length, first + room)
            pieces.append((index, first, end))
            room -= end - first
            first = end
            if not room:
                yield pieces
                pieces, room = [], size
    if pieces:
        yield pieces


def _table(rows: Sequence[tuple[NDArray[Any], ...]]) -> Boxes:
    if not rows:
        return Boxes.empty()
    frames, labels, xyxy, scores = (np.concatenate(column) for column in zip(*rows, strict=True))
    return Boxes(frames, labels, xyxy, scores)


def known_categories(count: int, categories: Collection[int]) -> tuple[int, ...]:
    """Those of the categories that a network of `count` classes knows, in order.

    SavgError where it knows none, or for a category that COCO does not have.
    """
    wrong = [category for category in categories if not 0 <= category < COCO_CATEGORIES]
    if wrong:
        raise SavgError(f"A category must be in 0…{COCO_CATEGORIES - 1}, got {wrong[0]}.")
    known = tuple(sorted(category for category in set(categories) if category < count))
    if not known:
        raise SavgError(
            f"categories must have one that the detector knows, 0…{count - 1}, "
            f"got {', '.join(map(str, categories)) or 'none'}."
        )
    return known
