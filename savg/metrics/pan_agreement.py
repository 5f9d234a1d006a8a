"""Agreement of pan and person position: their correlation over clips.

Persons are found by shape (a detector) or by motion, never by colour, which locks onto the edges of a
frame. x in pixels from the left of the frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from savg.annotation import PERSON, Boxes
from savg.clip import Clip
from savg.metrics.base import Extractor, Item, Metric, MetricResult, Need, format_number
from savg.metrics.pan import clip_pan
from savg.metrics.statistics import correlation, correlation_interval


def person_x(boxes: Boxes, frames: int) -> float:
    """Mean x in pixels of the highest-scoring person box in each of `frames` frames, else NaN."""
    centres = []
    scores = np.ones(len(boxes)) if boxes.scores is None else boxes.scores
    middle = boxes.xyxy[:, [0, 2]].mean(axis=1)
    for frame in range(frames):
        rows = np.flatnonzero((boxes.frames == frame) & (boxes.categories == PERSON))
        if len(rows):
            centres.append(middle[rows[np.argmax(scores[rows])]])
    return float(np.mean(centres)) if centres else float("nan")


def motion_x(clip: Clip) -> float:
    """Mean x in pixels of a clip's change against its median frame; NaN for a still.

    The change of each column is taken above the median column, so that even noise cancels out.
    """
    grey = clip.picture.astype(np.float64).mean(axis=3)
    change = np.abs(grey - np.median(grey, axis=0)).mean(axis=(0, 1))
    weight = np.maximum(change - np.median(change), 0.0)
    if not weight.any():
        return float("nan")
    return float(weight @ (np.arange(len(weight)) + 0.5) / weight.sum())


def clip_motion_x(clip: Clip) -> NDArray[np.float64]:
    """`motion_x` of a clip []."""
    return np.array(motion_x(clip))


class PanAndPerson(Metric):
    """Pearson correlation over clips of pan and the person's x."""

    name = "pan_person"
    label = "pan and person, correlation"
    higher_is_better = True
    needs = frozenset({Need.FEATURES, Need.PERSONS})
    features: ClassVar[Mapping[str, Extractor]] = {"pan": clip_pan}

    @classmethod
    def place(cls, item: Item) -> float:
        """x in pixels that the pan is compared with; NaN where there is none."""
        return person_x(item.observation.boxes, item.observation.format.frames)

    def compute(self) -> MetricResult:
        items = self.items
        pans = [float(item.observation.features["pan"]) for item in items]
        correlated = correlation(pans, [self.place(item) for item in items], seed=self.seed)
        if correlated.r is None:
            reason = "A correlation needs three clips with both values, and values that differ."
            return self.undefined(reason, correlated.clips, p=None)
        low, high = correlation_interval(correlated.r, correlated.clips)
        return MetricResult(
            self.name, correlated.r, low, high, correlated.clips, notes={"p": correlated.p}
        )

    @classmethod
    def text(cls, result: MetricResult) -> str:
        if result.value is None:
            return f"– (n = {result.n})"
        return f"{result.value:+.2f} (p = {format_number(result.notes['p'], 4)}, n = {result.n})"


class PanAndMotion(PanAndPerson):
    """Pearson correlation over clips of pan and the motion's x."""

    name = "pan_motion"
    label = "pan and motion, correlation"
    needs = frozenset({Need.FEATURES})
    features: ClassVar[Mapping[str, Extractor]] = {"pan": clip_pan, "motion_x": clip_motion_x}

    @classmethod
    def place(cls, item: Item) -> float:
        return float(item.observation.features["motion_x"])
