"""Paired differences of two sets of clips: what one model gains over another on the same seeds.

Intervals are the percentile bootstrap over pairs; p is the share of random exchanges within pairs whose
difference is at least as large, two-sided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.metrics.statistics import RESAMPLES, Values, percentiles, resampled_clips

EXACT = 12
"""Largest number of pairs of which every exchange is tried."""

EXCHANGES = 9_999
"""Random exchanges of more pairs."""

BLOCK = 1_000
"""Exchanges that are computed at once."""

_ROUNDING = 1e-12


@dataclass(frozen=True)
class PairedDifference:
    """A difference, first minus second, of `pairs` pairs.

    low, high: 95 % interval, None for a single pair; p: of no difference, in 0..1.
    """

    value: float
    low: float | None
    high: float | None
    p: float
    pairs: int


def mean_difference(first: Values, second: Values, seed: int = 0) -> PairedDifference | None:
    """The difference of means of paired values [pairs]; None without a pair."""
    return _difference(
        np.stack([np.asarray(first, np.float64), np.ones(len(first))], -1),
        np.stack([np.asarray(second, np.float64), np.ones(len(second))], -1),
        seed,
    )


def share_difference(
    first: NDArray[np.number], second: NDArray[np.number], seed: int = 0
) -> PairedDifference | None:
    """The difference of pooled shares Σ hits / Σ (hits + misses).

    first, second: hits and misses [pairs, 2]. None where a set has neither.
    """
    a, b = (np.asarray(counts, np.float64) for counts in (first, second))
    return _difference(np.stack([a[:, 0], a.sum(1)], -1), np.stack([b[:, 0], b.sum(1)], -1), seed)


def _difference(
    first: NDArray[np.float64], second: NDArray[np.float64], seed: int
) -> PairedDifference | None:
    """The difference of Σ numerators / Σ denominators, [pairs, 2] each."""
    if first.shape != second.shape:
        raise ValueError(f"Pairs must be of one number, got {len(first)} and {len(second)}.")
    pairs = len(first)
    if not pairs or not first[:, 1].sum() or not second[:, 1].sum():
        return None
    value = float(_ratio(first.sum(0)) - _ratio(second.sum(0)))
    low, high = None, None
    if pairs > 1:
        drawn = resampled_clips(pairs, seed, RESAMPLES)
        draws = _ratio(first[drawn].sum(1)) - _ratio(second[drawn].sum(1))
        low, high = percentiles(draws[np.isfinite(draws)])
    return PairedDifference(value, low, high, _p(first, second, value, seed), pairs)


def _ratio(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def _p(first: NDArray[np.float64], second: NDArray[np.float64], value: float, seed: int) -> float:
    """Share of exchanges within pairs with a difference at least as large."""
    pairs, total = len(first), first.sum(0) + second.sum(0)

    def extreme(exchanged: NDArray[np.bool_]) -> int:
        sums = exchanged @ (second - first) + first.sum(0)
        differences = np.abs(_ratio(sums) - _ratio(total - sums))
        return int((differences >= abs(value) - _ROUNDING).sum())

    if pairs <= EXACT:
        every = (np.arange(2**pairs)[:, None] >> np.arange(pairs)) & 1
        return extreme(every.astype(bool)) / 2**pairs
    return (1 + _random_exchanges(extreme, pairs, seed)) / (1 + EXCHANGES)


def _random_exchanges(count: Callable[[NDArray[np.bool_]], int], pairs: int, seed: int) -> int:
    rng, result = np.random.default_rng(seed), 0
    for first in range(0, EXCHANGES, BLOCK):
        size = min(BLOCK, EXCHANGES - first)
        result += count(rng.integers(0, 2, (size, pairs)).astype(bool))
    return result
