"""Coverage of the intervals of Fréchet and kernel distances, in simulated sets of clips.

`python -m benchmarks.distance_intervals [--studies N]` writes results/distance_intervals.md: how often
95 % intervals contain the expected value for as many clips, those that metrics report (clips left out,
`savg.metrics.jackknife`) and those of the bootstrap; how far the values are from the true distance, and
the extrapolated ones; processor seconds of one result.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.unet_speed import hardware
from savg.evaluation.result_files import RESULTS
from savg.metrics.feature_sets import FeatureSet
from savg.metrics.frechet import FrechetPair
from savg.metrics.frechet_infinite import frechet_infinite
from savg.metrics.kernel_distances import KernelPair, polynomial_kernel

RESAMPLES = 60
"""Resamples of the bootstrap that is compared with."""

Floats = NDArray[np.float64]
Pair = FrechetPair | KernelPair


@dataclass(frozen=True)
class World:
    """Two distributions of clips and how many are drawn of each."""

    label: str
    clips: int
    dimensions: int
    windows: int = 1

    @property
    def scales(self) -> tuple[Floats, Floats]:
        """Standard deviations of both distributions along the axes."""
        scale = np.linspace(1.5, 0.2, self.dimensions)
        return scale, 0.5 * (scale + scale[::-1])

    @property
    def distance(self) -> float:
        """Fréchet distance of the distributions."""
        a, b = self.scales
        return float(np.square(a - b).sum() + 0.01 * self.dimensions)

    def draw(self, rng: np.random.Generator) -> tuple[FeatureSet, FeatureSet]:
        """A set of each; windows of a clip have half of their variance in common."""
        shape = (self.clips, self.windows, self.dimensions)
        sets = []
        for scale, shift in zip(self.scales, (0.0, 0.1), strict=True):
            own = rng.normal(size=shape)
            if self.windows > 1:
                own = (own + rng.normal(size=(self.clips, 1, self.dimensions))) / 2**0.5
            sets.append(FeatureSet.of_clips(list(own * scale + shift)))
        return sets[0], sets[1]


WORLDS = (
    World("many clips, few dimensions", 96, 8),
    World("several windows a clip", 48, 16, windows=4),
    World("fewer clips than dimensions", 96, 200),
    World("few clips", 24, 60),
)


def kernel_pair(x: FeatureSet, y: FeatureSet) -> KernelPair:
    return KernelPair.of(x, y, polynomial_kernel)


DISTANCES: dict[str, Callable[[FeatureSet, FeatureSet], Pair]] = {
    "Fréchet": FrechetPair,
    "kernel": kernel_pair,
}


def resampled(
    make: Callable[[FeatureSet, FeatureSet], Pair],
    x: FeatureSet,
    y: FeatureSet,
    rng: np.random.Generator,
) -> Floats:
    """Values of sets whose clips are drawn with repetition."""
    return np.array(
        [make(*(s.take(rng.integers(0, len(s), len(s))) for s in (x, y))).value
         for _ in range(RESAMPLES)]
    )  # fmt: skip


def coverage(
    world: World, make: Callable[[FeatureSet, FeatureSet], Pair], studies: int
) -> dict[str, float]:
    """Share of intervals, by their kind, that contain the expected value for as many clips."""
    rng = np.random.default_rng(0)
    expected = np.mean([make(*world.draw(rng)).value for _ in range(10 * studies)])
    hits = {"left out": 0, "percentile": 0, "basic": 0}
    for _ in range(studies):
        x, y = world.draw(rng)
        pair = make(x, y)
        bounds = pair.jackknife()
        low, high = np.quantile(resampled(make, x, y, rng), [0.025, 0.975])
        hits["left out"] += bool(bounds.low <= expected <= bounds.high)
        hits["percentile"] += bool(low <= expected <= high)
        hits["basic"] += bool(2 * pair.value - high <= expected <= 2 * pair.value - low)
    return {name: 100 * count / studies for name, count in hits.items()}


def corrections(world: World, studies: int) -> dict[str, float]:
    """Mean Fréchet distance as it is, without its estimated bias, and extrapolated."""
    rng = np.random.default_rng(1)
    rows = []
    for _ in range(max(studies // 10, 5)):
        x, y = world.draw(rng)
        pair, line = FrechetPair(x, y), frechet_infinite(x, y, both=True)
        assert line is not None
        rows.append((pair.value, pair.value - pair.jackknife().bias, line.value))
    return dict(zip(("value", "unbiased", "infinite"), np.mean(rows, axis=0), strict=True))


def main() -> int:
    """Run all and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=200)
    studies = parser.parse_args().studies
    lines = [
        "# Intervals of distances between sets of clips",
        "",
        f"`python -m benchmarks.distance_intervals --studies {studies}` on {hardware()}. Share of "
        f"simulated comparisons (± {196 * (0.95 * 0.05 / studies) ** 0.5:.1f} by chance at 95) whose",
        "95 % interval contains the expected value for as many clips, in percent. Metrics report the "
        f"first; the bootstrap's ({RESAMPLES} resamples of",
        "clips with repetition) are for comparison.",
        "",
        "| sets | clips | dimensions | distance | clips left out | *percentiles* | *basic* | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for world in WORLDS:
        for name, make in DISTANCES.items():
            shares = coverage(world, make, studies)
            start = time.process_time()
            make(*world.draw(np.random.default_rng(0))).jackknife()
            seconds = time.process_time() - start
            cells = " | ".join(f"{share:.1f}" for share in shares.values())
            lines.append(
                f"| {world.label} | {world.clips} | {world.dimensions} | {name} | {cells} | "
                f"{seconds:.2f} |"
            )
            print(lines[-1], flush=True)
    lines += [
        "",
        "Mean Fréchet distance of such sets against that of their distributions: as it is, less the "
        "bias that leaving out estimates, and extrapolated over 1/n (both sets).",
        "",
        "| sets | true | value | less its bias | extrapolated |",
        "|---|---|---|---|---|",
    ]
    for world in WORLDS:
        cells = " | ".join(f"{value:.2f}" for value in corrections(world, studies).values())
        lines.append(f"| {world.label} | {world.distance:.2f} | {cells} |")
        print(lines[-1], flush=True)
    (RESULTS / "distance_intervals.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
