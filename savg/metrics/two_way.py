"""Means and differences of ratings with intervals over listeners and clips; pure functions.

A rating is made by a listener of a clip; both are samples. An interval of a mean over listeners
speaks of other listeners and the same clips; the two-way intervals speak of other listeners and other
clips. Scores are points of the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savg.metrics.rater_statistics import Floats, Interval, ordinal_alpha

RESAMPLES = 4000


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
            raise ValueError(
                "Listeners, conditions and clips must be one for each score, got "
                f"{len(i)}, {len(k)} and {len(j)} for {np.size(score)}."
            )
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
    weights = _multiplicities(listeners, rng)
    level = _leniency(ratings, [condition for condition, _ in sides])
    estimate, clips = 0.0, 0
    by_listener, by_rating = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    clip_variance = 0.0
    for condition, sign in sides:
        of_condition = ratings.condition == condition
        score, who = ratings.score[of_condition], ratings.listener[of_condition]
        if not len(score):
            return Interval.without(None)
        estimate += sign * float(score.mean())
        by_listener += sign * _resampled(weights, who, score, listeners)
        rest = score - level[who]
        used, index = np.unique(ratings.clip[of_condition], return_inverse=True)
        by_clip = sign * _resampled(_multiplicities(len(used), rng), index, rest, len(used))
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
    """Deviation of each listener's mean over several conditions from that of all listeners [listeners];
    0 for one condition, where it belongs to the estimate."""
    if len(conditions) < 2:
        return np.zeros(len(ratings.listeners))
    means = ratings.listener_means()[:, list(conditions)].mean(axis=1)
    return np.nan_to_num(means - np.nanmean(means)) if np.isfinite(means).any() else 0.0 * means


def _multiplicities(number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Multiplicity of each of `number` items in each bootstrap resample: [resamples, number]."""
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


def alpha_of(ratings: Ratings) -> float | None:
    """Ordinal α with clips as units and listeners as coders."""
    matrix = np.full((len(ratings.clips), len(ratings.listeners)), np.nan)
    matrix[ratings.clip, ratings.listener] = ratings.score
    return ordinal_alpha(matrix)
