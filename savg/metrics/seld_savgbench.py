"""SAVGBench's four scores of its sound detector, as its code counts them [S1, code].

One-second blocks, 40 pixels, means over speech and instrument (`savg.metrics.seld_blocks`).
The F-scores of single label frames are in `savg.metrics.sound_detection`.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from savg.annotation import ClipLabels, SoundEvents
from savg.metrics.base import Item, Metric, MetricResult, Need
from savg.metrics.seld_blocks import (
    ROWS,
    SAVGBENCH_RULES,
    Array,
    Located,
    block_scores,
    class_scores,
    count_blocks,
)
from savg.metrics.statistics import Interval, fewer_than_two, percentiles, resampled_clips


def located(events: SoundEvents | ClipLabels) -> Located:
    """Events or labels by x."""
    return Located(events.frames, events.categories, events.x[:, None])


class SeldErrorRate(Metric):
    """Error rate: wrong, missing and surplus tracks for each labelled one, in blocks of a second.

    Notes: the score of each class. Labels that are repeated exactly count once where they were read as
    `ClipLabels`.
    """

    name = "seld_er"
    label = "SELD error rate (SAVGBench)"
    higher_is_better: ClassVar[bool | None] = False
    needs = frozenset({Need.SOUNDS, Need.TRUTH})
    score: ClassVar[str] = "er"

    def compute(self) -> MetricResult:
        items = self.items
        shape = (len(items), ROWS, SAVGBENCH_RULES.classes)
        tables = np.array([_counts(item) for item in items]).reshape(shape)
        scores = block_scores(tables.sum(axis=0), SAVGBENCH_RULES)
        if not np.isfinite(scores[self.score]):
            reason = "No clip has a labelled sound event in a block that counts."
            return self.undefined(reason, len(items))
        low, high = self._interval(tables)
        classes = class_scores(tables.sum(axis=0), SAVGBENCH_RULES).get(self.score)
        notes = {} if classes is None else {"classes": [float(value) for value in classes]}
        value = float(scores[self.score])
        return MetricResult(self.name, value, low, high, len(items), notes=notes)

    def _interval(self, tables: Array) -> Interval:
        """Percentile bootstrap over clips of the score of counts [clips, ROWS, classes]; a class that a
        resample lacks is left out of its mean."""
        if fewer_than_two(tables.any(axis=(1, 2))):
            return None, None
        drawn = tables[resampled_clips(len(tables), self.seed)].sum(axis=1)
        values = block_scores(drawn, SAVGBENCH_RULES, tables.sum(axis=0))[self.score]
        return percentiles(values[np.isfinite(values)])


class SeldFScore(SeldErrorRate):
    """F-score of tracks at most 40 pixels from their labels, mean of both classes."""

    name = "seld_f"
    label = "SELD F-score (SAVGBench)"
    higher_is_better = True
    score = "f"


class SeldLocalisationError(SeldErrorRate):
    """Mean distance of tracks of the right class, however far, mean of both classes."""

    name = "seld_le"
    label = "SELD localisation error (SAVGBench)"
    unit = "px"
    score = "le"


class SeldLocalisationRecall(SeldErrorRate):
    """Share of labelled tracks with a track of the right class, however far, mean of both classes."""

    name = "seld_lr"
    label = "SELD localisation recall (SAVGBench)"
    higher_is_better = True
    score = "lr"


def _counts(item: Item) -> np.ndarray:
    assert item.truth is not None
    detected, labelled = located(item.observation.events), located(item.truth.events)
    return count_blocks(detected, labelled, SAVGBENCH_RULES)
