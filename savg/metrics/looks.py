"""Do people look alive? Edges and motion inside their boxes, relative to those of other clips.

Both are levels of brightness (the mean of red, green and blue, 0…255), averaged over all pixels of a
set of clips that lie inside a box. Edges: length of the gradient, from differences to the right and
downward neighbours. Change: absolute difference of a frame and the next one, inside the people of
either. Blurred figures have few edges, figures that stand still little change; noise raises both, so
that neither is proof of quality above 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from savg.annotation import PERSON, Boxes
from savg.clip import Clip
from savg.format import SAVGBENCH
from savg.metrics.base import MetricResult
from savg.metrics.statistics import relative_interval

EDGES, CHANGE = "edges_inside_people", "change_inside_people"
"""Names of the results."""


@dataclass(frozen=True)
class Looks:
    """What is inside the people of one clip: sums of levels, and over how many pixels."""

    edges: float
    edge_pixels: int
    change: float
    change_pixels: int

    def array(self) -> NDArray[np.float64]:
        """The four numbers [4]."""
        return np.array(astuple(self), np.float64)

    @classmethod
    def of_array(cls, values: NDArray[np.float64]) -> Looks:
        """The inverse of `array`; ValueError for another shape."""
        if values.shape != (4,):
            raise ValueError(f"values must have shape (4,), got {values.shape}.")
        return cls(float(values[0]), int(values[1]), float(values[2]), int(values[3]))


def inside_people(clip: Clip, boxes: Boxes) -> Looks:
    """Edges and change inside the people of a clip.

    boxes: in pixels of the 256-wide frame, whatever the clip's size; the padding around the picture
    never counts, nor do other categories than persons.
    """
    grey = clip.picture.astype(np.float64).mean(axis=3)
    inside = people_mask(clip, boxes)
    right = np.diff(grey, axis=2)[:, :-1]
    down = np.diff(grey, axis=1)[:, :, :-1]
    edges, here = np.hypot(right, down), inside[:, :-1, :-1]
    change, either = np.abs(np.diff(grey, axis=0)), inside[1:] | inside[:-1]
    return Looks(
        float(edges[here].sum()), int(here.sum()), float(change[either].sum()), int(either.sum())
    )


def people_mask(clip: Clip, boxes: Boxes) -> NDArray[np.bool_]:
    """Which pixels of the picture [frames, height, width] have their middle in a person's box."""
    format = clip.format
    mask: NDArray[np.bool_] = np.zeros(clip.picture.shape[:3], bool)
    corners = boxes.xyxy * (format.size / SAVGBENCH.size)
    columns = np.arange(clip.format.size) + 0.5
    rows = np.arange(format.top, format.bottom) + 0.5
    for row in np.flatnonzero((boxes.categories == PERSON) & (boxes.frames < len(mask))):
        x0, y0, x1, y1 = corners[row]
        across, along = (columns > x0) & (columns < x1), (rows > y0) & (rows < y1)
        mask[boxes.frames[row]] |= np.outer(along, across)
    return mask


def relative_looks(
    clips: Sequence[Looks], data: Sequence[Looks], seed: int = 0
) -> dict[str, MetricResult]:
    """Edges and change of clips as multiples of those of the data, by `EDGES` and `CHANGE`.

    Intervals are bootstraps over the clips of both sets. Notes: both means in levels. A result without
    value where nobody is seen in one of the sets, or the data have no edges or do not change.
    """
    own, theirs = (np.array([one.array() for one in s]).reshape(-1, 4) for s in (clips, data))
    return {
        name: _relative(name, own[:, part], theirs[:, part], seed)
        for name, part in ((EDGES, slice(0, 2)), (CHANGE, slice(2, 4)))
    }


def _relative(
    name: str, own: NDArray[np.float64], data: NDArray[np.float64], seed: int
) -> MetricResult:
    n = int((own[:, 1] > 0).sum())
    if not n or not data[:, 0].sum():
        nobody = "Nobody is seen in " + ("these clips." if not n else "the data, or they are flat.")
        return MetricResult(name, None, n=n, notes={"reason": nobody})
    means = [float(one[:, 0].sum() / one[:, 1].sum()) for one in (own, data)]
    low, high = relative_interval(own, data, seed)
    notes = {"levels": means[0], "levels_of_data": means[1]}
    return MetricResult(name, means[0] / means[1], low, high, n, notes=notes)
