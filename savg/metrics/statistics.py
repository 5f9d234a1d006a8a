"""Statistics over clips: bootstrap intervals, correlation, pairs for shuffled baselines.

Pure functions. Intervals are 95 %; None where there are too few clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
"""Resamples of a bootstrap over clips."""

ALL_PAIRS = 64
"""Largest number of clips of which every pair is used."""

Interval = tuple[float, float] | tuple[None, None]
Values = Sequence[float] | NDArray[np.floating]


def resampled_clips(count: int, seed: int = 0, resamples: int = RESAMPLES) -> NDArray[np.int64]:
    """Indices of clips [resamples, count], drawn with replacement."""
    return np.random.default_rng(seed).integers(0, count, (resamples, count))


def percentiles(draws: ArrayLike) -> Interval:
    """2.5th and 97.5th percentile of draws [N]; None for N = 0."""
    values = np.asarray(draws, np.float64)
    if not len(values):
        return None, None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def pooled_share(counts: NDArray[np.int64]) -> float | None:
    """Σ first / Σ (first + second) of counts [clips, 2]; None where nothing was counted."""
    first, second = counts.sum(axis=0) if len(counts) else (0, 0)
    return float(first / (first + second)) if first + second else None


def fewer_than_two(counted: ArrayLike) -> bool:
    """Whether fewer than two clips count, by what was counted in each: resampling one says nothing."""
    return int(np.count_nonzero(counted)) < 2


def share_interval(
    counts: NDArray[np.int64], seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """Percentile bootstrap over whole clips of the pooled share of counts [clips, 2]; None where fewer
    than two clips have counts."""
    if not len(counts) or fewer_than_two(counts.sum(axis=1)):
        return None, None
    drawn = counts[resampled_clips(len(counts), seed, resamples)].sum(axis=1)
    drawn = drawn[drawn.sum(axis=1) > 0]
    return percentiles(drawn[:, 0] / drawn.sum(axis=1))


def ratio_interval(
    sums: Values, counts: Values, seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """Percentile bootstrap over clips of Σ sums / Σ counts, both [clips]: the mean of values that were
    summed and counted in each clip. Resamples with nothing counted are left out; None where fewer than
    two clips were counted."""
    totals, n = np.asarray(sums, np.float64), np.asarray(counts, np.float64)
    if fewer_than_two(n):
        return None, None
    drawn = resampled_clips(len(n), seed, resamples)
    numbers = n[drawn].sum(axis=1)
    counted = numbers > 0
    return percentiles(totals[drawn].sum(axis=1)[counted] / numbers[counted])


def relative_interval(
    own: NDArray[np.float64], other: NDArray[np.float64], seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """Percentile bootstrap of one set's mean as a multiple of another's, over the clips of each set.

    own, other: sums and counts of the clips, [clips, 2] each. Resamples that have nothing counted, or
    a mean of 0 to compare with, are left out; None where fewer than two clips of a set count.
    """
    if fewer_than_two(own[:, 1]) or fewer_than_two(other[:, 1]):
        return None, None
    draws = [
        one[resampled_clips(len(one), seed + k, resamples)].sum(axis=1)
        for k, one in enumerate((own, other))
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        first, second = (drawn[:, 0] / drawn[:, 1] for drawn in draws)
        ratios = first / second
    return percentiles(ratios[np.isfinite(ratios)])


def pooled_median_interval(
    values: Sequence[Values], seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """Percentile bootstrap over clips of the median of all their values; values: of each clip. None
    where fewer than two clips have values."""
    if fewer_than_two([len(clip) for clip in values]):
        return None, None
    pooled = np.array([value for clip in values for value in clip], np.float64)
    order = np.argsort(pooled)
    ordered = pooled[order]
    owner = np.repeat(np.arange(len(values)), [len(v) for v in values])[order]
    medians = [
        _weighted_median(ordered, np.bincount(drawn, minlength=len(values))[owner])
        for drawn in resampled_clips(len(values), seed, resamples)
    ]
    return percentiles([m for m in medians if m is not None])


def _weighted_median(ordered: NDArray[np.floating], times: NDArray[np.int64]) -> float | None:
    """Median of values in order that occur so many times; None where none occurs."""
    reached = np.cumsum(times)
    if not reached[-1]:
        return None
    middle = np.array([(reached[-1] - 1) // 2, reached[-1] // 2])
    return float(ordered[np.searchsorted(reached, middle, side="right")].mean())


def fill_lacking(
    values: NDArray[np.float64], here: NDArray[np.bool_], whole: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Values of resamples by class; those that a resample lacks become the mean of the others.

    A mean over classes is then that of a set with the same classes: classes that a resample happens to
    lack are left out of it, those that the whole set lacks keep their value.

    Args:
        values: [..., classes].
        here: which classes each resample has, [..., classes].
        whole: which the whole set has, [classes].

    Returns:
        The same shape; NaN for the lacking classes of a resample that has none.
    """
    number = here.sum(axis=-1, keepdims=True)
    total = np.where(here, values, 0.0).sum(axis=-1, keepdims=True)
    mean = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return np.where(whole & ~here, mean, values)


def mean_interval(values: Values, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """Percentile bootstrap over clips of a mean; None for fewer than two."""
    x = np.asarray(values, np.float64)
    if len(x) < 2:
        return None, None
    return percentiles(x[resampled_clips(len(x), seed, resamples)].mean(axis=1))


def deviation_interval(values: Values, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """Percentile bootstrap over clips of a standard deviation; None for fewer than three."""
    x = np.asarray(values, np.float64)
    if len(x) < 3:
        return None, None
    return percentiles(x[resampled_clips(len(x), seed, resamples)].std(axis=1))


def other_pairs(count: int, seed: int = 0, rounds: int = 32) -> list[tuple[int, int]]:
    """Pairs (clip, other clip): every other one up to 64 clips, else `rounds` random shifts of a
    random order."""
    if count <= ALL_PAIRS:
        return [(i, j) for i in range(count) for j in range(count) if i != j]
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    shifts = rng.choice(np.arange(1, count), size=min(rounds, count - 1), replace=False)
    return [
        (int(order[i]), int(order[(i + shift) % count])) for shift in shifts for i in range(count)
    ]


@dataclass(frozen=True)
class Correlation:
    """Pearson correlation of `clips` pairs; p: share of random pairings at least as strong.

    r and p are None where fewer than three clips have both values, or one of them never varies.
    """

    r: float | None
    p: float | None
    clips: int


def correlation(x: Values, y: Values, permutations: int = 10_000, seed: int = 0) -> Correlation:
    """Pearson correlation of x and y [clips] without pairs with a NaN; p by permutation, two-sided.

    Raises ValueError for shapes that differ or are not vectors.
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(
            f"x and y must be vectors of one length, got shapes {a.shape} and {b.shape}."
        )
    finite = np.isfinite(a) & np.isfinite(b)
    a, b = a[finite], b[finite]
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return Correlation(None, None, len(a))
    a, b = ((v - v.mean()) / np.linalg.norm(v - v.mean()) for v in (a, b))
    r = float(a @ b)
    rng = np.random.default_rng(seed)
    shuffled = np.array([rng.permutation(b) @ a for _ in range(permutations)])
    at_least_as_strong = int((np.abs(shuffled) >= abs(r) - 1e-12).sum())
    return Correlation(r, (at_least_as_strong + 1) / (permutations + 1), len(a))


def correlation_interval(r: float | None, clips: int) -> Interval:
    """Fisher's 95 % interval of a Pearson correlation; None for fewer than four clips or |r| = 1."""
    if r is None or clips < 4 or abs(r) >= 1 - 1e-12:
        return None, None
    half = 1.959963984540054 / (clips - 3) ** 0.5
    low, high = np.tanh(np.arctanh(r) + np.array([-half, half]))
    return float(low), float(high)


def order_statistics(values: Values) -> dict[str, float] | None:
    """Minimum, 5th percentile, median and maximum of values [N]; None for N = 0."""
    x = np.asarray(values)
    if not len(x):
        return None
    quantiles: NDArray[np.floating] = np.quantile(x, [0.0, 0.05, 0.5, 1.0])
    return dict(zip(("least", "p5", "median", "largest"), quantiles.tolist(), strict=True))
