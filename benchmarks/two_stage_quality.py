"""Joint and two-stage method side by side: `python -m benchmarks.two_stage_quality`.

The same seeds for all: the joint pipeline; the two-stage one with the persons' boxes withheld from
its flow network, and with the boxes that the detector finds in the frames (same weights, same
frames, same noise); clips of the synthetic evaluation split, which no training reads. Spatial
AV-Align and its chance baselines with 95 % intervals over clips, and the other measures of
`demo_quality`. Observations of clips are cached in a folder, so that an interrupted run
continues. `--speed N` times N clips of both methods in turns. Writes the table as JSON and Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.demo_quality import needs
from benchmarks.synthetic import TRAINED_ON, WORLDS, held_out, progress, trained_on
from savg.clip import Clip
from savg.evaluation.cache import Cache, digest
from savg.evaluation.observe import Detectors
from savg.evaluation.observers import Observers, Source, observe_all
from savg.evaluation.report import markdown_table
from savg.evaluation.result_files import RESULTS, SetResult, provenance, setting, write_result
from savg.evaluation.score import Scorer
from savg.metrics.registry import metric_classes
from savg.pipelines.joint import JointPipeline
from savg.pipelines.two_stage import TwoStagePipeline
from savg.video import Video

LABELS = {
    "joint": "joint",
    "two_stage": "two-stage",
    "two_stage_boxes": "two-stage with boxes",
    "ground_truth": "ground truth",
}
"""Columns of the table, in order."""

OF_SPLIT = 0
"""First clip of the evaluation split that is measured."""


def main() -> None:
    """Measure, print and write."""
    args = build_parser().parse_args()
    methods = {name: LABELS[name] for name in args.methods}
    bench = Bench(args)
    reference = trained_on(args.trained_on)
    metrics = metric_classes(None, needs(reference))
    observers = Observers.for_metrics(metrics.values(), bench.detectors)
    scorers = {name: Scorer(metrics, reference) for name in methods}
    cache = Cache(args.keep)
    for index in progress(range(args.clips), args.clips, "clips of each method"):
        for name, scorer in scorers.items():
            read, key = partial(bench.clip, name, index), bench.key(name, index)
            source = Source(f"{index:04d}", read, key)
            for item in observe_all([source], observers, cache, ahead=False):
                scorer.add(item)
    sets = {name: SetResult.of(methods[name], s.evaluation()) for name, s in scorers.items()}
    facts = setting(
        "two_stage_quality",
        seed=args.seed,
        threads=torch.get_num_threads(),
        clips=args.clips,
        world=args.world,
    )
    result: dict[str, Any] = {
        "setting": facts,
        "sets": {name: value.to_json() for name, value in sets.items()},
    }
    if args.speed:
        result["speed"] = speed(bench, args.speed)
    write_result("two_stage_quality", result, as_markdown(result, sets), args.out)


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--weights", default="demo", help="folder with both pipelines and detectors")
    add("--clips", type=int, default=64, metavar="N", help="of each method")
    add("--methods", nargs="+", choices=LABELS, default=list(LABELS))
    add("--world", choices=WORLDS, default="solo", help="of the ground truth")
    add(
        "--trained-on", type=int, default=TRAINED_ON[1], metavar="N", help="clips compared; 0: none"
    )
    add("--seed", type=int, default=0)
    add("--steps", type=int, help="of the diffusion networks")
    add("--audio-steps", type=int, help="of the second stage")
    add("--speed", type=int, default=0, metavar="N", help="number of clips of both methods to time")
    add("--keep", type=Path, default=Path("runs/two_stage_quality"), metavar="DIR")
    add("--out", type=Path, default=RESULTS)
    return parser


class Bench:
    """Both pipelines and the detectors."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.detectors = Detectors.load(args.weights, candidates=True)
        self.joint = JointPipeline.from_pretrained(args.weights)
        self.two_stage = TwoStagePipeline.from_pretrained(args.weights)
        self.frames: tuple[int, NDArray[np.uint8]] | None = None

    def clip(self, name: str, index: int) -> Clip:
        """Clip `index` of a method."""
        seed, steps = self.args.seed, self.args.steps
        if name == "ground_truth":
            return held_out(self.args.world, OF_SPLIT + index).clip
        if name == "joint":
            return self.joint(1, seed=seed, first=index, steps=steps)[0]
        if self.frames is None or self.frames[0] != index:
            self.frames = index, self.two_stage.video(1, seed, first=index, steps=steps)[0]
        frames = self.frames[1]
        video = Video(frames, Fraction(self.two_stage.format.fps))
        boxes, audio_steps = name == "two_stage_boxes", self.args.audio_steps
        audio = self.two_stage.audio.for_videos(
            [video], seed, first=index, steps=audio_steps, boxes=boxes
        )[0]
        return Clip(frames, audio, self.two_stage.format)

    def key(self, name: str, index: int) -> str:
        """The key of a method's clip in the cache: another one for other weights or settings."""
        args = self.args
        facts: list[Any] = [name, index]
        if name == "ground_truth":
            facts += [args.world, OF_SPLIT]
        elif name == "joint":
            facts += [args.seed, args.steps, *origin(self.joint)]
        else:
            stages = self.two_stage.video, self.two_stage.audio
            facts += [args.seed, args.steps, args.audio_steps]
            facts += [fact for stage in stages for fact in origin(stage)]
        return digest(facts)


def origin(pipeline: Any) -> list[Any]:
    """Weights and settings of a pipeline, of which its clips' keys in a cache are made."""
    return [{k: card.sha256 for k, card in pipeline.cards.items()}, dict(pipeline.description)]


def speed(bench: Bench, count: int) -> dict[str, float]:
    """Median seconds a clip of each method, one after the other clip by clip."""
    ways: dict[str, Callable[[int], Any]] = {
        "joint": lambda i: bench.joint(1, seed=bench.args.seed, first=i, steps=bench.args.steps),
        "pictures": lambda i: bench.two_stage.video(
            1, bench.args.seed, first=i, steps=bench.args.steps
        ),
        "sound": lambda i: bench.clip("two_stage", i),
        "sound with boxes": lambda i: bench.clip("two_stage_boxes", i),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for index in progress(range(count), count, "timing"):
        for name, generate in ways.items():
            if name == "sound" and (bench.frames is None or bench.frames[0] != index):
                bench.frames = index, bench.two_stage.video(1, bench.args.seed, first=index)[0]
            start = time.perf_counter()
            generate(index)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    total = medians["pictures"] + medians["sound with boxes"]
    return {**medians, "two-stage of joint": total / medians["joint"]}


def as_markdown(result: Mapping[str, Any], sets: Mapping[str, SetResult]) -> str:
    """The measures as a table, a column for each method."""
    facts = result["setting"]
    parts = [
        "# Joint and two-stage",
        provenance(facts),
        markdown_table(
            {value.label: value.metrics for value in sets.values()},
            first=[["clips", *(str(value.clips) for value in sets.values())]],
        ),
        "Two-stage with and without boxes is one flow network, trained with the persons' boxes given "
        "and withheld at random: without, the boxes are withheld; with, it is given those that the "
        "detector finds in the frames. Frames and noise are the same. Ground truth: "
        f"{facts['clips']} clips of the {facts['world']} world's evaluation split. Intervals (95 %) "
        "are bootstraps over clips.",
    ]
    if "speed" in result:
        s = result["speed"]
        parts.append(
            f"Median seconds a clip, one clip at a time, in turns: joint {s['joint']:.1f}; two-stage "
            f"{s['pictures']:.1f} for the frames and {s['sound']:.1f} for the audio "
            f"({s['sound with boxes']:.1f} with boxes): {s['two-stage of joint']:.2f} of the joint's "
            f"time. {facts['threads']} thread(s) on a machine with other work."
        )
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
