"""Statistics of raters: intervals of means, agreement, power, rank correlation; pure functions.

None where there are too few data, never NaN. Intervals are 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

MAX_SHIFT = 1e6
"""Noncentrality above which the power is 1 and the distribution's code returns NaN."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval, standard error and degrees of freedom; None where there
    are too few data, never NaN."""

    estimate: float | None
    low: float | None
    high: float | None
    error: float | None
    freedom: float | None

    @classmethod
    def student(cls, estimate: float, error: float, freedom: float) -> Interval:
        """estimate ± t · error."""
        half = float(stats.t.ppf(0.975, freedom)) * error
        return cls(estimate, estimate - half, estimate + half, error, freedom)

    def within(self, low: float, high: float) -> Interval:
        """The same with an interval that ends where a scale does: no mean lies beyond it."""
        if self.low is None or self.high is None:
            return self
        return replace(self, low=max(self.low, low), high=min(self.high, high))

    @classmethod
    def without(cls, estimate: float | None) -> Interval:
        """An estimate alone, or not even that."""
        return cls(estimate, None, None, None, None)


def mean_interval(listener_means: ArrayLike) -> Interval:
    """Student's interval of the mean over listeners, each of whom counts once."""
    values = np.asarray(listener_means, np.float64)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return Interval.without(float(values.mean()) if len(values) else None)
    error = float(values.std(ddof=1)) / len(values) ** 0.5
    return Interval.student(float(values.mean()), error, len(values) - 1)


def ordinal_alpha(units: ArrayLike) -> float | None:
    """Krippendorff's α for ordinal scores [units, coders], NaN where a coder did not rate a unit.

    None if no two ratings can be compared or all scores are equal (Krippendorff 2011).
    """
    matrix = np.asarray(units, np.float64)
    values, flat = np.unique(matrix[np.isfinite(matrix)], return_inverse=True)
    counts = np.zeros((len(matrix), len(values)))
    np.add.at(counts, (np.nonzero(np.isfinite(matrix))[0], flat), 1)
    counts = counts[counts.sum(axis=1) > 1]
    each = counts.sum(axis=1)
    total = counts.sum(axis=0)
    n = total.sum()
    if n == 0 or (total > 0).sum() < 2:
        return None
    pairs = (counts[:, :, None] * counts[:, None, :] / (each - 1)[:, None, None]).sum(axis=0)
    pairs -= np.diag((counts / (each - 1)[:, None]).sum(axis=0))
    middle = np.cumsum(total) - total / 2
    distance = (middle[:, None] - middle[None, :]) ** 2
    expected = (total[:, None] * total[None, :] * distance).sum()
    return float(1 - (n - 1) * (pairs * distance).sum() / expected)


@dataclass(frozen=True)
class RepeatAgreement:
    """How listeners repeat themselves: shares of equal scores and of those at most one apart, mean
    absolute difference, and the standard deviation of a single rating."""

    pairs: int
    equal: float | None
    within_one: float | None
    mean_difference: float | None
    rating_sd: float | None


def repeat_agreement(first: ArrayLike, second: ArrayLike) -> RepeatAgreement:
    """From the scores of the same clips, rated by the same listeners a first and a second time."""
    difference = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    if not len(difference):
        return RepeatAgreement(0, None, None, None, None)
    size = np.abs(difference)
    return RepeatAgreement(
        len(size),
        float((size == 0).mean()),
        float((size <= 1).mean()),
        float(size.mean()),
        float(np.sqrt((difference**2).mean() / 2)),
    )


def power(difference: float, sd: float, listeners: int) -> float:
    """Power of a two-sided paired t test at 5 % for a difference between two conditions.

    sd: standard deviation over listeners of the difference between their means.
    """
    if listeners < 2:
        return 0.0
    if sd <= 0:
        return 1.0 if difference else 0.05
    shift = min(abs(difference) / sd * listeners**0.5, MAX_SHIFT)
    edge = stats.t.ppf(0.975, listeners - 1)
    wrong_side = float(np.nan_to_num(stats.nct.cdf(-edge, listeners - 1, shift)))
    return float(stats.nct.sf(edge, listeners - 1, shift)) + wrong_side


def listeners_for(difference: float, sd: float, least: float = 0.8, most: int = 1000) -> int | None:
    """The fewest listeners with at least this power; None if more than `most`."""
    if power(difference, sd, most) < least:
        return None
    low, high = 2, most
    while low < high:
        middle = (low + high) // 2
        if power(difference, sd, middle) >= least:
            high = middle
        else:
            low = middle + 1
    return low


def difference_sd(means: Floats) -> float | None:
    """Standard deviation over listeners of the difference between two conditions, pooled over all
    pairs of columns of listener means [listeners, conditions]."""
    variances = []
    for i in range(means.shape[1]):
        for j in range(i):
            difference = means[:, i] - means[:, j]
            difference = difference[np.isfinite(difference)]
            if len(difference) > 1:
                variances.append(float(difference.var(ddof=1)))
    return float(np.mean(variances)) ** 0.5 if variances else None


@dataclass(frozen=True)
class RankCorrelation:
    """Rank and linear correlation over clips, the first with a 95 % bootstrap interval."""

    clips: int
    spearman: float | None
    low: float | None
    high: float | None
    pearson: float | None


def rank_correlation(first: ArrayLike, second: ArrayLike, seed: int = 0) -> RankCorrelation:
    """Correlation of two measures of the same clips; None where one of them does not vary."""
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return RankCorrelation(len(x), None, None, None, None)
    rng = np.random.default_rng(seed)
    draws = []
    for drawn in rng.integers(0, len(x), (2000, len(x))):
        a, b = x[drawn], y[drawn]
        if np.ptp(a) > 0 and np.ptp(b) > 0:
            draws.append(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])
    rank = float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])
    low, high = map(float, np.quantile(draws, [0.025, 0.975])) if draws else (None, None)
    return RankCorrelation(len(x), rank, low, high, float(np.corrcoef(x, y)[0, 1]))
