"""Intervals by leaving clips out: a closed form, and how often they contain the expected value."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from savg.metrics.base import MetricResult
from savg.metrics.feature_sets import FeatureSet
from savg.metrics.frechet import FrechetPair, frechet_distance
from savg.metrics.jackknife import GROUPS, distance_difference, jackknife, left_out_groups
from savg.metrics.kernel_distances import KernelPair, polynomial_kernel


def test_of_a_difference_of_means_it_is_welchs_interval() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=12), rng.normal(size=17) * 2
    without_x = np.array([np.delete(x, i).mean() - y.mean() for i in range(12)])
    without_y = np.array([x.mean() - np.delete(y, i).mean() for i in range(17)])
    result = jackknife(x.mean() - y.mean(), (without_x, without_y))
    welch = stats.ttest_ind(x, y, equal_var=False).confidence_interval(0.95)
    assert (result.low, result.high) == pytest.approx((welch.low, welch.high))
    assert result.errors == pytest.approx((x.std(ddof=1) / 12**0.5, y.std(ddof=1) / 17**0.5))
    assert result.bias == pytest.approx(0, abs=1e-12)


def test_of_a_variance_it_finds_the_bias() -> None:
    x = np.random.default_rng(1).normal(size=10)
    without = np.array([np.delete(x, i).var() for i in range(10)])
    result = jackknife(x.var(), (without, np.zeros(4) + x.var()))
    assert x.var() - result.bias == pytest.approx(x.var(ddof=1))
    assert jackknife(0.1, (np.array([0.0, 0.5]), np.array([0.1, 0.1])), least=0.0).low == 0


def mean_result(x: np.ndarray, y: np.ndarray) -> MetricResult:
    """A "distance" whose errors are known: the difference of two means."""
    left_out = {
        "generated": [np.delete(x, i).mean() - y.mean() for i in range(len(x))],
        "reference": [x.mean() - np.delete(y, i).mean() for i in range(len(y))],
    }
    value = float(x.mean() - y.mean())
    return MetricResult("mean", value, 0.0, 1.0, len(x), notes={"left_out": left_out})


def test_two_runs_are_compared_without_what_they_share() -> None:
    rng = np.random.default_rng(2)
    reference, x = rng.normal(size=30) * 9, rng.normal(size=14)
    y = x + 0.1 * rng.normal(size=14) + 0.2
    a, b = mean_result(x, reference), mean_result(y, reference)
    paired, apart = (distance_difference(b, a, same_clips=same) for same in (True, False))
    assert paired is not None and apart is not None and paired.paired and not apart.paired
    expected = stats.ttest_1samp(y - x, 0).confidence_interval(0.95)
    assert (paired.low, paired.high) == pytest.approx((expected.low, expected.high))
    welch = stats.ttest_ind(y, x, equal_var=False).confidence_interval(0.95)
    assert (apart.low, apart.high) == pytest.approx((welch.low, welch.high))
    assert paired.value == apart.value == pytest.approx((y - x).mean())
    assert distance_difference(a, mean_result(x[:9], reference), same_clips=True) is None
    assert distance_difference(a, mean_result(x, reference[:9]), same_clips=False) is None
    assert distance_difference(a, MetricResult("mean", 1.0), same_clips=False) is None


def test_no_variation_has_an_interval_without_width() -> None:
    result = jackknife(2.0, (np.full(5, 2.0), np.full(5, 2.0)))
    assert (result.low, result.high) == (2.0, 2.0)


def test_many_clips_are_left_out_in_groups_of_almost_one_size() -> None:
    assert left_out_groups(100).tolist() == list(range(100))
    sizes = np.bincount(left_out_groups(1234))
    assert len(sizes) == GROUPS and np.ptp(sizes) <= 1


def test_intervals_contain_the_expected_distance_where_the_bootstraps_does_not() -> None:
    """24 clips in 40 dimensions, where covariances are singular."""
    rng = np.random.default_rng(0)
    spread = np.linspace(1.5, 0.2, 40)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        return rng.normal(size=(24, 40)) * spread, rng.normal(size=(24, 40)) * spread[::-1] + 0.2

    pairs = [draw() for _ in range(120)]
    expected = np.mean([frechet_distance(x, y) for x, y in [*pairs, *(draw() for _ in range(300))]])
    covered, bootstrap = [], []
    for x, y in pairs:
        result = FrechetPair(FeatureSet.of_rows(x), FeatureSet.of_rows(y)).jackknife()
        covered.append(result.low <= expected <= result.high)
        again = [
            frechet_distance(x[rng.integers(0, 24, 24)], y[rng.integers(0, 24, 24)])
            for _ in range(20)
        ]
        bootstrap.append(min(again) <= expected)
    assert np.mean(covered) > 0.93
    assert np.mean(bootstrap) < 0.5


def test_intervals_of_a_kernel_distance_contain_the_true_one() -> None:
    rng = np.random.default_rng(1)

    def draw() -> KernelPair:
        x, y = rng.normal(size=(20, 6)), rng.normal(size=(25, 6)) + 0.5
        return KernelPair.of(FeatureSet.of_rows(x), FeatureSet.of_rows(y), polynomial_kernel)

    true = np.mean([draw().value for _ in range(4000)])
    results = [draw().jackknife() for _ in range(300)]
    share = np.mean([r.low <= true <= r.high for r in results])
    assert 0.91 < share < 0.99
