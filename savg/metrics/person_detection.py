"""Average precision of person boxes at an overlap of one half, as COCO counts it.

Boxes are matched frame by frame, best score first, each with the free true box it overlaps most, if
intersection over union is at least the threshold. Average precision is the mean, over 101 recalls
0, 0.01, …, 1, of the best precision at that recall or beyond (Lin et al., arXiv 1405.0312).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from savg.annotation import PERSON, Boxes
from savg.metrics.base import Metric, MetricResult, Need

RECALLS = np.linspace(0, 1, 101)


def box_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of corner boxes [N, 4] and [M, 4]: [N, M]; 0 where both are empty."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = (high - low).clip(0).prod(axis=-1)
    union = _area(a)[:, None] + _area(b)[None] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=-1)


def match_boxes(
    found: NDArray[np.float64], truth: NDArray[np.float64], iou_threshold: float = 0.5
) -> NDArray[np.bool_]:
    """Which found boxes [N, 4], best first, take a free true box [M, 4] of the same frame."""
    free = np.ones(len(truth), bool)
    hit = np.zeros(len(found), bool)
    for i, overlaps in enumerate(box_iou(found, truth)):
        overlaps = np.where(free, overlaps, -1.0)
        if len(overlaps) and overlaps.max() >= iou_threshold:
            free[overlaps.argmax()] = False
            hit[i] = True
    return hit


def average_precision(
    scores: NDArray[np.float64], hits: NDArray[np.bool_], truths: int
) -> float | None:
    """Area under precision over recall; None where nothing was there to be found.

    scores [N], hits [N]: of all found boxes, in any order; truths: how many there were to find.
    """
    if truths == 0:
        return None
    if len(scores) == 0:
        return 0.0
    hit = hits[np.argsort(-np.asarray(scores, np.float64), kind="stable")]
    positives = np.cumsum(hit)
    recall = positives / truths
    precision = positives / np.arange(1, len(hit) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(envelope, 0.0)[place].mean())


def person_ap50(
    found: Sequence[Boxes], truth: Sequence[Boxes], iou_threshold: float = 0.5
) -> float | None:
    """Average precision of persons in clips: `found[i]` (with scores) against `truth[i]`.

    Detect with a low score threshold, or the tail of the curve is missing. 0..1; None without any
    true person. Raises ValueError for unequal numbers of clips or missing scores.
    """
    if len(found) != len(truth):
        raise ValueError(f"{len(found)} clips of found boxes, but {len(truth)} of true ones")
    scores, hits, truths = [], [], 0
    for guess, real in zip(found, truth, strict=True):
        if guess.scores is None:
            raise ValueError("found boxes need scores")
        guess, real = (
            guess.select(guess.categories == PERSON),
            real.select(real.categories == PERSON),
        )
        truths += len(real)
        sure = np.asarray(guess.scores)
        for frame in np.unique(guess.frames):
            rows = np.flatnonzero(guess.frames == frame)
            rows = rows[np.argsort(-sure[rows], kind="stable")]
            scores.append(sure[rows])
            there = real.xyxy[real.frames == frame]
            hits.append(match_boxes(guess.xyxy[rows], there, iou_threshold))
    if not scores:
        return average_precision(np.zeros(0), np.zeros(0, bool), truths)
    return average_precision(np.concatenate(scores), np.concatenate(hits), truths)


class PersonAp50(Metric):
    """Average precision of a person detector at an overlap of one half."""

    name = "person_ap50"
    label = "person AP50"
    higher_is_better = True
    needs = frozenset({Need.PERSONS, Need.TRUTH})

    def compute(self) -> MetricResult:
        found, truth = [], []
        for item in self.items:
            assert item.truth is not None
            seen = item.observation.candidates
            found.append(item.observation.boxes if seen is None else seen)
            truth.append(item.truth.boxes)
        value = person_ap50(found, truth)
        if value is None:
            return self.undefined("No clip has a true person.", len(found))
        return MetricResult(self.name, value, n=len(found))
