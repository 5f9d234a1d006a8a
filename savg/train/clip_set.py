"""Packed training data as one sequence of clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes, ClipLabels
from savg.data.packed import PackedClips


class ClipSet:
    """Packs one after another; `len` is the number of clips.

    small_format: of the packed frames, with the number of frames packed for each clip; cache: values
    that a recipe computed from a clip, by its index.
    """

    def __init__(self, packs: Sequence[PackedClips]) -> None:
        self.packs = list(packs)
        self.ends = np.cumsum([len(pack) for pack in self.packs])
        self.cache: dict[int, Any] = {}
        first = self.packs[0]
        self.small_format = first.format.with_size(first.size).with_frames(first.video.shape[1])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def origin(self) -> list[Any]:
        """Identity of the clips, ready for JSON: counts, keys and layouts of the packs."""
        return [
            [len(pack), np.asarray(pack.keys).tolist(), pack.layout.meta()] for pack in self.packs
        ]

    def _place(self, index: int) -> tuple[PackedClips, int]:
        number = int(np.searchsorted(self.ends, index, side="right"))
        return self.packs[number], index - int(self.ends[number] - len(self.packs[number]))

    def video(self, index: int, frames: slice = slice(None)) -> NDArray[np.uint8]:
        """Frames uint8 [F, size, size, 3] of a clip, padding included."""
        pack, place = self._place(index)
        packed = pack.video[place, frames]
        video = np.zeros((len(packed), pack.size, pack.size, 3), np.uint8)
        first, last = pack.layout.row_range
        video[:, first:last] = packed
        return video

    def picture(self, index: int, frame: int) -> NDArray[np.uint8]:
        """The rows of one frame that hold the picture, uint8 [h, w, 3]."""
        pack, place = self._place(index)
        return np.array(pack.video[place, frame])

    def audio(self, index: int) -> NDArray[np.float32]:
        """Audio float32 [2, T] of a clip in −1..1."""
        pack, place = self._place(index)
        return pack.waveform(place)

    def labels(self, index: int) -> ClipLabels:
        """Labels of a clip, in pixels of the format."""
        pack, place = self._place(index)
        return pack.labels(place)

    def boxes(self, index: int) -> Boxes:
        """Person boxes of a clip, in pixels of the format's frame; frames count the packed frames."""
        pack, place = self._place(index)
        boxes, packed_frames = pack.boxes(place), pack.frame_index[place]
        if len(packed_frames) == pack.format.frames:
            return boxes
        boxes = boxes.select(np.isin(boxes.frames, packed_frames))
        return replace(boxes, frames=np.searchsorted(packed_frames, boxes.frames))
