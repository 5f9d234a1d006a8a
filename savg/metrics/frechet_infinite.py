"""Fréchet distance extrapolated to infinitely many clips (FID∞, FAD∞).

With n clips the distance is too large by about a/n. Chong & Forsyth (Effectively unbiased FID, 2020)
and Gui et al. (Adapting Fréchet Audio Distance for generative music evaluation, 2024) fit a line
over 1/n to the distances of smaller sets and report its intercept. Their toolkit draws clips with
repetition, which extrapolates to the distance of the set itself, bias included; here each smaller
set has different clips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.metrics.feature_sets import FeatureSet, rotated
from savg.metrics.frechet import FLOOR, FrechetTarget

SIZES = 12
"""Sizes of smaller sets, evenly from half of the clips to all."""

DRAWS = 6
"""Smaller sets of each size."""

FEWEST = 8
"""Clips of each set below which nothing is extrapolated."""


@dataclass(frozen=True)
class Extrapolation:
    """A line fitted to distances over 1/n: value at 1/n = 0, slope, share of variance explained, and
    the points (clips, mean distance)."""

    value: float
    slope: float
    r2: float
    points: tuple[tuple[int, float], ...]


def extrapolate(points: dict[int, float]) -> Extrapolation:
    """The line over 1/n through distances by their number of clips n; at least two."""
    sizes = np.array(sorted(points), np.float64)
    values = np.array([points[int(n)] for n in sizes])
    slope, value = np.polyfit(1 / sizes, values, 1)
    total = float(np.square(values - values.mean()).sum())
    rest = float(np.square(values - slope / sizes - value).sum())
    r2 = 1 - rest / total if total > 0 else 1.0
    return Extrapolation(
        float(value),
        float(slope),
        r2,
        tuple((int(n), float(v)) for n, v in zip(sizes, values, strict=True)),
    )


def frechet_infinite(
    x: FeatureSet, y: FeatureSet, seed: int = 0, both: bool = False, floor: float = FLOOR
) -> Extrapolation | None:
    """The Fréchet distance of x to y for infinitely many clips; None below 8 clips.

    Args:
        x: the generated set, whose smaller sets are drawn.
        y: the reference set.
        seed: of the draws.
        both: draw the same share of y too, so that its bias is extrapolated away as well; else y is
            taken whole, as published.
        floor: as in `frechet_distance`.
    """
    if len(x) < FEWEST or (both and len(y) < FEWEST):
        return None
    x, y = rotated(x, y)
    rng = np.random.default_rng(seed)
    target = None if both else FrechetTarget(y.rows, floor)
    points = {}
    for size in np.unique(np.linspace(len(x) / 2, len(x), SIZES).round().astype(int)):
        of_y = round(len(y) * size / len(x))
        values = []
        for _ in range(1 if size == len(x) else DRAWS):
            part = x.take(_drawn(rng, len(x), size))
            to = target or FrechetTarget(y.take(_drawn(rng, len(y), of_y)).rows, floor)
            values.append(to.distance(part.rows))
        points[int(size)] = float(np.mean(values))
    return extrapolate(points)


def _drawn(rng: np.random.Generator, count: int, size: int) -> NDArray[np.int64]:
    return np.sort(rng.permutation(count)[:size])
