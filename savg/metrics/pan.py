"""Use of the stereo image: level balance of the two channels, and its spread over clips.

Pan is (right − left) / (right + left) of the two channels' RMS levels over a clip, −1 all left to
+1 all right. Its spread says whether sounds come from anywhere but the centre; the value to reach is
that of true clips, neither less nor more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from savg.audio.levels import pan
from savg.clip import Clip
from savg.metrics.base import Cells, Extractor, Item, Metric, MetricResult, Need
from savg.metrics.statistics import Values, deviation_interval


def pan_spread(pans: Values) -> float | None:
    """Standard deviation of pans [clips] in −1..1, without NaN (silent); None for fewer than two."""
    values = np.asarray(pans, np.float64)
    values = values[np.isfinite(values)]
    return float(values.std()) if len(values) > 1 else None


def clip_pan(clip: Clip) -> NDArray[np.float64]:
    """The pan of a clip [], NaN for silence."""
    return np.array(pan(clip.audio))


class PanSpread(Metric):
    """Standard deviation of the clips' pans."""

    name = "pan_spread"
    label = "pan spread"
    needs = frozenset({Need.FEATURES})
    features: ClassVar[Mapping[str, Extractor]] = {"pan": clip_pan}

    @classmethod
    def cells(cls, item: Item) -> Cells:
        value = float(item.observation.features["pan"])
        return {"pan": value if np.isfinite(value) else None}

    def compute(self) -> MetricResult:
        pans = np.array([float(item.observation.features["pan"]) for item in self.items])
        audible = pans[np.isfinite(pans)]
        value = pan_spread(audible)
        if value is None:
            return self.undefined("A spread needs two clips that are not silent.", len(audible))
        low, high = deviation_interval(audible, self.seed)
        return MetricResult(self.name, value, low, high, len(audible))
