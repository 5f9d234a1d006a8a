"""Errors of the ILD and pan trajectories against the reference clips of the same names.

Mean absolute difference over the label frames in which both clips are active, then over clips. Beside
it: the correlation of the trajectories, how often both are active or both are not, and what the same
reference gets from a source that stays at the centre, from swapped channels, and from other clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from savg.metrics.base import Extractor, Metric, MetricResult, Need
from savg.metrics.chance import uninformative
from savg.metrics.statistics import mean_interval, other_pairs
from savg.metrics.stereo import TRACK, clip_track

ILD_LIMIT_DB = 20.0
"""Level differences count up to this: beyond it audio is wholly at one side."""

Track = NDArray[np.float64]
"""[frames], NaN where nothing is active."""


def track_difference(track: Track, reference: Track) -> float:
    """Mean absolute difference over the frames of the shorter one in which both are active; NaN if none
    is."""
    count = min(len(track), len(reference))
    difference = np.abs(track[:count] - reference[:count])
    difference = difference[np.isfinite(difference)]
    return float(difference.mean()) if len(difference) else float("nan")


def track_correlation(track: Track, reference: Track) -> float:
    """Pearson correlation over the frames in which both are active; NaN for fewer than three, or where
    one of them never moves."""
    count = min(len(track), len(reference))
    a, b = track[:count], reference[:count]
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if len(a) < 3 or np.ptp(a) < 1e-9 or np.ptp(b) < 1e-9:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


class IldError(Metric):
    """Mean absolute error of the ILD trajectory."""

    name = "ild_error"
    label = "ILD trajectory, mean error"
    unit = "dB"
    higher_is_better = False
    needs = frozenset({Need.FEATURES, Need.REFERENCE, Need.PAIRS})
    features: ClassVar[Mapping[str, Extractor]] = {TRACK: clip_track}
    place: ClassVar[int] = 0
    limit: ClassVar[float] = ILD_LIMIT_DB

    def compute(self) -> MetricResult:
        pairs, unpaired = self._pairs()
        errors = np.array([track_difference(a, b) for a, b in pairs])
        present = np.isfinite(errors)
        counts = {"unpaired": unpaired, "never_both_active": int((~present).sum())}
        if not present.any():
            return self.undefined(
                "No clip is active at the same time as a reference clip of the same name.", **counts
            )
        pairs = [pair for pair, kept in zip(pairs, present, strict=True) if kept]
        low, high = mean_interval(errors[present], self.seed)
        nulls = _nulls(pairs, self.seed)
        value = float(errors[present].mean())
        warnings = uninformative(value, low, high, nulls, higher_is_better=False)
        notes = {**counts, **_agreement(pairs), "warnings": warnings + self._warnings(counts)}
        return MetricResult(self.name, value, low, high, len(pairs), nulls, notes)

    def _pairs(self) -> tuple[list[tuple[Track, Track]], int]:
        """The trajectories of clips and of their references; how many clips have none."""
        assert self.reference is not None
        pairs = []
        for item in self.items:
            theirs = self.reference.pair(item)
            if theirs is not None and TRACK in theirs:
                pairs.append((self._of(item.observation.features), self._of(theirs)))
        return pairs, len(self.items) - len(pairs)

    @classmethod
    def _of(cls, features: Mapping[str, NDArray[Any]]) -> Track:
        return np.clip(features[TRACK][:, cls.place], -cls.limit, cls.limit)

    def _warnings(self, counts: Mapping[str, int]) -> list[str]:
        clips, sentences = len(self.items), []
        if counts["unpaired"]:
            sentences.append(
                f"{counts['unpaired']} of {clips} clips have no reference clip of the same name and "
                "are left out."
            )
        if counts["never_both_active"]:
            sentences.append(
                f"{counts['never_both_active']} of {clips} clips are never active at the same time as "
                "their reference and are left out."
            )
        return sentences


class PanError(IldError):
    """Mean absolute error of the pan trajectory, −1 left … +1 right."""

    name = "pan_error"
    label = "pan trajectory, mean error"
    unit = ""
    place = 1
    limit = 1.0


def _agreement(pairs: list[tuple[Track, Track]]) -> dict[str, Any]:
    """Correlations of the trajectories, and the share of frames with the same activity."""
    within = np.array([track_correlation(a, b) for a, b in pairs])
    within = within[np.isfinite(within)]
    cut = [(a[: min(len(a), len(b))], b[: min(len(a), len(b))]) for a, b in pairs]
    ours, theirs = (np.concatenate([pair[side] for pair in cut]) for side in (0, 1))
    pooled = track_correlation(ours, theirs)
    return {
        "correlation": pooled if np.isfinite(pooled) else None,
        "correlation_within": float(within.mean()) if len(within) else None,
        "moving": len(within),
        "same_activity": float((np.isfinite(ours) == np.isfinite(theirs)).mean()),
    }


def _nulls(pairs: list[tuple[Track, Track]], seed: int) -> dict[str, float | None]:
    """Errors of a source at the centre, of swapped channels, of other clips; None without others."""
    centre = [track_difference(0 * a, b) for a, b in pairs]
    swapped = [track_difference(-a, b) for a, b in pairs]
    others = [track_difference(pairs[j][0], pairs[i][1]) for i, j in other_pairs(len(pairs), seed)]
    others = [error for error in others if np.isfinite(error)]
    return {
        "centre": float(np.mean(centre)),
        "swapped": float(np.mean(swapped)),
        "shuffled": float(np.mean(others)) if others else None,
    }
