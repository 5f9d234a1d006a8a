"""Paired differences against scipy and against counting by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from savg.metrics.paired import mean_difference, share_difference


def test_few_pairs_are_exchanged_in_every_way() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.4, 1, 9), rng.normal(0, 1, 9)
    result = mean_difference(a, b)
    expected = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert result is not None and result.pairs == 9
    assert result.value == pytest.approx(np.mean(a) - np.mean(b))
    assert result.p == pytest.approx(expected.pvalue)


def test_many_pairs_are_exchanged_at_random() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(0, 1, 60)
    b = a - rng.normal(0.12, 0.5, 60)
    result = mean_difference(a, b, seed=3)
    assert result is not None
    assert result.p == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.01)
    interval = stats.t.interval(0.95, 59, np.mean(a - b), stats.sem(a - b))
    assert (result.low, result.high) == pytest.approx(interval, abs=0.03)
    assert result == mean_difference(a, b, seed=3)
    other = mean_difference(a + 3, b)
    assert other is not None and other.p == 1e-4 and other.low > 2.5


def test_pooled_shares_exchange_whole_pairs() -> None:
    a, b = np.array([[3, 1], [0, 4], [5, 5]]), np.array([[1, 1], [0, 9], [2, 0]])
    result = share_difference(a, b)
    assert result is not None
    assert result.value == pytest.approx(8 / 18 - 3 / 13)
    extreme = 0
    for flips in itertools.product([False, True], repeat=3):
        x = sum(np.where(f, q, p) for f, p, q in zip(flips, a, b, strict=True))
        y = sum(np.where(f, p, q) for f, p, q in zip(flips, a, b, strict=True))
        extreme += abs(x[0] / x.sum() - y[0] / y.sum()) >= abs(result.value) - 1e-9
    assert result.p == extreme / 8


def test_nothing_to_compare_is_none_and_one_pair_has_no_interval() -> None:
    assert mean_difference([], []) is None
    assert share_difference(np.zeros((2, 2), int), np.ones((2, 2), int)) is None
    one = mean_difference([1.0], [0.0])
    assert one is not None and (one.low, one.high, one.p) == (None, None, 1.0)
    with pytest.raises(ValueError, match="must be of one number, got 1 and 2"):
        mean_difference([1.0], [1.0, 2.0])
