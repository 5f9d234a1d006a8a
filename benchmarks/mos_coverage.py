"""Coverage of the 95 % intervals that a listening test reports, in simulated studies.

`python -m benchmarks.mos_coverage [--studies N]` writes results/mos_coverage.md. Listeners, their
taste for a condition, clips and single ratings vary with the standard deviations given; scores are
rounded to the scale of 1 to 5. Each study assigns clips as `savg.mos.study.assignment` does. Truth is
exact: for the clips of the study (mean over listeners and noise), or for all clips.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from savg.evaluation.result_files import RESULTS
from savg.metrics import two_way
from savg.metrics.rater_statistics import Floats, Interval, mean_interval
from savg.metrics.two_way import Ratings, two_way_difference, two_way_mean

MEANS = (3.4, 2.9, 4.2)
WORLDS = {
    "usual": (0.4, 0.3, 0.5, 0.7),
    "listeners differ": (0.6, 0.15, 0.4, 0.8),
    "clips differ": (0.3, 0.4, 0.7, 0.6),
}
"""Standard deviations of listeners, of their taste for a condition, of clips, of single ratings."""

TRIALS, CLIPS = 15, 60


def expected_score(mean: ArrayLike, sd: float) -> Floats:
    """Mean of normal variables with these means, rounded to 1..5: 1 + P(> 1.5) + P(> 2.5) + …."""
    edges = np.array([1.5, 2.5, 3.5, 4.5])
    return 1 + norm.sf((edges - np.asarray(mean)[..., None]) / sd).sum(axis=-1)


def study(
    rng: np.random.Generator, listeners: int, sds: tuple[float, ...]
) -> tuple[Ratings, list[float], list[float]]:
    """One study with the true means of its conditions for its own clips and for all clips."""
    person = rng.normal(0, sds[0], listeners)
    scores, clips = [], []
    here, everywhere = [], []
    for k, mean in enumerate(MEANS):
        taste, clip = rng.normal(0, sds[1], listeners), rng.normal(0, sds[2], CLIPS)
        times_chosen = np.zeros(CLIPS)
        for i in range(listeners):
            chosen = np.lexsort((rng.random(CLIPS), times_chosen))[:TRIALS]
            times_chosen[chosen] += 1
            impression = mean + person[i] + taste[i] + clip[chosen] + rng.normal(0, sds[3], TRIALS)
            scores.append(np.clip(np.rint(impression), 1, 5))
            clips.append(chosen + k * CLIPS)
        rest = float(np.linalg.norm([sds[0], sds[1], sds[3]]))
        here.append(float(expected_score(mean + clip, rest).mean()))
        everywhere.append(float(expected_score(mean, float(np.linalg.norm(sds)))))
    listener_index = np.tile(np.repeat(np.arange(listeners), TRIALS), len(MEANS))
    condition_index = np.repeat(np.arange(len(MEANS)), listeners * TRIALS)
    names = tuple(tuple(map(str, range(n))) for n in (listeners, len(MEANS), len(MEANS) * CLIPS))
    ratings = Ratings(
        np.concatenate(scores), listener_index, condition_index, np.concatenate(clips), *names
    )
    return ratings, here, everywhere


def naive(ratings: Ratings, condition: int) -> Interval:
    """The usual 1.96·s/√n over all ratings."""
    score = ratings.score[ratings.condition == condition]
    half = 1.96 * float(score.std(ddof=1)) / len(score) ** 0.5
    mean = float(score.mean())
    return Interval(mean, mean - half, mean + half, None, None)


def percentile(ratings: Ratings, first: int, second: int, rng: np.random.Generator) -> Interval:
    """Percentiles of means with listeners and clips resampled at once."""
    people = len(ratings.listeners)
    weights = rng.multinomial(people, np.full(people, 1 / people), 500)
    draws = np.zeros(500)
    for condition, sign in ((first, 1), (second, -1)):
        of_condition = ratings.condition == condition
        used_clips, index = np.unique(ratings.clip[of_condition], return_inverse=True)
        total, number = np.zeros((2, people, len(used_clips)))
        total[ratings.listener[of_condition], index] = ratings.score[of_condition]
        number[ratings.listener[of_condition], index] = 1
        clips = rng.multinomial(len(used_clips), np.full(len(used_clips), 1 / len(used_clips)), 500)
        draws += sign * ((weights @ total) * clips).sum(1) / ((weights @ number) * clips).sum(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(float(draws.mean()), float(low), float(high), None, None)


def checks(
    ratings: Ratings, here: list[float], everywhere: list[float], seed: int
) -> Iterator[tuple[str, bool]]:
    """Name of each interval, and whether it covers the true value."""

    def covers(interval: Interval, truth: float) -> bool:
        assert interval.low is not None and interval.high is not None
        return interval.low <= truth <= interval.high

    means = ratings.listener_means()
    yield "MOS, t over listeners (these clips)", covers(mean_interval(means[:, 0]), here[0])
    yield "MOS, two-way (all clips)", covers(two_way_mean(ratings, 0, seed), everywhere[0])
    truth = everywhere[0] - everywhere[1]
    yield "difference, two-way (all clips)", covers(two_way_difference(ratings, 0, 1, seed), truth)
    yield "*MOS, 1.96·s/√n (these clips)*", covers(naive(ratings, 0), here[0])
    rng = np.random.default_rng(seed)
    yield "*difference, percentiles of both at once*", covers(percentile(ratings, 0, 1, rng), truth)


def coverage(studies: int, listeners: int, world: str, seed: int = 0) -> dict[str, float]:
    """Share of studies whose interval covers the truth, by kind of interval."""
    rng = np.random.default_rng([seed, listeners, list(WORLDS).index(world)])
    hits: dict[str, int] = {}
    for number in range(studies):
        for name, hit in checks(*study(rng, listeners, WORLDS[world]), number):
            hits[name] = hits.get(name, 0) + hit
    return {name: hit / studies for name, hit in hits.items()}


def main() -> int:
    """Run all and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    args = parser.parse_args()
    two_way.RESAMPLES = 1000
    lines = [
        "# Coverage of the intervals of a listening test",
        "",
        f"`python -m benchmarks.mos_coverage --studies {args.studies}` on {platform.machine()}, numpy "
        f"{np.__version__}: share of simulated",
        f"studies whose 95 % interval covers the truth, in percent (± "
        f"{196 * (0.95 * 0.05 / args.studies) ** 0.5:.1f} by chance). {TRIALS} trials of each of "
        f"{len(MEANS)} conditions a listener,",
        f"{CLIPS} clips a condition, {two_way.RESAMPLES} resamples. In italics: for comparison",
        "only, not reported by the tool.",
        "",
        "| world | listeners | " + " | ".join(n for n in _names()) + " |",
        "|---|---|" + "---|" * len(_names()),
    ]
    for world, sds in WORLDS.items():
        for listeners in (7, 15, 24):
            shares = coverage(args.studies, listeners, world)
            cells = " | ".join(f"{100 * value:.1f}" for value in shares.values())
            lines.append(f"| {world} {sds} | {listeners} | {cells} |")
            print(lines[-1], flush=True)
    (RESULTS / "mos_coverage.md").write_text("\n".join(lines) + "\n")
    return 0


def _names() -> list[str]:
    return list(coverage(1, 7, "usual"))


if __name__ == "__main__":
    raise SystemExit(main())
