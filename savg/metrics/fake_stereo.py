"""Fake stereo: the share of clips whose two channels are the same, so that nothing has a direction.

Channels that are equal up to a gain are told apart: they are one signal panned, as a dry source that
does not move is in coincident stereo, and do have a direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.metrics.base import Cells, Item, MetricResult, with_interval
from savg.metrics.statistics import share_interval
from savg.metrics.stereo_measure import FEATURE, KINDS, StereoMeasure, column, rows_of

_MANY = 0.5


class FakeStereo(StereoMeasure):
    """Share of clips with equal channels, of those that are not silent."""

    name = "fake_stereo"
    label = "fake stereo, equal channels"
    unit = "share of clips"
    column = "kind"

    @classmethod
    def values(cls, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        kinds = column(rows, "kind")
        return np.where(np.isnan(kinds), np.nan, kinds == KINDS.index("equal"))

    @classmethod
    def cells(cls, item: Item) -> Cells:
        (value,) = cls.values(item.observation.features[FEATURE][None])
        return {"fake_stereo": int(value) if np.isfinite(value) else None}

    def compute(self) -> MetricResult:
        result = super().compute()
        if result.value is None:
            return result
        values = self.values(rows_of(self.items))
        equal = values[np.isfinite(values)].astype(np.int64)
        low, high = share_interval(np.stack([equal, 1 - equal], axis=1), self.seed)
        return MetricResult(self.name, result.value, low, high, result.n, notes=result.notes)

    @classmethod
    def facts(cls, rows: NDArray[np.float64]) -> dict[str, Any]:
        """Clips of each kind of equal channels."""
        kinds = column(rows, "kind")
        return {kind: int((kinds == i).sum()) for i, kind in enumerate(KINDS) if kind}

    @classmethod
    def warnings(cls, rows: NDArray[np.float64], clips: int) -> list[str]:
        equal = int(cls.values(rows).sum())
        if equal < _MANY * len(rows):
            return []
        return [
            f"{equal} of {len(rows)} clips have equal channels: no direction can be heard in them, and "
            "every measure of direction takes them for central."
        ]

    @classmethod
    def text(cls, result: MetricResult) -> str:
        if result.value is None:
            return with_interval(result)
        return with_interval(result, more=f"{result.notes['equal']} of {result.n} clips")
