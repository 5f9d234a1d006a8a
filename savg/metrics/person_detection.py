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
    detections: NDArray[np.float64], truth: NDArray[np.float64], iou_threshold: float = 0.5
) -> NDArray[np.bool_]:
    """Which detections [N, 4], best first, match a free true box [M, 4] of the same frame: bool [N]."""
    free = np.ones(len(truth), bool)
    is_hit = np.zeros(len(detections), bool)
    for i, overlaps in enumerate(box_iou(detections, truth)):
        overlaps = np.where(free, overlaps, -1.0)
        if len(overlaps) and overlaps.max() >= iou_threshold:
            free[overlaps.argmax()] = False
            is_hit[i] = True
    return is_hit


def average_precision(
    scores: NDArray[np.float64], hits: NDArray[np.bool_], truths: int
) -> float | None:
    """Area under precision over recall; None without any true box.

    scores [N], hits [N]: of all detections, in any order; truths: number of true boxes.
    """
    if truths == 0:
        return None
    if len(scores) == 0:
        return 0.0
    is_hit = hits[np.argsort(-np.asarray(scores, np.float64), kind="stable")]
    positives = np.cumsum(is_hit)
    recall = positives / truths
    precision = positives / np.arange(1, len(is_hit) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(envelope, 0.0)[place].mean())


def person_ap50(
    detections: Sequence[Boxes], truth: Sequence[Boxes], iou_threshold: float = 0.5
) -> float | None:
    """Average precision of persons in clips, in 0..1; None without any true person.

    Args:
        detections: boxes of each clip with scores, down to low ones: they are the curve's tail.
        truth: true boxes of each clip.
        iou_threshold: least intersection over union of a match.

    Raises:
        ValueError: unequal numbers of clips, or boxes without scores.

    Example:
        >>> person_ap50([detector(clip)], [true_boxes])
    """
    if len(detections) != len(truth):
        raise ValueError(
            f"truth must hold {len(detections)} clips, as detections do, got {len(truth)}."
        )
    scores, hits, truths = [], [], 0
    for detected, labelled in zip(detections, truth, strict=True):
        if len(detected) and detected.scores is None:
            raise ValueError("Detections must have scores.")
        detected, labelled = (
            detected.select(detected.categories == PERSON),
            labelled.select(labelled.categories == PERSON),
        )
        truths += len(labelled)
        confidence = np.zeros(0) if detected.scores is None else detected.scores
        for frame in np.unique(detected.frames):
            rows = np.flatnonzero(detected.frames == frame)
            rows = rows[np.argsort(-confidence[rows], kind="stable")]
            scores.append(confidence[rows])
            true_boxes = labelled.xyxy[labelled.frames == frame]
            hits.append(match_boxes(detected.xyxy[rows], true_boxes, iou_threshold))
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
        detections, truth = [], []
        for item in self.items:
            assert item.truth is not None
            candidates = item.observation.candidates
            detections.append(item.observation.boxes if candidates is None else candidates)
            truth.append(item.truth.boxes)
        if any(len(boxes) and boxes.scores is None for boxes in detections):
            reason = "The boxes have no scores, as those of tables, so that nothing ranks them."
            return self.undefined(reason, len(detections))
        value = person_ap50(detections, truth)
        if value is None:
            return self.undefined("No clip has a true person.", len(detections))
        return MetricResult(self.name, value, n=len(detections))
