"""Distance of clips to the nearest clip of a reference set: copies of training clips are near 0.

Distance is the root mean square difference, in 0…255, of small frames; each reference clip counts
together with its mirror image. Neither small nor large is good: small is copied, large is off the data.
Beside it stands what real clips have: the median distance of reference clips to the nearest other one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.metrics.base import (
    Extractor,
    Metric,
    MetricResult,
    Need,
    Reference,
    format_number,
    with_interval,
)
from savg.metrics.statistics import order_statistics, pooled_median_interval

EVERY = 5
"""Interval in frames between those of a clip that are compared."""

SIDE = 64
"""Side of a thumbnail in pixels."""

FEATURE = "thumbnails"

MOST_OTHERS = 128
"""Reference clips, drawn at random, whose nearest other ones are looked for."""


def thumbnails(clip: Clip) -> NDArray[np.uint8]:
    """Every fifth frame of a clip, small and without its padding: [frames, height, SIDE, 3]."""
    import cv2

    frames = [
        cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        for frame in clip.video[::EVERY]
    ]
    small = clip.format.with_size(SIDE)
    return np.stack(frames)[:, small.top : small.bottom]


class ThumbnailIndex:
    """Thumbnails [clips, frames, height, SIDE, 3] and their mirror images, searched for the nearest."""

    def __init__(self, thumbs: NDArray[np.uint8]) -> None:
        both = np.stack([thumbs, thumbs[:, :, :, ::-1]], axis=1)
        self.rows = both.reshape(2 * len(thumbs), -1).astype(np.float32)
        self.squares = np.square(self.rows).sum(axis=1)

    def nearest(self, thumbs: NDArray[np.uint8]) -> float:
        """Root mean square difference of thumbnails [frames, height, SIDE, 3] to the nearest ones."""
        return self.search(thumbs)[2]

    def search(self, thumbs: NDArray[np.uint8]) -> tuple[int, bool, float]:
        """Number of the clip that is nearest to thumbnails, whether as its mirror image, and their
        root mean square difference."""
        x = thumbs.astype(np.float32).ravel()
        square = self.squares - 2 * (self.rows @ x) + np.square(x).sum()
        row = int(square.argmin())
        # anew, as the expanded square of a copy rounds to more than 0
        distance = np.sqrt(np.square(self.rows[row] - x).mean())
        return row // 2, bool(row % 2), float(distance)

    def nearest_others(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Root mean square differences [N] of the clips of these numbers to the nearest other ones."""
        x = self.rows[2 * numbers]
        squares = self.squares - 2 * (x @ self.rows.T) + self.squares[2 * numbers, None]
        own = np.arange(len(numbers))
        squares[own, 2 * numbers] = squares[own, 2 * numbers + 1] = np.inf
        others = self.rows[squares.argmin(axis=1)]
        return np.sqrt(np.square(others - x).mean(axis=1, dtype=np.float64))


@lru_cache(maxsize=1)
def reference_index(reference: Reference) -> dict[tuple[int, ...], ThumbnailIndex]:
    """The indices of a reference set by the thumbnails' shape; cached for one set."""
    shapes: dict[tuple[int, ...], list[NDArray[np.uint8]]] = {}
    for thumbs in reference.values(FEATURE):
        shapes.setdefault(thumbs.shape, []).append(thumbs)
    return {shape: ThumbnailIndex(np.stack(same)) for shape, same in shapes.items()}


@lru_cache(maxsize=1)
def among_reference(reference: Reference, seed: int = 0) -> float | None:
    """The median distance of reference clips, of at most `MOST_OTHERS`, to the nearest other one of
    their shape; None where there is none."""
    rng = np.random.default_rng(seed)
    distances: list[float] = []
    for index in reference_index(reference).values():
        count = len(index.rows) // 2
        if count > 1:
            drawn = rng.permutation(count)[:MOST_OTHERS]
            distances += index.nearest_others(np.sort(drawn)).tolist()
    return float(np.median(distances)) if distances else None


class NearestClip(Metric):
    """Median distance to the nearest reference clip; its null is that of reference clips to the nearest
    other one, and a warning says where generated clips are surely nearer than that."""

    name = "nearest_clip"
    label = "distance to the nearest training clip"
    unit = "levels of 0…255"
    needs = frozenset({Need.FEATURES, Need.REFERENCE})
    features: ClassVar[Mapping[str, Extractor]] = {FEATURE: thumbnails}

    def compute(self) -> MetricResult:
        assert self.reference is not None
        indices = reference_index(self.reference)
        thumbs = [item.observation.features[FEATURE] for item in self.items]
        distances = [indices[t.shape].nearest(t) for t in thumbs if t.shape in indices]
        summary = order_statistics(distances)
        if summary is None:
            return self.undefined("No clip has the length and shape of a reference clip.")
        low, high = pooled_median_interval([[distance] for distance in distances], self.seed)
        others = among_reference(self.reference, self.seed)
        warnings = []
        if others is not None and high is not None and high < others:
            warnings.append(
                f"These clips are nearer to reference clips than those are to each other (median "
                f"{others:.1f}): look at the nearest pairs for copies."
            )
        value, nulls = summary["median"], {"among_reference": others}
        notes = {**summary, "warnings": warnings}
        return MetricResult(self.name, value, low, high, len(distances), nulls, notes)

    @classmethod
    def text(cls, result: MetricResult) -> str:
        if result.value is None:
            return "–"
        least, p5 = (format_number(result.notes[name], 1) for name in ("least", "p5"))
        return with_interval(result, 1, f"least {least}, 5 % below {p5}")
