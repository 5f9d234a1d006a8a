"""Speed of an evaluation: `python -m benchmarks.evaluation_speed`.

The same metrics of the same clips (held-out synthetic scenes as files) in one run, in four ways:

- together: as `evaluate` computes them, without a cache;
- clip by clip: the plain networks in float32, one clip after another, each observation shared by all
  metrics that use it;
- metric by metric: the same, and each metric by itself, which reads its clips and runs its networks
  anew, as scripts of one metric each do (on `--alone` clips);
- cached: together once more, from the cache of the first.

The first three take turns, a share of the clips each, so that a noisy machine slows all alike. Networks
whose weights are not here (I3D, AudioCLIP, VGGish) have random ones of full size, which take the same
time. Writes seconds a clip, where they go, and the ratios as JSON and Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.evaluation import write_reference
from benchmarks.unet_speed import hardware
from savg.clip import Clip
from savg.evaluation.cache import Cache, content_key
from savg.evaluation.observe import Detectors, Failure
from savg.evaluation.observers import Observers, Source, observe_all, reference_of
from savg.evaluation.result_files import RESULTS, provenance, setting, write_result
from savg.features.networks import load_network
from savg.features.registry import backbone_class
from savg.hub import Card, model_format, save_component
from savg.metrics.base import Item, Metric, Need
from savg.metrics.registry import METRICS, metric_class

RANDOM = ("i3d", "audioclip", "vggish")
"""Kinds of networks that get random weights of full size."""

TOGETHER, CLIPWISE, ALONE, CACHED = "together", "clip by clip", "metric by metric", "cached"

Metrics = Mapping[str, type[Metric]]
Seconds = NDArray[np.float64]
"""Seconds on the wall and of this process's processor time [2]."""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=96, metavar="N")
    parser.add_argument(
        "--alone",
        type=int,
        default=24,
        metavar="N",
        help="clips that are also done metric by metric",
    )
    parser.add_argument("--turns", type=int, default=4, metavar="K", help="shares of the clips")
    parser.add_argument("--work", type=Path, default=Path("runs/evaluation"), metavar="DIR")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    files = sorted(write_reference(args.work / "reference", args.clips).glob("*.mp4"))[: args.clips]
    with tempfile.TemporaryDirectory() as folder:
        write_networks(Path(folder) / "networks")
        result = measure(files, args.alone, args.turns, Path(folder))
    facts = setting("evaluation_speed") | {"hardware": hardware()}
    write_result(
        "evaluation_speed", {"setting": facts, **result}, as_markdown(facts, result), args.out
    )


def write_networks(folder: Path) -> None:
    """Networks with random weights of full size."""
    for kind in RANDOM:
        spec = model_format(kind)
        network = spec.build(spec.from_published(None))
        save_component(network, folder / kind, kind, Card("none", "random weights"))


@dataclass
class Way:
    """A way to observe clips: seconds of all its clips, their number, and its items."""

    observe: Callable[[Sequence[Source]], list[Item]]
    seconds: Seconds = field(default_factory=lambda: np.zeros(2))
    clips: int = 0
    items: list[Item] = field(default_factory=list)

    def run(self, sources: Sequence[Source]) -> None:
        """Observe further clips."""
        start = _now()
        self.items += self.observe(sources)
        self.seconds += _now() - start
        self.clips += len(sources)


def measure(files: Sequence[Path], alone: int, turns: int, folder: Path) -> dict[str, Any]:
    """Seconds a clip of each way and of its parts, of the scores, and the names of the metrics."""
    networks = str(folder / "networks")
    metrics = measurable(networks)
    fast = partial(Observers.for_metrics, metrics.values(), Detectors.load, networks)
    together, plain = fast(), fast()
    cache = Cache(folder / "cache")
    sources = [Source(f.stem, partial(Clip.read, f), content_key(f, {})) for f in files]
    make_plain(plain, networks)
    single = {
        name: replace(
            Observers.for_metrics([metric], Detectors.load, networks), loaded=plain.loaded
        )
        for name, metric in metrics.items()
    }
    for observers, group in ((plain, 1), (together, 8)):  # warm up
        observed(observers, sources[:1], None, group)

    def one_by_one(part: Sequence[Source]) -> list[Item]:
        return [item for own in single.values() for item in observed(own, part, None, 1)]

    parts = {TOGETHER: timed(together), CLIPWISE: timed(plain)}
    ways = {
        TOGETHER: Way(lambda part: observed(together, part, cache, 8)),
        CLIPWISE: Way(lambda part: observed(plain, part, None, 1)),
        ALONE: Way(one_by_one),
    }
    for turn in range(turns):
        share = sources[turn::turns]
        ways[TOGETHER].run(share)
        ways[CLIPWISE].run(share)
        ways[ALONE].run(sources[:alone][turn::turns])
    start = _now()
    score(metrics, ways[TOGETHER].items)
    scoring = _now() - start
    start = _now()
    score(metrics, observed(fast(), sources, cache, 8))
    cached = _now() - start
    agreement = largest_difference(ways[TOGETHER].items, ways[CLIPWISE].items)
    each = {name: way.seconds / way.clips for name, way in ways.items()}
    return {
        "clips": {name: way.clips for name, way in ways.items()},
        "metrics": list(metrics),
        "threads": torch.get_num_threads(),
        "seconds_a_clip": {name: value.tolist() for name, value in each.items()},
        "parts": {
            name: {part: seconds / len(files) for part, seconds in own.items()}
            for name, own in parts.items()
        },
        "scoring": scoring.tolist(),
        "cached": cached.tolist(),
        "ratio": {
            name: {
                "wall": float(each[TOGETHER][0] / each[name][0]),
                "processor": float(each[TOGETHER][1] / each[name][1]),
            }
            for name in (CLIPWISE, ALONE)
        },
        "largest_difference": agreement,
    }


def make_plain(observers: Observers, networks: str) -> None:
    """Load observers with the plain networks in float32."""
    with patch("savg.device.bfloat16_gain", lambda: 1.0):
        _ = observers.parts
    for kind in RANDOM:
        network, _ = load_network(kind, networks, "cpu")
        observers.loaded[f"backbone {kind}"].network = network.eval()


def timed(observers: Observers) -> dict[str, float]:
    """Processor seconds of each of the observers' parts, which grow while they work."""
    seconds: dict[str, float] = defaultdict(float)

    def watched(name: str, compute: Callable[[Sequence[Clip]], list[Any]]) -> Any:
        def run(clips: Sequence[Clip]) -> list[Any]:
            start = time.process_time()
            values = compute(clips)
            seconds[name] += time.process_time() - start
            return values

        return run

    for part in observers.parts:
        cast(Any, part).compute = watched(part.name, part.compute)
    return seconds


def largest_difference(items: Sequence[Item], others: Sequence[Item]) -> dict[str, float]:
    """By feature, the largest difference of two ways over the standard deviation of its values."""
    by_name = {item.name: item.observation for item in others}
    found: dict[str, float] = {}
    for name in RANDOM:
        a = np.stack([item.observation.features[name] for item in items])
        b = np.stack([by_name[item.name].features[name] for item in items])
        found[name] = float(np.abs(a - b).max() / b.std())
    return found


def _now() -> Seconds:
    return np.array([time.perf_counter(), time.process_time()])


def measurable(networks: str) -> dict[str, type[Metric]]:
    """Metrics whose networks are here, bundled or random, and that need no truth."""
    classes = {name: metric_class(name) for name in METRICS}
    return {
        name: metric
        for name, metric in classes.items()
        if Need.TRUTH not in metric.needs
        and not any(backbone_class(b).missing(networks) for b in metric.backbones)
    }


def observed(
    observers: Observers, sources: Sequence[Source], cache: Cache | None, group: int
) -> list[Item]:
    """The items of all sources; they must be readable."""
    items = []
    for item in observe_all(sources, observers, cache, group=group, ahead=group > 1):
        assert not isinstance(item, Failure), item.reason
        items.append(item)
    return items


def score(metrics: Metrics, items: Sequence[Item]) -> None:
    """Compute all metrics, the items being their own reference."""
    reference = reference_of(items)
    for metric in metrics.values():
        made = metric(reference)
        for item in items:
            made.update(item)
        made.compute()


def as_markdown(facts: dict[str, Any], result: dict[str, Any]) -> str:
    """Seconds, where they go, and the ratios."""
    clips, ratio = result["clips"], result["ratio"]
    rows = [
        f"| {name} | {clips[name]} | {wall:.2f} | {processor:.2f} |"
        for name, (wall, processor) in result["seconds_a_clip"].items()
    ]
    head = [
        "| way | clips | seconds a clip | processor seconds a clip |",
        "| --- | --- | --- | --- |",
    ]
    fast, plain = (result["parts"][name] for name in (TOGETHER, CLIPWISE))
    inside = [
        f"| {n} | {fast[n]:.3f} | {plain[n]:.3f} |" for n in sorted(plain, key=plain.get)[::-1]
    ]
    inner = [f"| part | {TOGETHER} | {CLIPWISE} |", "| --- | --- | --- |", *inside]
    apart = ", ".join(f"{n} {v:.1e}" for n, v in result["largest_difference"].items())
    return "\n".join(
        [
            f"# Speed of an evaluation\n\n{provenance(facts)}\n",
            f"{facts['hardware']}. Where the machine does other work too, processor seconds are the "
            "fair ones.\n",
            f"{len(result['metrics'])} metrics on {result['threads']} thread(s) without a cache: "
            f"{', '.join(result['metrics'])}.\n",
            *head,
            *rows,
            "",
            f"`{TOGETHER}` is what `evaluate` does. It takes **{ratio[ALONE]['processor']:.2f}** of "
            "the processor time of the same metrics in float32 clip by clip, each by itself as "
            f"scripts of one metric each compute them ({ratio[ALONE]['wall']:.2f} on the clock), and "
            f"**{ratio[CLIPWISE]['processor']:.2f}** of the plain networks clip by clip whose results "
            f"all metrics share ({ratio[CLIPWISE]['wall']:.2f} on the clock). All scores and "
            f"intervals of the {clips[TOGETHER]} clips take {result['scoring'][1]:.0f} s more in every "
            f"way; from the cache everything, scores included, took {result['cached'][1]:.0f} s.\n",
            "Processor seconds a clip of each part:\n",
            *inner,
            "",
            f"Largest difference of features between both, over their standard deviation: {apart}.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
