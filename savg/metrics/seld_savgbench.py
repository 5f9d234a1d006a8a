"""SAVGBench's four scores of its sound detector, as its code counts them [S1, code].

One-second blocks, 40 pixels, means over speech and instrument (`savg.metrics.seld_blocks`).
The F-scores of single label frames are in `savg.metrics.sound_detection`. Chance baselines: the same
events all at the centre, and the labels of other clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from savg.annotation import ClipLabels, SoundEvents
from savg.format import SAVGBENCH
from savg.metrics.base import Item, Metric, MetricResult, Need
from savg.metrics.chance import uninformative
from savg.metrics.seld_blocks import (
    ROWS,
    SAVGBENCH_RULES,
    Array,
    Located,
    block_scores,
    class_scores,
    count_blocks,
)
from savg.metrics.statistics import (
    Interval,
    fewer_than_two,
    other_pairs,
    percentiles,
    resampled_clips,
)

MOST_PAIRS = 512
"""Pairs of a clip's events and another one's labels that the shuffled baseline rests on."""


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
    located: ClassVar[bool] = True
    """Whether it depends on where events are: then events at the centre are a baseline."""

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
        notes: dict[str, Any] = {}
        if classes is not None:
            notes["classes"] = [float(value) for value in classes]
        value, nulls = float(scores[self.score]), self._nulls(items)
        better = bool(self.higher_is_better)
        notes["warnings"] = uninformative(value, low, high, nulls, better)
        return MetricResult(self.name, value, low, high, len(items), nulls, notes)

    def _nulls(self, items: Sequence[Item]) -> dict[str, float | None]:
        """The score of the same events at the centre, and with the labels of other clips."""
        pairs = other_pairs(len(items), self.seed)
        step = -(-len(pairs) // MOST_PAIRS)
        shuffled = [(items[i], items[j]) for i, j in pairs[::step]] if pairs else []
        nulls = {"shuffled": self._pooled([_counts(one, other) for one, other in shuffled])}
        if not self.located:
            return nulls
        return {"centre": self._pooled([_counts(item, centred=True) for item in items]), **nulls}

    def _pooled(self, tables: Sequence[Array]) -> float | None:
        """The score of counts of clips together; None where there is none."""
        if not tables:
            return None
        value = float(block_scores(np.sum(tables, axis=0), SAVGBENCH_RULES)[self.score])
        return value if np.isfinite(value) else None

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
    higher_is_better = False
    unit = "px"
    score = "le"


class SeldLocalisationRecall(SeldErrorRate):
    """Share of labelled tracks with a track of the right class, however far, mean of both classes."""

    name = "seld_lr"
    label = "SELD localisation recall (SAVGBench)"
    higher_is_better = True
    score = "lr"
    located = False


def _counts(item: Item, other: Item | None = None, centred: bool = False) -> Array:
    """Counts of a clip's events against its labels, or those of another clip; centred: the events at
    the middle of the frame."""
    truth = (other or item).truth
    assert truth is not None
    detected, labelled = located(item.observation.events), located(truth.events)
    if centred:
        middle = np.full_like(detected.positions, SAVGBENCH.size / 2)
        detected = Located(detected.frames, detected.classes, middle)
    return count_blocks(detected, labelled, SAVGBENCH_RULES)
