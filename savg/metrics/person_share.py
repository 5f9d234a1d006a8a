"""Share of frames in which a person is detected, 0..1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from savg.annotation import PERSON, Boxes
from savg.metrics.base import Cells, Item, Metric, MetricResult, Need
from savg.metrics.statistics import share_interval


def frames_with_person(boxes: Boxes) -> int:
    """Number of frames of one clip in which a person is detected."""
    return len(np.unique(boxes.frames[boxes.categories == PERSON]))


def person_share(detections: Sequence[Boxes], frames: int) -> float | None:
    """Share of frames, `frames` in each clip, with a person in its boxes; None without clips."""
    if not detections:
        return None
    return float(
        np.sum([frames_with_person(boxes) for boxes in detections]) / (frames * len(detections))
    )


class PersonShare(Metric):
    """Share of all frames in which a person is detected."""

    name = "person_share"
    label = "frames with a person"
    unit = "share of frames"
    higher_is_better = True
    needs = frozenset({Need.PERSONS})

    @classmethod
    def cells(cls, item: Item) -> Cells:
        occupied, frames = cls._frames(item)
        return {"person_share": occupied / frames}

    @staticmethod
    def _frames(item: Item) -> tuple[int, int]:
        return frames_with_person(item.observation.boxes), item.observation.format.frames

    def compute(self) -> MetricResult:
        rows = [self._frames(item) for item in self.items]
        if not rows:
            return self.undefined("There is no clip.")
        counts = np.array([[occupied, frames - occupied] for occupied, frames in rows], np.int64)
        value = float(counts[:, 0].sum() / counts.sum())
        low, high = share_interval(counts, self.seed)
        return MetricResult(self.name, value, low, high, len(rows))
