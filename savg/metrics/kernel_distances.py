"""Kernel distances between two sets of feature vectors: unbiased MMD², for KVD and KAD.

MMD² = mean k(x, x') + mean k(y, y') − 2 mean k(x, y), the first two over different rows. It needs no
covariance, so that few clips in many dimensions bias nothing; by chance it is around 0 and may be
negative. Windows of one clip count as different rows, as in the published tools; they are alike, so
that several windows a clip raise it a little: the permuted baseline shows by how much.

KVD: k = (x·y / D + 1)³, one estimate over all rows [code]. KAD (Chung et al., KAD: No More FAD!, 2025):
k = exp(−|x − y|² / 2σ²), σ the median distance between rows of the reference set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savg.metrics.feature_sets import FeatureError, FeatureSet
from savg.metrics.frechet import check_rows
from savg.metrics.jackknife import Jackknife, jackknife, left_out_groups

Floats = NDArray[np.float64]
Kernel = Callable[[Floats, Floats], Floats]
"""Rows [n, D] and [m, D] → [n, m]."""

BLOCK = 2**22
"""Values of a kernel held at a time."""

MEDIAN_ROWS = 3000
"""Rows, evenly through the set, between which the median distance is taken where there are more."""


def polynomial_kernel(x: Floats, y: Floats) -> Floats:
    """(x·y / D + 1)³ of rows [n, D] and [m, D]: [n, m]."""
    values: Floats = (x @ y.T / x.shape[1] + 1) ** 3
    return values


def gaussian_kernel(bandwidth: float) -> Kernel:
    """exp(−|x − y|² / 2σ²) of rows, with σ = bandwidth > 0."""

    def kernel(x: Floats, y: Floats) -> Floats:
        values: Floats = np.exp(squared_distances(x, y) / (-2 * bandwidth**2))
        return values

    return kernel


def squared_distances(x: Floats, y: Floats) -> Floats:
    """|x − y|² of rows [n, D] and [m, D]: [n, m]."""
    middle = y.mean(axis=0)  # what all rows share would cost digits
    x, y = x - middle, y - middle
    squares = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1) - 2 * (x @ y.T)
    return np.maximum(squares, 0)


def median_distance(rows: Floats) -> float:
    """Median distance between different rows [n, D].

    Raises FeatureError where at least half of the pairs are equal.
    """
    step = -(-len(rows) // MEDIAN_ROWS)
    chosen = rows[::step]
    pairs = np.triu_indices(len(chosen), 1)
    median = float(np.sqrt(np.median(squared_distances(chosen, chosen)[pairs])))
    if not median > 0:
        raise FeatureError("The reference clips must differ, got equal features in most of them.")
    return median


def polynomial_mmd(x: ArrayLike, y: ArrayLike) -> float:
    """Unbiased MMD² with the cubic polynomial kernel, as KVD is published.

    Args:
        x, y: [n, D] and [m, D], at least two rows each.

    Raises:
        FeatureError: other shapes, fewer rows, or values that are not finite.
    """
    return _of_rows(x, y, polynomial_kernel)


def gaussian_mmd(x: ArrayLike, y: ArrayLike, bandwidth: float | None = None) -> float:
    """Unbiased MMD² with the Gaussian kernel: KAD without its factor of 100.

    Args:
        x: the generated set [n, D], at least two rows.
        y: the reference set [m, D], at least two rows.
        bandwidth: σ; None: the median distance between rows of y.

    Raises:
        FeatureError: other shapes, fewer rows, values that are not finite, or most rows of y equal.
    """
    if bandwidth is None:
        rows = np.asarray(y, np.float64)
        check_rows(rows)
        bandwidth = median_distance(rows)
    return _of_rows(x, y, gaussian_kernel(bandwidth))


def _of_rows(x: ArrayLike, y: ArrayLike, kernel: Kernel) -> float:
    first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
    check_rows(first)
    check_rows(second, first.shape[1])
    pair = KernelPair.of(FeatureSet.of_rows(first), FeatureSet.of_rows(second), kernel)
    return pair.value


@dataclass(frozen=True, eq=False)
class KernelPair:
    """Sums of a kernel between clips of two sets, from which come MMD² of both, of parts of them and
    without some of their clips.

    xx, yy: [clips, clips], between different rows; xy: [clips of x, clips of y]; windows_x, windows_y:
    rows of each clip.
    """

    xx: Floats
    xy: Floats
    yy: Floats
    windows_x: NDArray[np.int64]
    windows_y: NDArray[np.int64]

    @classmethod
    def of(cls, x: FeatureSet, y: FeatureSet, kernel: Kernel) -> KernelPair:
        """The sums of two sets; memory stays bounded whatever the number of rows."""
        xx, yy = clip_sums(x, x, kernel), clip_sums(y, y, kernel)
        return cls(xx, clip_sums(x, y, kernel), yy, x.windows, y.windows)

    @property
    def value(self) -> float:
        n, m = int(self.windows_x.sum()), int(self.windows_y.sum())
        return _mmd(self.xx.sum(), self.xy.sum(), self.yy.sum(), n, m)

    def jackknife(self) -> Jackknife:
        """Interval, errors and bias of the value; both sets leave out their clips."""
        swapped = KernelPair(self.yy, self.xy.T, self.xx, self.windows_y, self.windows_x)
        return jackknife(self.value, (self._without(), swapped._without()))

    def _without(self) -> Floats:
        """MMD² without each group of clips of x."""
        groups = left_out_groups(len(self.windows_x))
        member = groups == np.arange(groups.max() + 1)[:, None]
        within = np.einsum("gi,ij,gj->g", member, self.xx, member, optimize=True)
        xx = self.xx.sum() - 2 * (member @ self.xx.sum(axis=1)) + within
        xy = self.xy.sum() - member @ self.xy.sum(axis=1)
        n = self.windows_x.sum() - member @ self.windows_x
        m = int(self.windows_y.sum())
        return np.array(
            [_mmd(a, b, self.yy.sum(), int(k), m) for a, b, k in zip(xx, xy, n, strict=True)]
        )

    @cached_property
    def _both(self) -> Floats:
        return np.block([[self.xx, self.xy], [self.xy.T, self.yy]])

    def between(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
        """MMD² between other sets of the same clips, by the indices of those of x and then of y."""
        windows = np.concatenate([self.windows_x, self.windows_y])
        xx, xy, yy = (
            float(self._both[np.ix_(a, b)].sum())
            for a, b in ((first, first), (first, second), (second, second))
        )
        return _mmd(xx, xy, yy, int(windows[first].sum()), int(windows[second].sum()))


def _mmd(xx: float, xy: float, yy: float, n: int, m: int) -> float:
    """MMD² of sums of the kernel over n and m rows."""
    return float(xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m))


def clip_sums(x: FeatureSet, y: FeatureSet, kernel: Kernel) -> Floats:
    """Sums [clips of x, clips of y] of a kernel over the windows of each two clips; a row with itself
    is left out where x is y."""
    sums = np.zeros((len(x.rows), len(y)))
    height = max(BLOCK // len(y.rows), 1)
    for top in range(0, len(x.rows), height):
        block = kernel(x.rows[top : top + height], y.rows)
        if x is y:
            own = np.arange(len(block))
            block[own, top + own] = 0
        sums[top : top + height] = np.add.reduceat(block, y.starts, axis=1)
    return np.add.reduceat(sums, x.starts, axis=0)
