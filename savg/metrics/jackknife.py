"""Intervals and bias of a distance between two sets, by leaving clips out (the jackknife).

The bootstrap repeats clips, and a Fréchet distance of repeated clips is larger than that of as many
different ones: with fewer clips than dimensions neither its percentile nor its basic interval contains
the expected value at all. Leaving clips out repeats none. Its variance is that of the distance or more,
in expectation, for any statistic (Efron & Stein, The jackknife estimate of variance, 1981).

The interval is of the expected value for as many clips as were used: how far the number would move with
other clips. It is not of the distance for infinitely many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.metrics.base import MetricResult

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

    low, high: 95 % interval; errors: standard errors that come of the choice of the clips of each set;
    bias: of the distance for as many clips, against infinitely many, to first order in 1/n;
    left_out: the distances without each group of clips, set by set.
    """

    low: float
    high: float
    errors: tuple[float, ...]
    bias: float
    left_out: tuple[Floats, ...]


def jackknife(value: float, left_out: Sequence[Floats], least: float = -np.inf) -> Jackknife:
    """Interval, standard errors and bias of a distance between sets.

    Args:
        value: the distance.
        left_out: distances without each group of clips [groups], an array for each set.
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
    # Welch and Satterthwaite's degrees of freedom of a sum of estimated variances.
    from scipy.special import stdtrit  # late: what shows results starts without scipy

    half = float(stdtrit(total**2 / spread, 0.975)) * total**0.5 if spread > 0 else 0.0
    errors = tuple(variance**0.5 for variance in variances)
    return Jackknife(max(value - half, least), value + half, errors, bias, tuple(left_out))


@dataclass(frozen=True)
class Difference:
    """A difference of two runs' distances with its 95 % interval; paired: whether the generated clips
    were paired."""

    value: float
    low: float
    high: float
    paired: bool


def distance_difference(
    first: MetricResult, second: MetricResult, same_clips: bool
) -> Difference | None:
    """The distance of one run minus that of another one to the same reference set.

    What both share does not widen the interval: the reference clips, and with same_clips what the seeds
    have in common.

    Args:
        first, second: results of one metric, against the same reference clips.
        same_clips: the clips of both, in the order of their names, come of the same seeds or videos.

    Returns:
        None where a result has no interval, or its numbers of clips do not fit.
    """
    a, b = (result.notes.get("left_out") for result in (first, second))
    if not a or not b or first.value is None or second.value is None:
        return None
    arrays = {
        (run, of): np.asarray(notes[of], np.float64)
        for run, notes in enumerate((a, b))
        for of in ("generated", "reference")
    }
    if arrays[0, "reference"].shape != arrays[1, "reference"].shape:
        return None
    value = first.value - second.value
    left_out = [arrays[0, "reference"] - arrays[1, "reference"]]
    if same_clips:
        if first.n != second.n:
            return None
        left_out.append(arrays[0, "generated"] - arrays[1, "generated"])
    else:
        left_out += [arrays[0, "generated"] - second.value, first.value - arrays[1, "generated"]]
    result = jackknife(value, left_out)
    return Difference(value, result.low, result.high, same_clips)
