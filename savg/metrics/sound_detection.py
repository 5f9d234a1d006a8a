"""How well sound events are detected: the location-dependent F-score of each class.

Judged frame by frame (10 a second), class by class: within one frame and class, events found and
labelled are paired one to one, as many pairs as possible, where their x differ by at most the
tolerance in pixels of a 256-wide picture. Pairs are true positives, events found without partner
false positives, labels without partner false negatives. A sound found at a wrong place therefore
counts as both. Counts are added over clips before the score is formed (micro average), as in the
location-dependent measures of DCASE (Mesaros et al., WASPAA 2019) that [S1] uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES, ClipLabels, SoundEvents

TOLERANCE = 40.0
"""Pixels that x may be off, the half width of a sound event in Spatial AV-Align [S1]."""


@dataclass(frozen=True, eq=False)
class SoundCounts:
    """True positives, false positives and false negatives of each class; they add up over clips."""

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]

    def __add__(self, other: SoundCounts) -> SoundCounts:
        return SoundCounts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> NDArray[np.float64]:
        """TP / (TP + FP) of each class, NaN where nothing was found."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> NDArray[np.float64]:
        """TP / (TP + FN) of each class, NaN where nothing sounds."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f_score(self) -> NDArray[np.float64]:
        """2 TP / (2 TP + FP + FN) of each class, NaN where nothing sounds and nothing was found."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def count_sounds(
    found: SoundEvents,
    labels: ClipLabels | SoundEvents,
    tolerance: float = TOLERANCE,
    classes: int = len(CATEGORY_NAMES),
) -> SoundCounts:
    """Counts of one clip: the events found against its labels; x of both in pixels."""
    tp, fp, fn = (np.zeros(classes, np.int64) for _ in range(3))
    for category in range(classes):
        ours, theirs = found.categories == category, labels.categories == category
        for frame in np.union1d(found.frames[ours], labels.frames[theirs]):
            x = found.x[ours & (found.frames == frame)]
            wanted = labels.x[theirs & (labels.frames == frame)]
            pairs = count_pairs(x, wanted, tolerance)
            tp[category] += pairs
            fp[category] += len(x) - pairs
            fn[category] += len(wanted) - pairs
    return SoundCounts(tp, fp, fn)


def count_pairs(
    a: NDArray[np.floating], b: NDArray[np.floating], tolerance: float = TOLERANCE
) -> int:
    """The most one-to-one pairs of positions that differ by at most `tolerance`.

    Walking both in order and pairing the first two that fit is optimal on a line.
    """
    left, right = sorted(a.tolist()), sorted(b.tolist())
    i = j = pairs = 0
    while i < len(left) and j < len(right):
        if abs(left[i] - right[j]) <= tolerance:
            pairs, i, j = pairs + 1, i + 1, j + 1
        elif left[i] < right[j]:
            i += 1
        else:
            j += 1
    return pairs


def seld_f_score(
    clips: Iterable[tuple[SoundEvents, ClipLabels | SoundEvents]],
    tolerance: float = TOLERANCE,
    classes: int = len(CATEGORY_NAMES),
) -> SoundCounts:
    """Counts over (found, labels) of many clips; `.f_score` has the F-score of each class."""
    zero = np.zeros(classes, np.int64)
    counts = SoundCounts(zero, zero, zero)
    for found, labels in clips:
        counts = counts + count_sounds(found, labels, tolerance, classes)
    return counts
