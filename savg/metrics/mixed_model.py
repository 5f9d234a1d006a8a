"""Linear mixed models with crossed random intercepts, fitted by REML.

The criterion is profiled over the means and the noise (Bates et al. 2015); what is searched are the
standard deviations relative to the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from savg.metrics.rater_statistics import Floats, Interval
from savg.metrics.two_way import Ratings


@dataclass(frozen=True)
class MixedFit:
    """Means [p] with their covariance [p, p], standard deviations of the random terms in their order,
    of the noise, and the REML criterion (−2 log likelihood)."""

    means: Floats
    covariance: Floats
    sds: tuple[float, ...]
    noise: float
    criterion: float


class RemlProblem:
    """The REML criterion of y = X β + Σ Z_k u_k + noise for relative standard deviations θ."""

    def __init__(self, y: Floats, x: Floats, groups: Sequence[NDArray[np.int64]]) -> None:
        self.y, self.x = y, x
        self.sizes = [int(g.max()) + 1 for g in groups]
        z = np.zeros((len(y), sum(self.sizes)))
        start = 0
        for group, size in zip(groups, self.sizes, strict=True):
            z[np.arange(len(y)), start + group] = 1.0
            start += size
        self.zz, self.zx, self.zy = z.T @ z, z.T @ x, z.T @ y

    def solve(self, theta: Floats) -> tuple[float, Floats, Floats, float]:
        """Criterion, means, their covariance, noise variance."""
        scale = np.repeat(np.abs(theta), self.sizes)
        inner = scale[:, None] * self.zz * scale[None, :]
        inner[np.diag_indices_from(inner)] += 1.0
        factor = np.linalg.cholesky(inner)
        right = np.column_stack([self.zx, self.zy]) * scale[:, None]
        half = solve_triangular(factor, right, lower=True)
        hx, hy = half[:, :-1], half[:, -1]
        xx = self.x.T @ self.x - hx.T @ hx
        means = np.linalg.solve(xx, self.x.T @ self.y - hx.T @ hy)
        rest = self.y @ self.y - hy @ hy - means @ (self.x.T @ self.y - hx.T @ hy)
        freedom = len(self.y) - self.x.shape[1]
        noise = max(float(rest) / freedom, 1e-12)
        criterion = (
            2 * np.log(np.diag(factor)).sum()
            + np.linalg.slogdet(xx)[1]
            + freedom * (1 + np.log(2 * np.pi * noise))
        )
        return float(criterion), means, noise * np.linalg.inv(xx), noise


def fit_reml(y: Floats, x: Floats, groups: Sequence[NDArray[np.int64]]) -> MixedFit:
    """Fit y [N] on fixed effects x [N, p] with a random intercept for each grouping [N] (from 0)."""
    centre = float(y.mean())
    problem = RemlProblem(y - centre, x, groups)
    start = np.full(len(groups), 0.5)
    optimum = minimize(
        lambda theta: problem.solve(theta)[0],
        start,
        method="L-BFGS-B",
        bounds=[(0.0, 50.0)] * len(groups),
        options={"ftol": 1e-13, "gtol": 1e-8},
    )
    criterion, means, covariance, noise = problem.solve(optimum.x)
    shift = np.linalg.lstsq(x, np.full(len(y), centre), rcond=None)[0]
    sds = tuple(float(abs(t)) * noise**0.5 for t in optimum.x)
    return MixedFit(means + shift, covariance, sds, noise**0.5, criterion)


@dataclass(frozen=True)
class MixedReport:
    """Condition means, differences (first minus second, by number) and standard deviations."""

    means: tuple[Interval, ...]
    differences: dict[tuple[int, int], Interval]
    listener_sd: float
    listener_condition_sd: float
    clip_sd: float
    noise_sd: float


def mixed_model(ratings: Ratings) -> MixedReport | None:
    """Fit score = condition + listener + listener in condition + clip + noise, conditions fixed.

    None with too few ratings, or where they do not determine it. t intervals on listeners − 1.
    """
    conditions, listeners = len(ratings.conditions), len(ratings.listeners)
    if listeners < 3 or len(ratings) < 4 * (listeners + conditions):
        return None
    x = np.eye(conditions)[ratings.condition]
    both = np.unique(ratings.listener * conditions + ratings.condition, return_inverse=True)[1]
    groups = [ratings.listener, both.astype(np.int64), ratings.clip]
    if conditions == 1:
        groups = [ratings.listener, ratings.clip]
    try:
        fit = fit_reml(ratings.score, x, groups)
    except np.linalg.LinAlgError:
        return None
    if not all(np.isfinite(v).all() for v in (fit.means, fit.covariance, fit.sds, fit.noise)):
        return None
    freedom = float(listeners - 1)

    def interval(contrast: Floats) -> Interval:
        error = max(float(contrast @ fit.covariance @ contrast), 0.0) ** 0.5
        return Interval.student(float(contrast @ fit.means), error, freedom)

    unit = np.eye(conditions)
    differences = {
        (i, j): interval(unit[i] - unit[j])
        for i in range(conditions)
        for j in range(conditions)
        if i < j
    }
    listener, both_sd, clip = fit.sds if conditions > 1 else (fit.sds[0], 0.0, fit.sds[1])
    means = tuple(interval(u) for u in unit)
    return MixedReport(means, differences, listener, both_sd, clip, fit.noise)
