"""Intervals and bias of a distance between two sets, by leaving clips out (the jackknife).

The bootstrap repeats clips, and a Fréchet distance of repeated clips is larger than that of as many
different ones: with fewer clips than dimensions neither its percentile nor its basic interval contains
the expected value at all. Leaving clips out repeats none. Its variance is that of the distance or more,
in expectation, for any statistic (Efron & Stein, The jackknife estimate of variance, 1981).

The interval is of the expected value for as many clips as were used: how far the number would move with
other clips. It is not of the distance for infinitely many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]

MOST_GROUPS = 100
"""Clips up to which each is left out by itself."""

GROUPS = 50
"""Groups of clips that are left out in turn where there are more."""

FEWEST = 4
"""Clips of each set below which there is no interval."""


def left_out_groups(count: int) -> NDArray[np.int64]:
    """The group [count] of each clip: one of its own up to 100 clips, else one of 50."""
    return np.arange(count) % (count if count <= MOST_GROUPS else GROUPS)


@dataclass(frozen=True)
class Jackknife:
    """What leaving out says of a distance.

    low, high: 95 % interval; errors: standard errors that come of the choice of the clips of either
    set; bias: of the distance for as many clips, against infinitely many, to first order in 1/n.
    """

    low: float
    high: float
    errors: tuple[float, float]
    bias: float


def jackknife(value: float, left_out: tuple[Floats, Floats], least: float = -np.inf) -> Jackknife:
    """Interval, standard errors and bias of a distance between two sets.

    Args:
        value: the distance.
        left_out: distances without each group of clips of the first and of the second set [groups].
        least: that the distance can take.
    """
    variances, bias, spread = [], 0.0, 0.0
    for distances in left_out:
        groups = len(distances)
        variance = (groups - 1) * float(np.var(distances))
        variances.append(variance)
        bias += (groups - 1) * (float(np.mean(distances)) - value)
        spread += variance**2 / (groups - 1)
    total = sum(variances)
    # Welch and Satterthwaite's degrees of freedom of a sum of two estimated variances.
    half = float(stdtrit(total**2 / spread, 0.975)) * total**0.5 if spread > 0 else 0.0
    first, second = (variance**0.5 for variance in variances)
    return Jackknife(max(value - half, least), value + half, (first, second), bias)
