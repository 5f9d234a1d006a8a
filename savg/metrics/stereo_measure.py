"""What metrics of the stereo image share: a row of measures a clip, and its mean over a set.

No value of a measure is the best: the one to reach is that of real clips. Where a reference set is
there, its own value and the distance between the two distributions (Wasserstein's, in the measure's
unit) stand in `notes["reference"]`, beside the distance that a random division of all the clips gives.
Units and signs are those of `savg.audio.stereo_measures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from savg.audio import stereo_measures as measures
from savg.audio.levels import part_powers, power_pan
from savg.clip import Clip
from savg.metrics.base import Cells, Extractor, Item, Metric, MetricResult, Need
from savg.metrics.statistics import mean_interval, order_statistics

FEATURE = "stereo"
"""A clip's row of measures [COLUMNS]."""

KINDS = ("", "equal", "gain", "opposite")
"""What equal channels are, by number; see `savg.audio.stereo_measures.Likeness.kind`."""

_BANDS = [f"{centre:g}" for centre in measures.BANDS]
COLUMNS = (
    *("ild_db", "itd_us", "itd_confidence", "coherence", "width", "balance", "mono_db"),
    *("correlation", "kind"),
    *(f"ild_db_{band}" for band in _BANDS),
    *(f"coherence_{band}" for band in _BANDS),
)
"""Measures of a clip in the order of their feature; those of bands end with the centre in Hz."""

_PERMUTATIONS = 500


def clip_stereo(clip: Clip) -> NDArray[np.float64]:
    """The stereo measures [COLUMNS] of a clip, NaN where there is none, as for silence."""
    rate = clip.format.sample_rate
    spectra = measures.cross_spectra(clip.audio, rate)
    alike = measures.likeness(clip.audio, rate)
    delay, confidence = measures.itd(spectra)
    powers = part_powers(clip.audio, rate, 10)
    left, right = powers[:, measures.active(powers)].sum(axis=1)
    kind = np.nan if np.isnan(alike.width) else KINDS.index(alike.kind)
    row = [
        *(measures.level_difference(left, right), delay, confidence, measures.coherence(spectra)),
        *(alike.width, power_pan(left, right), alike.mono_db, alike.correlation, kind),
        *measures.band_ild(spectra),
        *measures.band_coherence(spectra),
    ]
    return np.array(row, np.float64)


def wasserstein(a: NDArray[np.float64], b: NDArray[np.float64], seed: int = 0) -> dict[str, float]:
    """Distance of two samples' distributions, in their unit, and what chance gives.

    Returns `distance` (Wasserstein's first: the area between the distribution functions), `chance` (its
    mean where all values are dealt out at random) and `p` (share of such deals, and the real one, that
    are at least as far apart).
    """
    pooled = np.concatenate([a, b])
    order = np.argsort(pooled, kind="stable")
    steps = np.diff(pooled[order])
    weights = np.repeat([1 / len(a), -1 / len(b)], [len(a), len(b)])
    rng = np.random.default_rng(seed)

    def apart(weights: NDArray[np.float64]) -> float:
        return float(np.abs(np.cumsum(weights)[:-1]) @ steps)

    distance = apart(weights[order])
    draws = np.array([apart(rng.permutation(weights)) for _ in range(_PERMUTATIONS)])
    more = int((draws >= distance - 1e-12).sum())
    return {
        "distance": distance,
        "chance": float(draws.mean()),
        "p": (more + 1) / (_PERMUTATIONS + 1),
    }


class StereoMeasure(Metric):
    """Mean over clips of one of their stereo measures; silent clips have none.

    column: of COLUMNS; cell: its name in the table of single clips.
    """

    needs = frozenset({Need.FEATURES})
    features: ClassVar[Mapping[str, Extractor]] = {FEATURE: clip_stereo}
    column: ClassVar[str]

    @classmethod
    def values(cls, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The measure [clips] of rows [clips, COLUMNS], NaN where a clip has none."""
        return column(rows, cls.column)

    @classmethod
    def summarised(cls, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is averaged [clips] of a measure [clips]."""
        return values

    @classmethod
    def cells(cls, item: Item) -> Cells:
        (value,) = cls.values(item.observation.features[FEATURE][None])
        return {cls.column: float(value) if np.isfinite(value) else None}

    def compute(self) -> MetricResult:
        rows = rows_of(self.items)
        values = self.values(rows)
        present = np.isfinite(values)
        without = {"silent": int(np.isnan(column(rows, "width")).sum())}
        if not present.any():
            return self.undefined(self.reason(), **without)
        summarised = self.summarised(values[present])
        low, high = mean_interval(summarised, self.seed)
        notes: dict[str, Any] = {
            **without,
            "deviation": float(values[present].std()),
            **(order_statistics(values[present]) or {}),
            **self.facts(rows[present]),
        }
        if reference := self._reference(values[present]):
            notes["reference"] = reference
        notes["warnings"] = self.warnings(rows[present], len(rows))
        return MetricResult(
            self.name, float(summarised.mean()), low, high, int(present.sum()), notes=notes
        )

    @classmethod
    def reason(cls) -> str:
        """Why there is no value."""
        return "Every clip is silent, or there is none."

    @classmethod
    def facts(cls, rows: NDArray[np.float64]) -> dict[str, Any]:
        """Further notes on rows [clips, COLUMNS] that have the measure."""
        return {}

    @classmethod
    def warnings(cls, rows: NDArray[np.float64], clips: int) -> list[str]:
        """Sentences beside the value, of rows that have the measure, of `clips` in all."""
        return []

    def _reference(self, values: NDArray[np.float64]) -> dict[str, Any] | None:
        """The reference set's value, and the distance to it; None without one that has the measure."""
        if self.reference is None:
            return None
        rows = [
            row[FEATURE] for _, row in sorted(self.reference.features.items()) if FEATURE in row
        ]
        if not rows:
            return None
        theirs = self.values(np.array(rows))
        theirs = theirs[np.isfinite(theirs)]
        if not len(theirs):
            return None
        mean = float(self.summarised(theirs).mean())
        return {"n": len(theirs), "value": mean, **wasserstein(values, theirs, self.seed)}


def rows_of(items: Sequence[Item]) -> NDArray[np.float64]:
    """The rows of measures [clips, COLUMNS] of items."""
    rows = [item.observation.features[FEATURE] for item in items]
    return np.array(rows, np.float64).reshape(len(rows), len(COLUMNS))


def column(rows: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """A measure [clips] of rows [clips, COLUMNS]."""
    return rows[:, COLUMNS.index(name)]


def bands_mean(rows: NDArray[np.float64], name: str, absolute: bool) -> dict[str, float | None]:
    """The mean over rows of a measure in each band, by its centre in Hz; None where no row has it."""
    result: dict[str, float | None] = {}
    for band in _BANDS:
        values = column(rows, f"{name}_{band}")
        values = values[np.isfinite(values)]
        values = np.abs(values) if absolute else values
        result[band] = float(values.mean()) if len(values) else None
    return result
