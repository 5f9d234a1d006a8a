"""Share of frames in which a person was found, 0..1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from savg.annotation import PERSON, Boxes
from savg.metrics.base import Cells, Item, Metric, MetricResult, Need
from savg.metrics.statistics import share_interval


def frames_with_person(boxes: Boxes) -> int:
    """Frames of one clip in which a person was found."""
    return len(np.unique(boxes.frames[boxes.categories == PERSON]))


def person_share(found: Sequence[Boxes], frames: int) -> float | None:
    """Share of all frames, `frames` a clip, in which a person was found; None without clips."""
    if not found:
        return None
    return float(np.sum([frames_with_person(boxes) for boxes in found]) / (frames * len(found)))


class PersonShare(Metric):
    """Share of all frames in which a person was found."""

    name = "person_share"
    label = "frames with a person"
    unit = "share of frames"
    higher_is_better = True
    needs = frozenset({Need.PERSONS})

    @classmethod
    def cells(cls, item: Item) -> Cells:
        seen, frames = cls._frames(item)
        return {"person_share": seen / frames}

    @staticmethod
    def _frames(item: Item) -> tuple[int, int]:
        return frames_with_person(item.observation.boxes), item.observation.format.frames

    def compute(self) -> MetricResult:
        rows = [self._frames(item) for item in self.items]
        if not rows:
            return self.undefined("There is no clip.")
        counts = np.array([[seen, frames - seen] for seen, frames in rows], np.int64)
        value = float(counts[:, 0].sum() / counts.sum())
        low, high = share_interval(counts, self.seed)
        return MetricResult(self.name, value, low, high, len(rows))
