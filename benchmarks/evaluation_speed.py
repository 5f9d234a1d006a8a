"""Speed of an evaluation: `python -m benchmarks.evaluation_speed`.

The same metrics of the same clips (held-out synthetic scenes as files) three times in one run: as
`evaluate` computes them without a cache, clip by clip in float32, and once more with the cache of the
first. The first two take turns, a share of the clips each, so that a noisy machine slows both alike.
Networks whose weights are not here (I3D, AudioCLIP, VGGish) have random ones of full size, which take
the same time. Writes the ratios as JSON and Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.evaluation import write_reference
from savg.clip import Clip
from savg.evaluation.cache import Cache, content_key
from savg.evaluation.observe import Detectors, Failure
from savg.evaluation.observers import Observers, Source, observe_all, reference_of
from savg.evaluation.result_files import RESULTS, provenance, setting, write_result
from savg.features.registry import backbone_class
from savg.hub import Card, model_format, save_component
from savg.metrics.base import Item, Metric, Need
from savg.metrics.registry import METRICS, metric_class

RANDOM = ("i3d", "audioclip", "vggish")
"""Kinds of networks that get random weights of full size."""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=96, metavar="N")
    parser.add_argument("--turns", type=int, default=4, metavar="K", help="shares of the clips")
    parser.add_argument("--work", type=Path, default=Path("runs/evaluation"), metavar="DIR")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    files = sorted(write_reference(args.work / "reference", args.clips).glob("*.mp4"))[: args.clips]
    with tempfile.TemporaryDirectory() as folder:
        result = measure(files, args.turns, Path(folder))
    facts = setting("evaluation_speed")
    write_result(
        "evaluation_speed", {"setting": facts, **result}, as_markdown(facts, result), args.out
    )


def measure(files: Sequence[Path], turns: int, folder: Path) -> dict[str, Any]:
    """Seconds of each way, of the scores, and the names of the metrics."""
    for kind in RANDOM:
        spec = model_format(kind)
        network = spec.build(spec.from_published(None))
        save_component(network, folder / "networks" / kind, kind, Card("none", "random weights"))
    metrics = measurable(str(folder / "networks"))
    fast = partial(
        Observers.for_metrics, metrics.values(), Detectors.load, str(folder / "networks")
    )
    batched, plain = fast(), fast()
    cache = Cache(folder / "cache")
    sources = [Source(f.stem, partial(Clip.read, f), content_key(f, {})) for f in files]
    with patch("savg.device._bfloat16_unit", lambda: None):
        observed(plain, sources[:1], None, 1)  # loads, and warms up
    observed(batched, sources[:8], None, 8)
    ways: dict[str, Callable[[Sequence[Source]], list[Item]]] = {
        "batched": lambda part: observed(batched, part, cache, 8),
        "clip by clip": lambda part: observed(plain, part, None, 1),
    }
    seconds, items = {name: np.zeros(2) for name in ways}, dict[str, list[Item]]()
    for turn in range(turns):
        part = sources[turn::turns]
        for name, way in ways.items():
            start = _now()
            items.setdefault(name, []).extend(way(part))
            seconds[name] += _now() - start
    start = _now()
    score(metrics, items["batched"])
    scoring = _now() - start
    start = _now()
    score(metrics, observed(fast(), sources, cache, 8))
    seconds = {name: value + scoring for name, value in seconds.items()}
    seconds["cached"] = _now() - start
    wall, processor = seconds["batched"] / seconds["clip by clip"]
    return {
        "clips": len(files),
        "metrics": list(metrics),
        "threads": torch.get_num_threads(),
        "seconds": {name: value.tolist() for name, value in seconds.items()},
        "scoring": scoring.tolist(),
        "ratio": {"wall": float(wall), "processor": float(processor)},
    }


def _now() -> NDArray[np.float64]:
    """Seconds on the wall and of this process's processor time."""
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


def score(metrics: dict[str, type[Metric]], items: Sequence[Item]) -> None:
    """Compute all metrics, the items being their own reference."""
    reference = reference_of(items)
    for metric in metrics.values():
        made = metric(reference)
        for item in items:
            made.update(item)
        made.compute()


def as_markdown(facts: dict[str, Any], result: dict[str, Any]) -> str:
    """The seconds and their ratio."""
    seconds = result["seconds"]
    rows = [f"| {name} | {w:.0f} | {p:.0f} |" for name, (w, p) in seconds.items()]
    table = "\n".join(["| | seconds | processor seconds |", "| --- | --- | --- |", *rows])
    ratio, scoring = result["ratio"], result["scoring"][0]
    return (
        f"# Speed of an evaluation\n\n{provenance(facts)}\n\n{result['clips']} clips, "
        f"{result['threads']} threads, {len(result['metrics'])} metrics: "
        f"{', '.join(result['metrics'])}.\n\n{table}\n\n"
        f"Without a cache an evaluation takes {ratio['wall']:.2f} of the time of the same metrics clip "
        f"by clip in float32 (processor time: {ratio['processor']:.2f}); scores and intervals, "
        f"{scoring:.0f} s, are in all.\n"
    )


if __name__ == "__main__":
    main()
