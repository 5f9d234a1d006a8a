"""Clips as tables: persons or objects that stand somewhere, and sounds from somewhere."""

from __future__ import annotations

import numpy as np

from savg.annotation import Boxes, SoundEvents
from savg.metrics.base import Item, MetricResult, Observation
from savg.metrics.registry import metric_class

FRAMES = 50


def boxes_at(*places: tuple[float, int], width: float = 20, frames: range = range(20)) -> Boxes:
    """A box of a category around each x, in every frame."""
    rows = [(f, c, x - width / 2, 60, x + width / 2, 190) for f in frames for x, c in places]
    table = np.array(rows, float).reshape(-1, 6)
    return Boxes(table[:, 0], table[:, 1], table[:, 2:], np.full(len(table), 0.9))


def sounds_at(x: float | np.ndarray, category: int = 0) -> SoundEvents:
    return SoundEvents(
        np.arange(FRAMES), np.full(FRAMES, category), np.broadcast_to(x, FRAMES).astype(float)
    )


def items(*pairs: tuple[SoundEvents, Boxes]) -> list[Item]:
    return [Item(f"clip {i:02d}", Observation(*pair)) for i, pair in enumerate(pairs)]


def compute(name: str, clips: list[Item]) -> MetricResult:
    metric = metric_class(name)()
    for item in clips:
        metric.update(item)
    return metric.compute()
