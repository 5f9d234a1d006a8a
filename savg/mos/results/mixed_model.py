"""The mixed model of a listening test, a check on the main analysis.

score = mean of its condition + listener + listener in condition + clip + noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from savg.metrics.mixed_model import fit_reml
from savg.metrics.rater_statistics import Floats, Interval
from savg.mos.results.statistics import Ratings


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
    """Fit the model of the module; None with too few ratings, or where they do not
    determine it. t intervals on listeners − 1."""
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
