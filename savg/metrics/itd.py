"""Arrival-time difference of the channels by GCC-PHAT: mean |ITD| of clips that have a clear one.

Coincident microphones, of which W ± Y is a pair, hear every direction at the same time: levels differ,
arrival times do not. Audio made like that has an ITD of 0 wherever its source is, and the result says
so. ITD matters for microphones that stand apart and for binaural audio.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.audio.stereo_measures import CONFIDENT, MAX_ITD_US
from savg.metrics.base import Cells, Item
from savg.metrics.stereo_measure import FEATURE, StereoMeasure, column

NEAR_US = 32.0
"""Microseconds up to which an ITD is about 0: half a sample at 16 kHz."""

_NEAR_SHARE = 0.8
_SPREAD_DB = 1.0
_FEW = 5
_BINS = 33


class Itd(StereoMeasure):
    """Mean |ITD| of the clips whose GCC-PHAT has a clear peak."""

    name = "itd"
    label = "ITD, mean of |left leads|"
    unit = "µs"
    column = "itd_us"

    @classmethod
    def values(cls, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(column(rows, "itd_confidence") >= CONFIDENT, column(rows, "itd_us"), np.nan)

    @classmethod
    def summarised(cls, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.abs(values)

    @classmethod
    def cells(cls, item: Item) -> Cells:
        rows = item.observation.features[FEATURE][None]
        both = {name: float(column(rows, name)[0]) for name in ("itd_us", "itd_confidence")}
        return {name: value if np.isfinite(value) else None for name, value in both.items()}

    @classmethod
    def reason(cls) -> str:
        return (
            "No clip has a clear peak in its cross-correlation: channels are unrelated or silent."
        )

    @classmethod
    def facts(cls, rows: NDArray[np.float64]) -> dict[str, Any]:
        """Mean, how many are about 0, and a histogram of the clips."""
        values = cls.values(rows)
        counts, edges = np.histogram(values, _BINS, (-MAX_ITD_US, MAX_ITD_US))
        return {
            "mean": float(values.mean()),
            "near_zero": int((np.abs(values) <= NEAR_US).sum()),
            "histogram": {"counts": counts.tolist(), "edges_us": edges.round(2).tolist()},
        }

    @classmethod
    def warnings(cls, rows: NDArray[np.float64], clips: int) -> list[str]:
        sentences = []
        if len(rows) < 0.5 * clips:
            sentences.append(
                f"Only {len(rows)} of {clips} clips have a clear arrival-time difference."
            )
        near = int((np.abs(cls.values(rows)) <= NEAR_US).sum())
        spread = float(column(rows, "ild_db").std())
        if len(rows) >= _FEW and near >= _NEAR_SHARE * len(rows) and spread >= _SPREAD_DB:
            sentences.append(
                f"Levels differ between the channels (ILD spreads by {spread:.1f} dB) while arrival "
                f"times do not ({near} of {len(rows)} clips within ±{NEAR_US:g} µs): coincident stereo "
                "such as W ± Y carries level but no time difference, so ITD and other measures by "
                "cross-correlation (GCC) say little here; read ILD and pan."
            )
        return sentences
