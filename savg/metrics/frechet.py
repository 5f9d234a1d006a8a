"""Fréchet distance between two sets of feature vectors, as FVD and FAD are published.

d² = |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁^½ Σ₂ Σ₁^½)^½ of Gaussians of the sets' means and unbiased
covariances. The published code takes both roots by singular values and leaves those below 1e-10 as they
are [code]; so do these, with `floor`.

The last trace is the sum of the singular values of A Bᵀ, where A and B are the centred rows over √(n
− 1). So a set of n rows needs matrices of side min(n, D), never D × D where there are fewer rows.
All is computed in float64 whatever the input.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savg.metrics.feature_sets import FeatureError, FeatureSet, rotated
from savg.metrics.jackknife import Jackknife, jackknife, left_out_groups

Floats = NDArray[np.float64]

FLOOR = 1e-10
"""Singular values below are kept in place of their root [code]."""


def frechet_distance(x: ArrayLike, y: ArrayLike, floor: float = FLOOR) -> float:
    """Fréchet distance of the Gaussians of two sets of rows.

    Args:
        x, y: [n, D] and [m, D], at least two rows each.
        floor: singular values below it are kept in place of their root, as published; 0: all are
        rooted.

    Raises:
        FeatureError: other shapes, fewer rows, or values that are not finite.

    Example:
        >>> frechet_distance([[0.0], [2.0]], [[3.0], [5.0]])
        9.0
    """
    return FrechetTarget(np.asarray(x, np.float64), floor).distance(np.asarray(y, np.float64))


def frechet_from_moments(
    mean_x: ArrayLike,
    covariance_x: ArrayLike,
    mean_y: ArrayLike,
    covariance_y: ArrayLike,
    floor: float = FLOOR,
) -> float:
    """The same of means [D] and covariances [D, D], for statistics that were stored without the rows.

    Args:
        mean_x, mean_y: [D].
        covariance_x, covariance_y: [D, D].
        floor: as in `frechet_distance`.
    """
    x, y = np.asarray(covariance_x, np.float64), np.asarray(covariance_y, np.float64)
    u, s, vt = np.linalg.svd(x)
    root = (u * _rooted(s, floor)) @ vt
    product = np.linalg.svd(root @ y @ root, compute_uv=False)
    apart = np.asarray(mean_x, np.float64) - np.asarray(mean_y, np.float64)
    overlap = _rooted(product, floor).sum()
    return max(float(apart @ apart + np.trace(x) + np.trace(y) - 2 * overlap), 0.0)


def _rooted(values: Floats, floor: float) -> Floats:
    positive = np.maximum(values, 0)
    return np.where(positive < floor, positive, np.sqrt(positive))


class FrechetTarget:
    """A set held fixed, for distances of many other sets to it.

    Args:
        rows: [m, D], at least two.
        floor: as in `frechet_distance`.

    Raises: FeatureError as `frechet_distance`.
    """

    def __init__(self, rows: Floats, floor: float = FLOOR) -> None:
        check_rows(rows)
        self.floor = floor
        self.mean = rows.mean(axis=0)
        variances, axes = _principal(_centred(rows))
        self.rank = len(variances)
        self.trace = float(variances.sum())
        self.root = _rooted(variances, floor)[:, None] * axes
        """[rank, D], whose rows squared and summed are the covariance."""

    def distance(self, rows: Floats) -> float:
        """Fréchet distance of rows [n, D] to the set."""
        check_rows(rows, len(self.mean))
        centred = _centred(rows)
        apart = rows.mean(axis=0) - self.mean
        product = centred @ self.root.T
        if len(product) > product.shape[1]:
            squares = np.asarray(np.linalg.eigvalsh(product.T @ product), np.float64)
        else:
            squares = np.square(np.linalg.svd(product, compute_uv=False), dtype=np.float64)
        overlap = _rooted(squares, self.floor).sum()
        spread = float(np.square(centred).sum()) + self.trace
        # Rounding can bring the distance of equal sets below 0.
        return max(float(apart @ apart) + spread - 2 * float(overlap), 0.0)

    def without(self, clips: FeatureSet, groups: NDArray[np.int64]) -> Floats:
        """Distances of a set of clips to this one without each of its groups of clips.

        Args:
            clips: of as many dimensions.
            groups: of each clip [clips], 0…G−1.

        Returns:
            [G]; those of `distance` for the rows that are left, which must be two at least.
        """
        rows = clips.rows - clips.rows.mean(axis=0)
        offset = clips.rows.mean(axis=0) - self.mean
        projected = rows @ self.root.T
        products, squares = projected.T @ projected, float(np.square(rows).sum())
        group_of_row = groups[clips.clip_of_row]
        distances = np.empty(int(groups.max()) + 1)
        for group in range(len(distances)):
            out = group_of_row == group
            n = len(rows) - int(out.sum())
            # All rows together have mean 0, so those that are left have minus the sum of the others.
            mean = -rows[out].sum(axis=0) / n
            projected_mean = self.root @ mean
            left = products - projected[out].T @ projected[out]
            covariance = (left - n * np.outer(projected_mean, projected_mean)) / (n - 1)
            spread = (squares - np.square(rows[out]).sum() - n * (mean @ mean)) / (n - 1)
            overlap = _rooted(np.linalg.eigvalsh(covariance), self.floor).sum()
            apart = offset + mean
            distances[group] = apart @ apart + spread + self.trace - 2 * overlap
        return np.maximum(distances, 0)


class FrechetPair:
    """The distance between two sets of clips and what it is worth.

    Args:
        x, y: of one number of dimensions; two rows each at least.
        floor: as in `frechet_distance`.

    Raises: FeatureError as `frechet_distance`.
    """

    def __init__(self, x: FeatureSet, y: FeatureSet, floor: float = FLOOR) -> None:
        check_rows(x.rows, y.dimensions)
        self.x, self.y = rotated(x, y)
        self.floor = floor
        self.to_y = FrechetTarget(self.y.rows, floor)
        self.value = self.to_y.distance(self.x.rows)

    @cached_property
    def to_x(self) -> FrechetTarget:
        return FrechetTarget(self.x.rows, self.floor)

    @property
    def ranks(self) -> tuple[int, int]:
        """Ranks of the covariances of x and y."""
        return self.to_x.rank, self.to_y.rank

    def jackknife(self) -> Jackknife:
        """Interval, errors and bias of the value; both sets leave out their clips."""
        without_x = self.to_y.without(self.x, left_out_groups(len(self.x)))
        without_y = self.to_x.without(self.y, left_out_groups(len(self.y)))
        return jackknife(self.value, (without_x, without_y), least=0.0)


def check_rows(rows: Floats, dimensions: int | None = None) -> None:
    """FeatureError unless rows are [n ≥ 2, D], D the given one, and finite."""
    if rows.ndim != 2 or len(rows) < 2 or not rows.shape[1]:
        raise FeatureError(f"Features must be at least 2 rows [n, D], got shape {rows.shape}.")
    if dimensions is not None and rows.shape[1] != dimensions:
        raise FeatureError(
            f"Features of both sets must have the same length, got {rows.shape[1]} and {dimensions}."
        )
    if not np.isfinite(rows).all():
        raise FeatureError("Features must be finite, got NaN or infinity.")


def _principal(centred: Floats) -> tuple[Floats, Floats]:
    """Variances [rank] along principal axes [rank, D], without those of rounding noise alone, which
    would add nothing to a product and cost time."""
    eps = max(centred.shape) * float(np.finfo(np.float64).eps)
    if len(centred) > centred.shape[1]:
        variances, columns = np.linalg.eigh(centred.T @ centred)
        axes = columns.T
        present = variances > variances[-1] * eps
    else:
        _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
        variances = np.square(sizes)
        present = sizes > sizes[0] * eps
    return variances[present], axes[present]


def _centred(rows: Floats) -> Floats:
    """Rows whose outer products sum to the unbiased covariance."""
    centred: Floats = (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1)
    return centred
