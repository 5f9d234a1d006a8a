"""Fréchet distance: published values, scipy's matrix root, closed forms, and leaving clips out."""

from __future__ import annotations

import golden
import numpy as np
import pytest
from goldens import case
from scipy.linalg import sqrtm

from savg.metrics.feature_sets import FeatureError, FeatureSet
from savg.metrics.frechet import (
    FrechetPair,
    FrechetTarget,
    frechet_distance,
    frechet_from_moments,
)
from savg.metrics.frechet_infinite import extrapolate, frechet_infinite
from savg.metrics.kernel_distances import polynomial_mmd

CASE = case("frechet_kvd")


def golden_sets(index: int) -> tuple[np.ndarray, np.ndarray]:
    spec = CASE.meta["sets"][index]
    (n, m), d = spec["n"], spec["d"]
    x = golden.tensor(f"public/dist/{index}/x", (n, d))
    if spec["kind"] == "identical sets":
        return x, x
    mix = golden.tensor(f"public/dist/{index}/mix", (d, d), d**-0.5)
    return x, golden.tensor(f"public/dist/{index}/y", (m, d)) @ mix + np.float32(0.3)


@pytest.mark.parametrize("index", range(5))
def test_published_values(index: int) -> None:
    x, y = golden_sets(index)
    single, double = CASE[f"frechet_{index}"]
    of_single, of_double = (CASE.meta["tolerance"][k] for k in ("float32", "float64"))
    assert frechet_distance(x, y) == pytest.approx(
        double, rel=of_double["rtol"], abs=of_double["atol"]
    )
    assert frechet_distance(x, y) == pytest.approx(
        single, rel=of_single["rtol"], abs=of_single["atol"]
    )
    kernel = CASE[f"kvd_{index}"][1]
    assert polynomial_mmd(x, y) == pytest.approx(kernel, rel=1e-6, abs=1e-6)


def by_sqrtm(x: np.ndarray, y: np.ndarray) -> float:
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    apart = x.mean(0) - y.mean(0)
    return float(apart @ apart + np.trace(a + b - 2 * sqrtm(a @ b).real))


def as_published(x: np.ndarray, y: np.ndarray) -> float:
    """With D × D roots by singular values, those below 1e-10 left as they are."""

    def root(matrix: np.ndarray) -> np.ndarray:
        u, s, v = np.linalg.svd(matrix)
        return u @ np.diag([value if value < 1e-10 else value**0.5 for value in s]) @ v

    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    trace = np.trace(root(root(a) @ b @ root(a)))
    apart = x.mean(0) - y.mean(0)
    return float(apart @ apart + np.trace(a) + np.trace(b) - 2 * trace)


def drawn(seed: int, n: int, m: int, d: int, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(d, d)) / d**0.5 + np.eye(d)
    x = rng.normal(size=(n, d)) * np.linspace(1.5, 0.5, d)
    return scale * x, scale * (rng.normal(size=(m, d)) @ mix + 0.2)


@pytest.mark.parametrize("seed", range(4))
def test_scipys_matrix_root_agrees(seed: int) -> None:
    x, y = drawn(seed, 60, 75, 12)
    assert frechet_distance(x, y) == pytest.approx(by_sqrtm(x, y), rel=1e-9)


@pytest.mark.parametrize(("n", "m", "d"), [(9, 14, 40), (14, 9, 40), (9, 70, 40), (70, 60, 20)])
def test_rows_and_moments_agree_with_the_published_roots(n: int, m: int, d: int) -> None:
    x, y = drawn(1, n, m, d)
    moments = (x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False))
    assert frechet_from_moments(*moments) == pytest.approx(as_published(x, y), rel=1e-9)
    assert frechet_distance(x, y) == pytest.approx(as_published(x, y), rel=1e-9)
    pair = FrechetPair(FeatureSet.of_rows(x), FeatureSet.of_rows(y))
    assert pair.value == pytest.approx(as_published(x, y), rel=1e-9)
    assert pair.ranks == (min(n - 1, d), min(m - 1, d))


def test_small_features_follow_the_published_floor_and_can_do_without() -> None:
    x, y = drawn(2, 12, 15, 30, scale=2e-3)
    x, y = x * 10.0 ** np.linspace(0, -2, 30), y * 10.0 ** np.linspace(0, -2, 30)
    published, exact = frechet_distance(x, y), frechet_distance(x, y, floor=0.0)
    assert published == pytest.approx(as_published(x, y), rel=1e-6)
    assert published > 1.02 * exact
    assert frechet_distance(1e3 * x, 1e3 * y) == pytest.approx(1e6 * exact, rel=1e-4)


def test_gaussians_with_commuting_covariances() -> None:
    rng = np.random.default_rng(0)
    white = [np.linalg.qr(rng.normal(size=(50, 6)) - rng.normal(size=6))[0] for _ in range(2)]
    white = [np.linalg.qr(w - w.mean(0))[0] * 49**0.5 for w in white]
    a, b, shift = rng.uniform(0.2, 3, 6), rng.uniform(0.2, 3, 6), rng.normal(size=6)
    expected = ((a - b) ** 2).sum() + shift @ shift
    assert frechet_distance(white[0] * a, white[1] * b + shift) == pytest.approx(
        expected, rel=1e-10
    )


def test_neither_rotation_nor_shift_nor_order_matters() -> None:
    x, y = drawn(3, 20, 25, 10)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(10, 10)))[0]
    value = frechet_distance(x, y)
    assert frechet_distance(x @ rotation + 5, y @ rotation + 5) == pytest.approx(value, rel=1e-9)
    assert frechet_distance(y, x) == pytest.approx(value, rel=1e-9)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance([[0.0], [2.0]], [[3.0], [5.0]]) == pytest.approx(9.0)


def test_equal_rows_have_no_spread() -> None:
    x, _ = drawn(0, 10, 10, 3)
    same = np.ones((5, 3))
    expected = np.trace(np.cov(x, rowvar=False)) + ((x.mean(0) - 1) ** 2).sum()
    assert frechet_distance(x, same) == pytest.approx(expected)
    assert frechet_distance(same, x) == pytest.approx(expected)


@pytest.mark.parametrize("d", [3, 40])
def test_without_is_the_distance_of_the_clips_that_are_left(d: int) -> None:
    rng = np.random.default_rng(4)
    clips = [rng.normal(size=(rng.integers(1, 4), d)) for _ in range(9)]
    x, target = FeatureSet.of_clips(clips), FrechetTarget(rng.normal(size=(12, d)) + 0.3)
    groups = np.array([0, 1, 2, 3, 0, 1, 2, 3, 0])
    left = [
        np.concatenate([c for c, g in zip(clips, groups, strict=True) if g != k]) for k in range(4)
    ]
    expected = [target.distance(rows) for rows in left]
    assert target.without(x, groups) == pytest.approx(expected, rel=1e-6)


def gaussians(seed: int, n: int, d: int) -> tuple[FeatureSet, FeatureSet, float]:
    """Two sets of n and their true distance."""
    rng = np.random.default_rng(seed)
    spread, shift = np.linspace(0.5, 1.5, d), np.full(d, 0.1)
    x = rng.normal(size=(n, d))
    y = rng.normal(size=(n, d)) * spread + shift
    true = float(((spread - 1) ** 2).sum() + shift @ shift)
    return FeatureSet.of_rows(x), FeatureSet.of_rows(y), true


def test_extrapolation_and_jackknife_reach_the_true_distance() -> None:
    extrapolated, corrected, plain = [], [], []
    for seed in range(6):
        x, y, true = gaussians(seed, 200, 40)
        pair, line = FrechetPair(x, y), frechet_infinite(x, y, both=True)
        assert line is not None and line.r2 > 0.98
        plain.append(pair.value)
        extrapolated.append(line.value)
        corrected.append(pair.value - pair.jackknife().bias)
    margin = 0.1 * (float(np.mean(plain)) - true)
    assert min(plain) > 1.8 * true
    assert np.mean(extrapolated) == pytest.approx(true, abs=margin)
    assert np.mean(corrected) == pytest.approx(true, abs=margin)


def test_extrapolation_of_the_generated_set_alone_leaves_the_references_bias() -> None:
    x, y, true = gaussians(0, 200, 40)
    large = FeatureSet.of_rows(
        np.random.default_rng(9).normal(size=(20_000, 40)) * np.linspace(0.5, 1.5, 40) + 0.1
    )
    alone, whole = frechet_infinite(x, y), frechet_infinite(x, large)
    assert alone is not None and whole is not None
    assert alone.value - true > 1.0
    assert abs(whole.value - true) < 0.25 * (FrechetPair(x, large).value - true)
    assert alone.points[-1] == (200, pytest.approx(FrechetPair(x, y).value))


def test_drawing_with_repetition_would_extrapolate_to_the_biased_value() -> None:
    rng = np.random.default_rng(0)
    spread = np.linspace(0.9, 1.1, 40)
    reference = rng.normal(size=(20_000, 40))
    target, x = FrechetTarget(reference), rng.normal(size=(1000, 40)) * spread
    sizes = np.linspace(250, 1000, 25).astype(int)
    repeated = extrapolate({int(n): target.distance(x[rng.integers(0, 1000, n)]) for n in sizes})
    different = frechet_infinite(FeatureSet.of_rows(x), FeatureSet.of_rows(reference))
    true, biased = float(((spread - 1) ** 2).sum()), target.distance(x)
    assert different is not None and biased > 3 * true
    assert repeated.value == pytest.approx(biased, rel=0.25)
    assert different.value == pytest.approx(true, abs=0.2 * (biased - true))


def test_the_line_is_the_least_squares_one() -> None:
    line = extrapolate({50: 3 + 8 / 50, 80: 3 + 8 / 80, 100: 3 + 8 / 100})
    assert (line.value, line.slope, line.r2) == (
        pytest.approx(3),
        pytest.approx(8),
        pytest.approx(1),
    )
    assert frechet_infinite(*(FeatureSet.of_rows(np.eye(7)),) * 2) is None


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((1, 3)), np.zeros((4, 3)), r"at least 2 rows \[n, D\], got shape \(1, 3\)"),
        (np.zeros((4, 3)), np.zeros((4, 2)), "same length, got 2 and 3"),
        (np.zeros(4), np.zeros((4, 2)), r"got shape \(4,\)"),
        (np.array([[0, np.nan], [1, 2]]), np.zeros((4, 2)), "finite, got NaN"),
    ],
)
def test_bad_sets_are_refused(x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        frechet_distance(x, y)
