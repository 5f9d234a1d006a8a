"""Statistics of a listening test: means, differences, agreement, and power; pure functions.

A rating is made by a listener of a clip; both are samples. An interval of a mean over listeners
speaks of other listeners and the same clips; the two-way intervals speak of other listeners and other
clips. Scores are points of the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

RESAMPLES = 4000

MAX_SHIFT = 1e6
"""Noncentrality from which a power is 1 and the distribution's code gives NaN."""


@dataclass(frozen=True)
class Ratings:
    """Scores [N] with the listener, condition and clip of each as numbers from 0 [N].

    Clips are numbered over all conditions; each belongs to one condition.
    """

    score: Floats
    listener: NDArray[np.int64]
    condition: NDArray[np.int64]
    clip: NDArray[np.int64]
    listeners: tuple[str, ...]
    conditions: tuple[str, ...]
    clips: tuple[str, ...]

    @classmethod
    def of(
        cls,
        score: ArrayLike,
        listener: Sequence[str],
        condition: Sequence[str],
        clip: Sequence[str],
        conditions: Sequence[str] | None = None,
    ) -> Ratings:
        """From names; `conditions` fixes their order, and those without ratings are left out."""
        present = set(condition)
        names = [c for c in conditions or sorted(present) if c in present]
        people, i = np.unique(np.asarray(listener, str), return_inverse=True)
        stimuli, j = np.unique(np.asarray(clip, str), return_inverse=True)
        where = {name: k for k, name in enumerate(names)}
        k = np.array([where[c] for c in condition], np.int64)
        if not len(i) == len(j) == len(k) == np.size(score):
            raise ValueError("Ratings has one listener, condition and clip for each score.")
        return cls(
            np.asarray(score, np.float64),
            i.astype(np.int64),
            k,
            j.astype(np.int64),
            tuple(map(str, people)),
            tuple(names),
            tuple(map(str, stimuli)),
        )

    def __len__(self) -> int:
        return len(self.score)

    def listener_means(self) -> Floats:
        """Mean score [listeners, conditions]; NaN where a listener rated none of a condition."""
        shape = len(self.listeners), len(self.conditions)
        total, number = np.zeros(shape), np.zeros(shape)
        np.add.at(total, (self.listener, self.condition), self.score)
        np.add.at(number, (self.listener, self.condition), 1)
        with np.errstate(invalid="ignore"):
            return total / number


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


def two_way_mean(ratings: Ratings, condition: int, seed: int = 0) -> Interval:
    """Mean of a condition for other listeners and other clips: `two_way_difference` with one side."""
    return _two_way(ratings, [(condition, 1.0)], np.random.default_rng(seed))


def two_way_difference(ratings: Ratings, first: int, second: int, seed: int = 0) -> Interval:
    """Mean of condition `first` minus that of `second`, for other listeners and other clips.

    Listeners (the same ones on both sides) and clips are resampled, each alone and single ratings
    too. A rating's own noise is in both resamplings of whole listeners and whole clips, so that the
    variance is listeners + clips − ratings (Cameron, Gelbach & Miller 2011), never less than that of
    listeners alone; a listener's general leniency, which cancels, is taken out of the last two.
    Student's t with listeners − 1. Resampling both at once and taking percentiles (Owen 2007) covers
    97 to 99.7 % instead of 95 %: see benchmarks/mos_coverage.py.
    """
    return _two_way(ratings, [(first, 1.0), (second, -1.0)], np.random.default_rng(seed))


def _two_way(
    ratings: Ratings, sides: Sequence[tuple[int, float]], rng: np.random.Generator
) -> Interval:
    listeners = len(ratings.listeners)
    weights = _drawn(listeners, rng)
    level = _leniency(ratings, [condition for condition, _ in sides])
    estimate, clips = 0.0, 0
    by_listener, by_rating = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    clip_variance = 0.0
    for condition, sign in sides:
        mine = ratings.condition == condition
        score, who = ratings.score[mine], ratings.listener[mine]
        if not len(score):
            return Interval.without(None)
        estimate += sign * float(score.mean())
        by_listener += sign * _resampled(weights, who, score, listeners)
        rest = score - level[who]
        used, index = np.unique(ratings.clip[mine], return_inverse=True)
        by_clip = sign * _resampled(_drawn(len(used), rng), index, rest, len(used))
        if len(used) > 1:
            clip_variance += _variance(by_clip) * len(used) / (len(used) - 1)
        clips += len(used) - 1
        single = rng.integers(0, len(rest), (RESAMPLES, len(rest)))
        by_rating += sign * rest[single].mean(axis=1)
    if listeners < 2 or clips < 1:
        return Interval.without(estimate)
    listener_variance = _variance(by_listener) * listeners / (listeners - 1)
    variance = max(listener_variance + clip_variance - _variance(by_rating), listener_variance, 0.0)
    return Interval.student(estimate, variance**0.5, listeners - 1)


def _leniency(ratings: Ratings, conditions: Sequence[int]) -> Floats:
    """How far each listener's mean over several conditions lies from all listeners' [listeners];
    0 for one condition, where it belongs to the answer."""
    if len(conditions) < 2:
        return np.zeros(len(ratings.listeners))
    means = ratings.listener_means()[:, list(conditions)].mean(axis=1)
    return np.nan_to_num(means - np.nanmean(means)) if np.isfinite(means).any() else 0.0 * means


def _drawn(number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each of `number` things is drawn in each resample [resamples, number]."""
    drawn = rng.integers(0, number, (RESAMPLES, number))
    drawn += number * np.arange(RESAMPLES)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=RESAMPLES * number)
    return counts.reshape(RESAMPLES, number)


def _resampled(
    weights: NDArray[np.int64], index: NDArray[np.int64], score: Floats, number: int
) -> Floats:
    """Mean score under each row of weights [resamples, number] of listeners or clips."""
    total = np.bincount(index, score, number)
    count = np.bincount(index, minlength=number)
    with np.errstate(invalid="ignore"):
        return (weights @ total) / (weights @ count)


def _variance(draws: Floats) -> float:
    """Variance of the draws; those that left nothing to average are dropped."""
    return float(np.nanvar(draws))


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


def alpha_of(ratings: Ratings) -> float | None:
    """Ordinal α with clips as units and listeners as coders."""
    matrix = np.full((len(ratings.clips), len(ratings.listeners)), np.nan)
    matrix[ratings.clip, ratings.listener] = ratings.score
    return ordinal_alpha(matrix)


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


def listeners_for(
    difference: float, sd: float, wanted: float = 0.8, most: int = 1000
) -> int | None:
    """The fewest listeners with at least the wanted power; None if more than `most`."""
    if power(difference, sd, most) < wanted:
        return None
    low, high = 2, most
    while low < high:
        middle = (low + high) // 2
        if power(difference, sd, middle) >= wanted:
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
class Correlation:
    """Rank and linear correlation over clips, the first with a 95 % bootstrap interval."""

    clips: int
    spearman: float | None
    low: float | None
    high: float | None
    pearson: float | None


def correlation(first: ArrayLike, second: ArrayLike, seed: int = 0) -> Correlation:
    """Correlation of two measures of the same clips; None where one of them does not vary."""
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if len(x) < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(len(x), None, None, None, None)
    rng = np.random.default_rng(seed)
    draws = []
    for drawn in rng.integers(0, len(x), (2000, len(x))):
        a, b = x[drawn], y[drawn]
        if np.ptp(a) > 0 and np.ptp(b) > 0:
            draws.append(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])
    rank = float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])
    low, high = map(float, np.quantile(draws, [0.025, 0.975])) if draws else (None, None)
    return Correlation(len(x), rank, low, high, float(np.corrcoef(x, y)[0, 1]))
