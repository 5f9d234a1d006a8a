"""The small depth network on held-out furnished scenes: `python -m benchmarks.depth_quality`.

Two frames of each of the first scenes of the test split, with people and rooms that nothing is trained
on. Relative error |d̂ − d| / d and the share of pixels that are off by less than a quarter (δ < 1.25);
what is free of scale and offset: the correlation with the true depth over a frame's pixels, and how far
the grid of means that StereoSync takes (of depths from 0 to 1) is off. Intervals are over scenes.

Chance baselines: one depth everywhere and the mean map, both of training frames (of the logarithm), and
the network's own map of another scene. Writes depth_quality.json and .md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import progress
from savg.evaluation.result_files import RESULTS, provenance, setting, write_result
from savg.features.depth import SceneDepth
from savg.metrics.statistics import mean_interval
from savg.pipelines.depth_condition import GridEmbedding, normalised
from savg.train.depth import CONFIGS
from savg.train.sources import Synthetic

Maps = NDArray[np.float32]
Rows = dict[str, dict[str, Any]]

CELLS = 16
"""Of the grid that StereoSync's small network takes."""

TITLES = {
    "relative_error": "relative error",
    "within_a_quarter": "off by less than a quarter",
    "correlation": "correlation",
    "grid_error": "grid off by",
}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="demo", help="of the depth network")
    parser.add_argument("--scenes", type=int, default=64, metavar="N")
    parser.add_argument("--world", default="furnished", help="a furnished one")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    network = SceneDepth.load(args.weights, "cpu")
    true, images = drawn(network, args.world, args.scenes, "test")
    before, _ = drawn(network, args.world, args.scenes, "train")
    rows = measured(true, network(images), before)
    facts = setting("depth_quality", scenes=args.scenes, world=args.world)
    result = {"setting": facts, "weights": network.sha256, "rows": rows}
    write_result("depth_quality", result, as_markdown(facts, rows), args.out)


def drawn(
    network: SceneDepth, world: str, count: int, split: str
) -> tuple[Maps, NDArray[np.uint8]]:
    """True depths in metres [scenes, frames, h / 2, w / 2] and images [scenes · frames, h, w, 3] of the
    first scenes of a split."""
    recipe = replace(CONFIGS["demo"], model=network.network.config)
    scenes = Synthetic((world,), (count,), split, held_out=split == "test")
    total = recipe.frames * count
    both = list(progress(recipe.rows(scenes), total, f"{split} scenes"))
    depths = np.stack([row["depths"] for row in both]).astype(np.float32)
    images = np.stack([row["images"] for row in both])
    return depths.reshape(count, recipe.frames, *depths.shape[1:]), images


def measured(true: Maps, found: Maps, before: Maps) -> Rows:
    """Measures with intervals of the network's maps and of the chance baselines.

    true: [S, F, h, w]; found: [S · F, h, w]; before: as `true`, of training scenes.
    """
    found = found.reshape(true.shape)
    logs = np.log(before)
    constant = np.full(true.shape, np.exp(np.median(logs)), np.float32)
    mean = np.broadcast_to(np.exp(logs.mean(axis=(0, 1))), true.shape)
    maps = {
        "network": found,
        "one depth everywhere": constant,
        "mean map": mean,
        "network, another scene": np.roll(found, 1, axis=0),
    }
    return {name: _row(true, one) for name, one in maps.items()}


def _row(true: Maps, found: Maps) -> dict[str, Any]:
    def both(measure: Callable[[Maps, Maps], float]) -> dict[str, Any]:
        scenes = [
            float(np.mean([measure(t, f) for t, f in zip(a, b, strict=True)]))
            for a, b in zip(true, found, strict=True)
        ]
        low, high = mean_interval(scenes)
        return {"value": float(np.mean(scenes)), "low": low, "high": high}

    row = {"relative_error": both(relative_error), "within_a_quarter": both(within_a_quarter)}
    if all(np.ptp(one) > 0 for one in found.reshape(-1, *true.shape[2:])):
        row["correlation"] = both(correlation)
    return row | {"grid_error": both(grid_error)}


def relative_error(true: Maps, found: Maps) -> float:
    """The mean of |d̂ − d| / d of a map."""
    return float((np.abs(found - true) / true).mean())


def within_a_quarter(true: Maps, found: Maps) -> float:
    """The share of pixels with max(d̂ / d, d / d̂) < 1.25."""
    return float((np.maximum(found / true, true / found) < 1.25).mean())


def correlation(true: Maps, found: Maps) -> float:
    """Pearson's, over the pixels of a map."""
    return float(np.corrcoef(true.ravel(), found.ravel())[0, 1])


def grid_error(true: Maps, found: Maps) -> float:
    """The mean difference of the cells of both maps' grids, of depths from 0 to 1."""
    grid = GridEmbedding(CELLS)
    return float(np.abs(grid(normalised(true[None])) - grid(normalised(found[None]))).mean())


def as_markdown(facts: dict[str, Any], rows: Rows) -> str:
    """A row for the network and for each chance baseline."""
    lines = [
        "# The depth network on held-out furnished scenes",
        "",
        provenance(facts),
        "",
        f"{facts['scenes']} scenes, two frames each; 95 % intervals over scenes. Correlation and grid "
        "are free of scale and offset, as StereoSync takes depth.",
        "",
        f"| maps | {' | '.join(TITLES.values())} |",
        "|---" * (len(TITLES) + 1) + "|",
    ]
    lines += [
        f"| {name} | {' | '.join(_cell(row.get(measure)) for measure in TITLES)} |"
        for name, row in rows.items()
    ]
    return "\n".join(lines) + "\n"


def _cell(result: dict[str, Any] | None) -> str:
    if result is None:
        return "–"
    if result["low"] is None:
        return f"{result['value']:.3f}"
    return f"{result['value']:.3f} ({result['low']:.3f}…{result['high']:.3f})"


if __name__ == "__main__":
    main()
