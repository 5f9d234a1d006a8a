"""Chance baselines of a distance between two sets of clips: what sampling alone gives.

- `reference_split`: two parts of the reference set, the first of as many clips as were generated but at
  most half. It has fewer clips than the comparison where the reference is small, so that a Fréchet
  distance comes out larger.
- `permuted`: the clips of both sets, dealt again at random into sets of the same sizes. A value that is
  rarely reached this way shows that the sets differ: a permutation test, with its p.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.metrics.jackknife import FEWEST

SPLITS = 8
"""Random partitions of the reference set."""

DEALS = 99
"""Random partitions of both sets together."""

MANY = 500
"""Clips of both sets above which there are fewer of them."""

DEALS_OF_MANY = 19

ALPHA = 0.05

Indices = NDArray[np.int64]
Between = Callable[[Indices, Indices], float]
"""The distance between two parts of both sets together, given by the indices of clips: 0…n−1 are those
of the first set, n…n+m−1 those of the second."""


def reference_split(between: Between, n: int, m: int, seed: int = 0) -> dict[str, Any] | None:
    """Distances between two random parts of the reference set; None for fewer than four clips.

    Returns: their `mean`, `low` and `high`, the number of `splits` and of `clips` of either part.
    """
    if m < FEWEST:
        return None
    first = min(n, m // 2)
    rng = np.random.default_rng(seed)
    values = [_dealt(between, n + rng.permutation(m), first) for _ in range(SPLITS)]
    return {**_range(values), "splits": SPLITS, "clips": [first, m - first]}


def permuted(
    between: Between, value: float, n: int, m: int, seed: int = 0
) -> dict[str, Any] | None:
    """Distances between sets of n and m clips dealt at random from both; None where a set has fewer
    than four clips.

    Returns: their `mean`, `low` and `high`, the number of `deals`, and `p`: the share of them that
        reach
        the value, which is counted with them.
    """
    if min(n, m) < FEWEST:
        return None
    deals = DEALS if n + m <= MANY else DEALS_OF_MANY
    rng = np.random.default_rng([seed, 1])
    values = [_dealt(between, rng.permutation(n + m), n) for _ in range(deals)]
    reached = sum(v >= value for v in values)
    return {**_range(values), "deals": deals, "p": (reached + 1) / (deals + 1)}


def _dealt(between: Between, order: Indices, first: int) -> float:
    return between(np.sort(order[:first]), np.sort(order[first:]))


def _range(values: list[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "low": min(values), "high": max(values)}
