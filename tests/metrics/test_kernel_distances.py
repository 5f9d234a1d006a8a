"""Kernel distances: sklearn's kernels, a closed form, sums by clips, leaving clips out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics.pairwise import polynomial_kernel as sklearn_polynomial
from sklearn.metrics.pairwise import rbf_kernel

from savg.metrics import kernel_distances
from savg.metrics.feature_sets import FeatureError, FeatureSet
from savg.metrics.kernel_distances import (
    Kernel,
    KernelPair,
    gaussian_kernel,
    gaussian_mmd,
    median_distance,
    polynomial_kernel,
    polynomial_mmd,
)


def unbiased(x: np.ndarray, y: np.ndarray, kernel: Callable[..., np.ndarray]) -> float:
    n, m = len(x), len(y)
    xx, yy = kernel(x, x), kernel(y, y)
    xx, yy = xx.sum() - np.trace(xx), yy.sum() - np.trace(yy)
    return float(xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * kernel(x, y).mean())


def sets(seed: int, n: int = 30, m: int = 22, d: int = 17) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(m, d)) * 1.3 + 0.4


@pytest.mark.parametrize("seed", range(3))
def test_sklearns_kernels_agree(seed: int) -> None:
    x, y = sets(seed)
    cubic = unbiased(x, y, lambda a, b: sklearn_polynomial(a, b, degree=3))
    assert polynomial_mmd(x, y) == pytest.approx(cubic, rel=1e-10)
    pairs = [np.linalg.norm(a - b) for i, a in enumerate(y) for b in y[i + 1 :]]
    sigma = float(np.median(pairs))
    wide = unbiased(x, y, lambda a, b: rbf_kernel(a, b, gamma=1 / (2 * sigma**2)))
    assert gaussian_mmd(x, y) == pytest.approx(wide, rel=1e-10)
    narrow = unbiased(x, y, lambda a, b: rbf_kernel(a, b, gamma=1 / (2 * 0.7**2)))
    assert gaussian_mmd(x, y, 0.7) == pytest.approx(narrow, rel=1e-8)
    assert gaussian_mmd(x + 1e4, y + 1e4) == pytest.approx(wide, rel=1e-7)


def test_its_mean_is_the_distance_of_the_distributions() -> None:
    """Of two Gaussians N(0, 1) and N(μ, 1): 2 σ/√(σ² + 2) (1 − exp(−μ² / 2(σ² + 2)))."""
    rng, sigma, shift = np.random.default_rng(0), 1.5, 0.8
    true = 2 * sigma / (sigma**2 + 2) ** 0.5 * (1 - np.exp(-(shift**2) / (2 * (sigma**2 + 2))))
    for mu, expected in ((shift, true), (0.0, 0.0)):
        values = [
            gaussian_mmd(rng.normal(size=(6, 1)), rng.normal(mu, 1, (9, 1)), sigma)
            for _ in range(3000)
        ]
        assert np.mean(values) == pytest.approx(expected, abs=4 * np.std(values) / 3000**0.5)


def windows(seed: int, clips: int, d: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rng.integers(1, 4), d)) for _ in range(clips)]


KERNELS: tuple[Kernel, ...] = (polynomial_kernel, gaussian_kernel(2.0))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("block", [7, 2**22])
def test_clips_pool_their_windows(
    kernel: Kernel, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_distances, "BLOCK", block)
    x, y = windows(0, 9), windows(1, 7)
    pair = KernelPair.of(FeatureSet.of_clips(x), FeatureSet.of_clips(y), kernel)
    assert pair.value == pytest.approx(unbiased(np.concatenate(x), np.concatenate(y), kernel))
    both = x + y
    first, second = np.array([0, 2, 5, 11]), np.array([1, 3, 4, 6, 15])
    parts = [np.concatenate([both[i] for i in part]) for part in (first, second)]
    assert pair.between(first, second) == pytest.approx(unbiased(*parts, kernel))


def test_the_jackknife_leaves_whole_clips_out_of_both_sets() -> None:
    x, y = windows(2, 8), windows(3, 6)
    pair = KernelPair.of(FeatureSet.of_clips(x), FeatureSet.of_clips(y), polynomial_kernel)

    def left(clips: list[np.ndarray], out: int) -> np.ndarray:
        return np.concatenate(clips[:out] + clips[out + 1 :])

    every_x, every_y = np.concatenate(x), np.concatenate(y)
    a = [unbiased(left(x, i), every_y, polynomial_kernel) for i in range(8)]
    b = [unbiased(every_x, left(y, i), polynomial_kernel) for i in range(6)]
    errors = [(7 / 8 * ((np.array(a) - np.mean(a)) ** 2).sum()) ** 0.5]
    errors.append((5 / 6 * ((np.array(b) - np.mean(b)) ** 2).sum()) ** 0.5)
    assert pair.jackknife().errors == pytest.approx(errors)


def test_the_median_is_of_different_rows_and_not_zero() -> None:
    rows = np.array([[0.0], [1.0], [3.0]])
    assert median_distance(rows) == pytest.approx(2)
    many = np.random.default_rng(0).normal(size=(7000, 2))
    assert median_distance(many) == pytest.approx((4 * np.log(2)) ** 0.5, rel=0.03)
    with pytest.raises(FeatureError, match="reference clips must differ"):
        gaussian_mmd(rows, np.ones((4, 1)))
    with pytest.raises(FeatureError, match="same length, got 2 and 1"):
        polynomial_mmd(rows, np.ones((4, 2)))
