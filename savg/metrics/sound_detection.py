"""Detection of sound events: the location-dependent F-score of each class.

Counted label frame by label frame (10 a second) and class by class: detected and labelled events are
paired one to one, as many pairs as possible, where their x differ by at most the tolerance in pixels
of a 256-wide frame. Pairs are true positives, detections without partner false positives, labels
without partner false negatives; an event detected at a wrong place counts as both. Counts are added
over clips before the score is formed (micro average), as in the location-dependent measures of DCASE
(Mesaros et al., WASPAA 2019) that [S1] uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES, INSTRUMENT, MARGIN, SPEECH, ClipLabels, SoundEvents
from savg.metrics.base import Metric, MetricResult, Need


@dataclass(frozen=True, eq=False)
class SoundCounts:
    """True positives, false positives and false negatives [classes]; counts of clips add up."""

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]

    def __add__(self, other: SoundCounts) -> SoundCounts:
        return SoundCounts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> NDArray[np.float64]:
        """TP / (TP + FP) [classes], NaN where nothing was detected."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> NDArray[np.float64]:
        """TP / (TP + FN) [classes], NaN where nothing is labelled."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f_score(self) -> NDArray[np.float64]:
        """2 TP / (2 TP + FP + FN) [classes], NaN where nothing is labelled and nothing detected."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def count_sounds(
    detected: SoundEvents,
    labels: ClipLabels | SoundEvents,
    tolerance: float = MARGIN,
    classes: int = len(CATEGORY_NAMES),
) -> SoundCounts:
    """Counts of one clip: detected events against labels, x of both in pixels of a 256-wide frame."""
    tp, fp, fn = (np.zeros(classes, np.int64) for _ in range(3))
    for category in range(classes):
        detections, labelled = detected.categories == category, labels.categories == category
        for frame in np.union1d(detected.frames[detections], labels.frames[labelled]):
            x = detected.x[detections & (detected.frames == frame)]
            true_x = labels.x[labelled & (labels.frames == frame)]
            pairs = count_pairs(x, true_x, tolerance)
            tp[category] += pairs
            fp[category] += len(x) - pairs
            fn[category] += len(true_x) - pairs
    return SoundCounts(tp, fp, fn)


def count_pairs(a: NDArray[np.floating], b: NDArray[np.floating], tolerance: float = MARGIN) -> int:
    """Largest number of one-to-one pairs of positions a [N] and b [M] at most `tolerance` apart.

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
    tolerance: float = MARGIN,
    classes: int = len(CATEGORY_NAMES),
) -> SoundCounts:
    """Counts over clips.

    Args:
        clips: (detected events, labels) of each clip.
        tolerance: largest distance of a pair in pixels of a 256-wide frame.
        classes: number of classes.

    Example:
        >>> seld_f_score([(detector(clip), labels)]).f_score  # [classes]
    """
    zero = np.zeros(classes, np.int64)
    counts = SoundCounts(zero, zero, zero)
    for detected, labels in clips:
        counts = counts + count_sounds(detected, labels, tolerance, classes)
    return counts


class SpeechFScore(Metric):
    """F-score of a sound detector for one category of sound events."""

    name = "speech_f_score"
    label = "sound F-score, speech"
    higher_is_better = True
    needs = frozenset({Need.SOUNDS, Need.TRUTH})
    category: ClassVar[int] = SPEECH

    def compute(self) -> MetricResult:
        items = self.items
        counts = seld_f_score(
            (item.observation.events, item.truth.events) for item in items if item.truth
        )
        names = ("tp", "fp", "fn")
        notes = {name: int(getattr(counts, name)[self.category]) for name in names}
        if not sum(notes.values()):
            kind = CATEGORY_NAMES[self.category]
            reason = f"No clip has {kind}, detected or labelled."
            return self.undefined(reason, len(items), **notes)
        score = float(counts.f_score[self.category])
        return MetricResult(self.name, score, n=len(items), notes=notes)


class InstrumentFScore(SpeechFScore):
    """The same for instruments."""

    name = "instrument_f_score"
    label = "sound F-score, instrument"
    category = INSTRUMENT
