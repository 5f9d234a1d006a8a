"""Statistics over clips against scipy, plain loops and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from savg.metrics.statistics import (
    correlation_interval,
    deviation_interval,
    mean_interval,
    order_statistics,
    other_pairs,
    percentiles,
    pooled_median_interval,
    pooled_share,
    ratio_interval,
    relative_interval,
    share_interval,
)


def test_a_pooled_share_is_that_of_all_counts() -> None:
    counts = np.array([[3, 1], [0, 0], [1, 4]])
    assert pooled_share(counts) == 4 / 9
    assert pooled_share(np.zeros((2, 2), int)) is None
    assert pooled_share(np.zeros((0, 2), int)) is None


def test_intervals_against_resampling_by_hand() -> None:
    rng = np.random.default_rng(1)
    counts, values = rng.integers(0, 9, (12, 2)), rng.normal(3, 2, 12)
    shares, means, deviations = [], [], []
    for drawn in np.random.default_rng(7).integers(0, 12, (300, 12)):
        resample = [counts[i] for i in drawn]
        shares.append(sum(c[0] for c in resample) / sum(sum(c) for c in resample))
        means.append(np.mean([values[i] for i in drawn]))
        deviations.append(np.std([values[i] for i in drawn]))
    expected = [np.quantile(draws, [0.025, 0.975]) for draws in (shares, means, deviations)]
    result = (
        share_interval(counts, 7, 300),
        mean_interval(values, 7, 300),
        deviation_interval(values, 7, 300),
    )
    np.testing.assert_allclose(result, expected, rtol=1e-12)


def test_a_mean_interval_is_about_students_for_many_clips() -> None:
    values = np.random.default_rng(2).normal(0, 1, 400)
    low, high = mean_interval(values)
    assert low is not None and high is not None
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)


def test_too_few_clips_have_no_interval() -> None:
    nothing = (None, None)
    assert share_interval(np.zeros((3, 2), int)) == nothing == percentiles([])
    assert share_interval(np.array([[3, 1], [0, 0]])) == nothing  # one clip counts
    assert ratio_interval([2.0, 0.0], [4, 0]) == pooled_median_interval([[1.0, 2.0], []]) == nothing
    assert mean_interval([1.0]) == deviation_interval([1.0, 2.0]) == nothing
    assert correlation_interval(None, 0) == correlation_interval(0.5, 3) == nothing
    assert correlation_interval(1.0, 10) == nothing
    assert order_statistics([]) is None


def test_the_interval_of_a_correlation_is_fishers() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal(30)
    y = 0.5 * x + rng.standard_normal(30)
    expected = stats.pearsonr(x, y)
    result = correlation_interval(float(expected.statistic), 30)
    assert result == pytest.approx(tuple(expected.confidence_interval(0.95)), abs=1e-9)


def test_other_pairs_never_pair_a_clip_with_itself() -> None:
    assert other_pairs(3) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    assert other_pairs(1) == other_pairs(0) == []
    many = other_pairs(100, seed=1, rounds=4)
    assert len(many) == len(set(many)) == 400 and all(i != j for i, j in many)
    for side in (0, 1):
        assert sorted(pair[side] for pair in many) == sorted(list(range(100)) * 4)


def test_a_spread_in_words() -> None:
    result = order_statistics(np.arange(101.0))
    assert result == {"least": 0.0, "p5": 5.0, "median": 50.0, "largest": 100.0}


def test_a_relative_interval_resamples_both_sets_by_themselves() -> None:
    rng = np.random.default_rng(4)
    own, other = (np.column_stack([rng.uniform(1, 9, n), rng.integers(1, 9, n)]) for n in (7, 11))
    draws = []
    for first, second in zip(
        np.random.default_rng(5).integers(0, 7, (300, 7)),
        np.random.default_rng(6).integers(0, 11, (300, 11)),
        strict=True,
    ):
        means = [
            sum(table[i][0] for i in drawn) / sum(table[i][1] for i in drawn)
            for table, drawn in ((own, first), (other, second))
        ]
        draws.append(means[0] / means[1])
    expected = np.quantile(draws, [0.025, 0.975])
    np.testing.assert_allclose(relative_interval(own, other, 5, 300), expected)
    assert relative_interval(own[:1], other) == (None, None)
    assert relative_interval(own, np.zeros((3, 2))) == (None, None)
