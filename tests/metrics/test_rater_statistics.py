"""Statistics against closed forms, published examples and independent implementations."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import approx_fprime

from savg.metrics.mixed_model import RemlProblem, fit_reml, mixed_model
from savg.metrics.rater_statistics import (
    difference_sd,
    listeners_for,
    mean_interval,
    ordinal_alpha,
    power,
    rank_correlation,
    repeat_agreement,
)
from savg.metrics.two_way import Ratings, alpha_of, two_way_difference, two_way_mean

NAN = float("nan")


def simulated(
    seed: int, listeners: int = 12, clips: int = 20, sds: tuple[float, ...] = (0.4, 0.3, 0.5, 0.7)
) -> Ratings:
    """Two conditions, every listener rates every clip."""
    rng = np.random.default_rng(seed)
    person, taste = rng.normal(0, sds[0], listeners), rng.normal(0, sds[1], (listeners, 2))
    clip = rng.normal(0, sds[2], (2, clips))
    rows = [
        (3.5 - 0.5 * k + person[i] + taste[i, k] + clip[k, j] + rng.normal(0, sds[3]), i, k, j)
        for i, k, j in product(range(listeners), range(2), range(clips))
    ]
    score, who, what, which = zip(*rows, strict=True)
    names = [f"{'ab'[k]}{j:02d}" for k, j in zip(what, which, strict=True)]
    return Ratings.of(score, [f"p{i:02d}" for i in who], ["ab"[k] for k in what], names)


def test_ratings_keep_names_and_order() -> None:
    ratings = Ratings.of(
        [1, 5, 3], ["x", "y", "x"], ["b", "a", "b"], ["2", "1", "3"], ["b", "c", "a"]
    )
    assert ratings.conditions == ("b", "a") and list(ratings.condition) == [0, 1, 0]
    means = ratings.listener_means()
    assert means[0, 0] == 2.0 and np.isnan(means[0, 1]) and means[1, 1] == 5.0
    with pytest.raises(ValueError, match="for each score"):
        Ratings.of([1.0], ["x", "y"], ["a", "a"], ["1", "2"])


def test_the_t_interval_is_that_of_scipy() -> None:
    values = np.random.default_rng(0).normal(3, 1, 9)
    result = mean_interval([*values, NAN])
    low, high = stats.t.interval(0.95, 8, values.mean(), stats.sem(values))
    assert (result.low, result.high) == (pytest.approx(low), pytest.approx(high))
    assert result.freedom == 8
    assert mean_interval([3.0]).low is None and mean_interval([3.0]).estimate == 3.0
    wide = mean_interval([1.0, 5.0])
    assert wide.low < 1 and wide.high > 5
    assert (wide.within(1, 5).low, wide.within(1, 5).high) == (1, 5)
    assert wide.within(1, 5).estimate == 3 and mean_interval([3.0]).within(1, 5).low is None


def two_way_by_hand(ratings: Ratings, sides: dict[int, float]) -> tuple[float, float]:
    """Estimate and variance in closed form, with loops: the limit of many resamplings. All
    listeners have rated as many clips on each side."""
    n = len(ratings.listeners)
    estimate, of_clips, of_ratings = 0.0, 0.0, 0.0
    by_person = dict.fromkeys(range(n), 0.0)
    rows = {k: [r for r in range(len(ratings)) if ratings.condition[r] == k] for k in sides}
    level = dict.fromkeys(range(n), 0.0)
    if len(sides) == 2:
        both = [r for mine in rows.values() for r in mine]
        general = np.mean([ratings.score[r] for r in both])
        for i in range(n):
            level[i] = float(
                np.mean([ratings.score[r] for r in both if ratings.listener[r] == i]) - general
            )
    for condition, sign in sides.items():
        mine = rows[condition]
        mean = np.mean([ratings.score[r] for r in mine])
        estimate += sign * float(mean)
        by_clip: dict[int, float] = {}
        for r in mine:
            who, clip = int(ratings.listener[r]), int(ratings.clip[r])
            part = sign * (ratings.score[r] - mean) / len(mine)
            by_person[who] += part
            part -= sign * level[who] / len(mine)
            by_clip[clip] = by_clip.get(clip, 0.0) + part
            of_ratings += part**2
        of_clips += sum(v**2 for v in by_clip.values()) * len(by_clip) / (len(by_clip) - 1)
    of_people = sum(v**2 for v in by_person.values()) * n / (n - 1)
    return estimate, max(of_people + of_clips - of_ratings, of_people)


@pytest.mark.parametrize("seed", range(3))
def test_the_two_way_bootstrap_agrees_with_its_closed_form(seed: int) -> None:
    ratings = simulated(seed)
    result = two_way_difference(ratings, 0, 1, seed)
    estimate, variance = two_way_by_hand(ratings, {0: 1.0, 1: -1.0})
    assert result.estimate == pytest.approx(estimate)
    assert result.error == pytest.approx(variance**0.5, rel=0.05)
    assert result.freedom == 11
    alone = two_way_mean(ratings, 0)
    assert alone.error == pytest.approx(two_way_by_hand(ratings, {0: 1.0})[1] ** 0.5, rel=0.05)


def test_two_way_corner_cases() -> None:
    same = Ratings.of([3.0] * 8, list("ppqqppqq"), list("aaaabbbb"), list("12123434"))
    flat = two_way_difference(same, 0, 1)
    assert (flat.estimate, flat.low, flat.high) == (0.0, 0.0, 0.0)
    one = Ratings.of([3.0, 4.0], ["p", "p"], ["a", "b"], ["1", "2"])
    assert two_way_difference(one, 0, 1).low is None
    assert two_way_difference(one, 0, 1).estimate == -1.0


def test_a_swap_of_sides_changes_the_sign() -> None:
    ratings = simulated(4)
    forward, backward = two_way_difference(ratings, 0, 1), two_way_difference(ratings, 1, 0)
    assert forward.estimate == pytest.approx(-backward.estimate)
    assert forward.error == pytest.approx(backward.error, rel=0.05)


KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
).T
"""Four coders, twelve units: the example of Krippendorff (2011), for which he gives 0.815."""


def alpha_by_loops(units: np.ndarray) -> float:
    """Krippendorff's α from pairs of ratings, one at a time."""
    rated = [[v for v in unit if np.isfinite(v)] for unit in units]
    rated = [unit for unit in rated if len(unit) > 1]
    everything = [v for unit in rated for v in unit]

    def distance(a: float, b: float) -> float:
        low, high = min(a, b), max(a, b)
        between = sum(low <= v <= high for v in everything)
        return (between - (everything.count(a) + everything.count(b)) / 2) ** 2

    observed = sum(
        distance(unit[i], unit[j]) / (len(unit) - 1)
        for unit in rated
        for i in range(len(unit))
        for j in range(len(unit))
        if i != j
    )
    n = len(everything)
    expected = sum(2 * distance(a, b) for a, b in combinations(everything, 2)) / (n - 1)
    return 1 - observed / expected


def test_alpha_of_the_published_example() -> None:
    assert ordinal_alpha(KRIPPENDORFF) == pytest.approx(0.815, abs=5e-4)
    assert alpha_by_loops(KRIPPENDORFF) == pytest.approx(0.815, abs=5e-4)


@pytest.mark.parametrize("seed", range(4))
def test_alpha_agrees_with_loops_over_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    units = np.clip(rng.normal(rng.uniform(1, 5, (15, 1)), 0.8, (15, 6)).round(), 1, 5)
    units[rng.random(units.shape) < 0.3] = NAN
    assert ordinal_alpha(units) == pytest.approx(alpha_by_loops(units), abs=1e-12)


def test_alpha_corner_cases() -> None:
    assert ordinal_alpha([[1, 1], [5, 5], [3, 3]]) == pytest.approx(1.0)
    assert ordinal_alpha([[2, 2], [2, 2]]) is None
    assert ordinal_alpha([[1, NAN], [NAN, 2]]) is None
    chance = np.random.default_rng(0).integers(1, 6, (800, 5))
    assert ordinal_alpha(chance) == pytest.approx(0.0, abs=0.03)
    assert alpha_of(Ratings.of([1, 1, 4, 4], list("pqpq"), list("aaaa"), list("1122"))) == 1.0


def test_repeat_agreement() -> None:
    result = repeat_agreement([1, 2, 3, 5], [1, 3, 3, 2])
    assert (result.pairs, result.equal, result.within_one) == (4, 0.5, 0.75)
    assert result.mean_difference == 1.0
    assert result.rating_sd == pytest.approx((10 / 4 / 2) ** 0.5)
    rng = np.random.default_rng(0)
    truth = rng.normal(3, 1, 40_000)
    noisy = repeat_agreement(truth + rng.normal(0, 0.7, 40_000), truth + rng.normal(0, 0.7, 40_000))
    assert noisy.rating_sd == pytest.approx(0.7, abs=0.01)
    assert repeat_agreement([], []).equal is None


def test_power_is_that_of_simulated_t_tests() -> None:
    rng = np.random.default_rng(0)
    for listeners, difference, sd in ((7, 0.6, 0.6), (24, 0.42, 0.66)):
        sample = rng.normal(difference, sd, (20_000, listeners))
        simulated_power = (stats.ttest_1samp(sample, 0.0, axis=1).pvalue < 0.05).mean()
        assert power(difference, sd, listeners) == pytest.approx(simulated_power, abs=0.01)
    assert power(0.0, 1.0, 20) == pytest.approx(0.05, abs=1e-6)
    assert power(0.5, 1.0, 1) == 0.0


def test_the_number_of_listeners_for_a_power() -> None:
    for difference in (0.3, 0.42, 1.0):
        number = listeners_for(difference, 0.66)
        assert number is not None
        assert power(difference, 0.66, number) >= 0.8 > power(difference, 0.66, number - 1)
    assert listeners_for(0.001, 1.0) is None
    assert 20 <= (listeners_for(0.42, 0.66, 0.84) or 0) <= 25


def test_the_sd_of_differences() -> None:
    means = np.array([[1.0, 2.0], [2.0, 5.0], [3.0, 4.0], [NAN, 1.0]])
    assert difference_sd(means) == pytest.approx(np.std([1, 3, 1], ddof=1))
    assert difference_sd(means[:, :1]) is None


def test_correlation_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=60)
    y = (x + rng.normal(size=60)).round(1)
    result = rank_correlation(x, y)
    assert result.spearman == pytest.approx(stats.spearmanr(x, y).statistic)
    assert result.pearson == pytest.approx(stats.pearsonr(x, y).statistic)
    assert result.low is not None and result.high is not None and result.spearman is not None
    assert result.low < result.spearman < result.high and 0.2 < result.high - result.low < 0.6
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]).spearman is None
    assert rank_correlation([1, 2], [1, 2]).spearman is None


def test_reml_on_balanced_data_is_the_analysis_of_variance() -> None:
    ratings = simulated(3, 12, 20)
    y = np.zeros((12, 2, 20))
    index = np.array([int(name[1:]) for name in ratings.clips])
    y[ratings.listener, ratings.condition, index[ratings.clip]] = ratings.score
    grand = y.mean(axis=(0, 1, 2))
    person, condition = y.mean(axis=(1, 2)), y.mean(axis=(0, 2))
    both, clip = y.mean(axis=2), y.mean(axis=0)
    ms_person = 40 * ((person - grand) ** 2).sum() / 11
    ms_both = 20 * ((both - person[:, None] - condition[None] + grand) ** 2).sum() / 11
    ms_clip = 12 * ((clip - condition[:, None]) ** 2).sum() / 38
    rest = y - both[:, :, None] - clip[None] + condition[None, :, None]
    ms_rest = (rest**2).sum() / (11 * 38)
    report = mixed_model(ratings)
    assert report is not None
    assert report.noise_sd**2 == pytest.approx(ms_rest, rel=1e-3)
    assert report.clip_sd**2 == pytest.approx((ms_clip - ms_rest) / 12, rel=1e-3)
    assert report.listener_condition_sd**2 == pytest.approx((ms_both - ms_rest) / 20, rel=1e-3)
    assert report.listener_sd**2 == pytest.approx((ms_person - ms_both) / 40, rel=1e-3)
    result = report.differences[0, 1]
    variance = 2 * (ms_both + 12 / 12 * ms_clip - ms_rest) / (12 * 20)
    assert result.estimate == pytest.approx(condition[0] - condition[1])
    assert result.error == pytest.approx(variance**0.5, rel=1e-3)


def reml_by_density(
    y: np.ndarray, x: np.ndarray, groups: list[np.ndarray], sds: list[float]
) -> float:
    """−2 log restricted likelihood: the density of contrasts that are free of the means."""
    cover = sds[-1] ** 2 * np.eye(len(y))
    for group, sd in zip(groups, sds, strict=False):
        cover += sd**2 * (group[:, None] == group[None, :])
    contrasts = np.linalg.svd(x, full_matrices=True)[0][:, x.shape[1] :]
    free = contrasts.T @ y
    density = stats.multivariate_normal(np.zeros(len(free)), contrasts.T @ cover @ contrasts)
    return float(-2 * density.logpdf(free) + np.linalg.slogdet(x.T @ x)[1])


def test_reml_criterion_is_the_restricted_likelihood_of_unbalanced_data() -> None:
    full = simulated(5, 8, 10)
    keep = np.random.default_rng(0).random(len(full)) < 0.6
    y, x = full.score[keep], np.eye(2)[full.condition[keep]]
    groups = [full.listener[keep], full.clip[keep]]
    fit = fit_reml(y, x, groups)
    assert fit.criterion == pytest.approx(reml_by_density(y, x, groups, [*fit.sds, fit.noise]))
    for change in ([0.05, 0, 0], [-0.05, 0, 0], [0, 0.05, 0], [0, -0.05, 0], [0, 0, 0.05]):
        sds = list(np.array([*fit.sds, fit.noise]) + change)
        assert reml_by_density(y, x, groups, sds) > fit.criterion
    problem = RemlProblem(y - y.mean(), x, groups)
    theta = np.array(fit.sds) / fit.noise
    slope = approx_fprime(theta, lambda t: problem.solve(t)[0], 1e-6)
    np.testing.assert_allclose(slope, 0.0, atol=1e-2)


def test_the_mixed_model_needs_some_data() -> None:
    assert mixed_model(Ratings.of([1.0, 2.0], ["p", "q"], ["a", "a"], ["1", "1"])) is None
    flat = mixed_model(simulated(1, 6, 8, (0.0, 0.0, 0.0, 0.5)))
    assert flat is not None and flat.noise_sd == pytest.approx(0.5, abs=0.1)
    assert max(flat.listener_sd, flat.clip_sd) < 0.25
