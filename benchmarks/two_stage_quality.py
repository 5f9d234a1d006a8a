"""Joint and two-stage method side by side: `python -m benchmarks.two_stage_quality`.

The same clips' seeds for all: the joint pipeline; the two-stage one with the persons' boxes withheld
from its flow network, and with the boxes that the detector finds in the pictures (same weights, same
pictures, same noise); clips of the synthetic evaluation split, which no training reads. Spatial
AV-Align and its three nulls with 95 % intervals over clips, and the other measures of
`demo_quality`. What is measured of a clip is kept in a folder, so that an interrupted run goes on
where it was. `--speed N` times N clips of both methods in turns. Writes the table as JSON and Markdown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.demo_quality import (
    ROWS,
    TRAINED_ON,
    WORLDS,
    Detectors,
    Known,
    Measured,
    agreement,
    progress,
    setting,
    sure,
)
from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.data.scenes import World, draw_scene, render, split_seed
from savg.format import SAVGBENCH
from savg.metrics.spatial import spatial_av_align
from savg.paths import whole_file
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

NULLS = ("centre", "swapped", "shuffled")
NULL_ROWS = {
    "null: sounds at the centre": "centre",
    "null: left and right swapped": "swapped",
    "null: sounds of other clips": "shuffled",
}
SKIPPED = ("sound F-score, speech", "sound F-score, instrument", "person AP50")
RESAMPLES = 2000
OF_SPLIT = 0
"""First clip of the evaluation split that is measured."""


def main() -> None:
    """Measure, print and write."""
    args = build_parser().parse_args()
    methods = {name: LABELS[name] for name in args.methods}
    bench = Bench(args)
    found: dict[str, list[Record]] = {name: [] for name in methods}
    for index in progress(range(args.clips), args.clips, "clips of each method"):
        for name in methods:
            found[name].append(bench.record(name, index))
    result: dict[str, Any] = {"setting": described(args), "methods": {}}
    for name, label in methods.items():
        result["methods"][name] = {"label": label, **measures(found[name])}
    if args.speed:
        result["speed"] = speed(bench, args.speed)
    text = as_markdown(result)
    print(text)
    for name, content in (("json", json.dumps(result, indent=1) + "\n"), ("md", text)):
        with whole_file(args.out / f"two_stage_quality.{name}") as part:
            part.write_text(content, encoding="utf-8")


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--weights", default="demo", help="folder with both pipelines and detectors")
    add("--clips", type=int, default=64, metavar="N", help="of each method")
    add("--methods", nargs="+", choices=LABELS, default=list(LABELS))
    add("--world", choices=["solo", *sorted(WORLDS)], default="solo", help="of the ground truth")
    add(
        "--trained-on", type=int, default=TRAINED_ON[1], metavar="N", help="clips compared; 0: none"
    )
    add("--seed", type=int, default=0)
    add("--steps", type=int, help="of the diffusion networks")
    add("--sound-steps", type=int, help="of the second stage")
    add("--speed", type=int, default=0, metavar="N", help="time so many clips of both methods")
    add("--keep", type=Path, default=Path("runs/two_stage_quality"), metavar="DIR")
    add("--out", type=Path, default=Path("benchmarks/results"))
    return parser


@dataclass(frozen=True, eq=False)
class Record:
    """What is kept of a clip; the first four as `demo_quality.agreement` wants them."""

    pan: float
    motion: float
    frames: int
    nearest: float | None
    events: SoundEvents
    boxes: Boxes

    @classmethod
    def of(cls, clip: Clip, detectors: Detectors, known: Known | None) -> Record:
        """Of one clip, with the boxes that the metric uses."""
        heard, seen = detectors(clip)
        kept = Measured(clip, known)
        return cls(kept.pan, kept.motion, kept.frames, kept.nearest, heard, sure(seen))

    def write(self, path: Path) -> None:
        """Keep it in a file, whole or not at all."""
        nearest = float("nan") if self.nearest is None else self.nearest
        with whole_file(path) as part, part.open("wb") as file:
            np.savez(
                file,
                numbers=np.array([self.pan, self.motion, self.frames, nearest]),
                events=np.column_stack([self.events.frames, self.events.categories, self.events.x]),
                boxes=np.column_stack([self.boxes.frames, self.boxes.categories, self.boxes.xyxy]),
                scores=np.asarray(self.boxes.scores, np.float64),
            )

    @classmethod
    def read(cls, path: Path) -> Record:
        """A kept one."""
        with np.load(path) as data:
            pan, motion, frames, nearest = data["numbers"].tolist()
            events, boxes, scores = data["events"], data["boxes"], data["scores"]
        return cls(
            pan,
            motion,
            int(frames),
            None if np.isnan(nearest) else nearest,
            SoundEvents(events[:, 0].astype(np.int64), events[:, 1].astype(np.int64), events[:, 2]),
            Boxes(boxes[:, 0].astype(np.int64), boxes[:, 1].astype(np.int64), boxes[:, 2:], scores),
        )


class Bench:
    """Both pipelines, the detectors, and the folder of what has been measured."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.detectors = Detectors(args.weights)
        self.joint = JointPipeline.from_pretrained(args.weights)
        self.two_stage = TwoStagePipeline.from_pretrained(args.weights)
        self.pictures: tuple[int, NDArray[np.uint8]] | None = None
        self.folders = {name: args.keep / f"{name}-{self.fingerprint(name)}" for name in LABELS}

    @cached_property
    def known(self) -> Known | None:
        """Training clips, drawn when the first new clip is measured."""
        return Known(self.args.trained_on) if self.args.trained_on else None

    def record(self, name: str, index: int) -> Record:
        """The kept record of clip `index`, or a new one."""
        path = self.folders[name] / f"{index:04d}.npz"
        if not path.is_file():
            Record.of(self.clip(name, index), self.detectors, self.known).write(path)
        return Record.read(path)

    def clip(self, name: str, index: int) -> Clip:
        """Clip `index` of a method."""
        seed, steps = self.args.seed, self.args.steps
        if name == "ground_truth":
            world: World = {"solo": World.solo, **WORLDS}[self.args.world]()
            return render(draw_scene(split_seed("test", OF_SPLIT + index), world)).clip
        if name == "joint":
            return self.joint(1, seed=seed, first=index, steps=steps)[0]
        if self.pictures is None or self.pictures[0] != index:
            self.pictures = index, self.two_stage.video(1, seed, first=index, steps=steps)[0]
        frames = self.pictures[1]
        film = Video(frames, Fraction(self.two_stage.format.fps))
        boxes, asked = name == "two_stage_boxes", self.args.sound_steps
        sound = self.two_stage.sound.sounds([film], seed, first=index, steps=asked, boxes=boxes)[0]
        return Clip(frames, sound, self.two_stage.format)

    def fingerprint(self, name: str) -> str:
        """What tells records of other weights or settings apart."""
        facts: list[Any] = [self.args.trained_on]
        if name == "ground_truth":
            facts += [self.args.world, OF_SPLIT]
        elif name == "joint":
            facts += [self.args.seed, self.args.steps, *_origin(self.joint)]
        else:
            stages = self.two_stage.video, self.two_stage.sound
            facts += [self.args.seed, self.args.steps, self.args.sound_steps]
            facts += [fact for stage in stages for fact in _origin(stage)]
        detectors: tuple[Any, ...] = (self.detectors.persons, self.detectors.sounds)
        facts += [_digest(part.model) for part in detectors]
        return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:12]


def _origin(pipeline: Any) -> list[Any]:
    """Weights and settings of a pipeline."""
    return [{k: card.sha256 for k, card in pipeline.cards.items()}, dict(pipeline.description)]


def _digest(model: Any) -> float:
    """A number that changes with the weights."""
    return float(sum(p.detach().double().abs().sum() for p in model.parameters()))


def measures(records: list[Record]) -> dict[str, Any]:
    """All measures of a method's clips."""
    events, boxes = [r.events for r in records], [r.boxes for r in records]
    found = agreement(records, events, boxes)  # type: ignore[arg-type]
    found["spatial"]["null_intervals"] = null_intervals(events, boxes)
    return found


def null_intervals(
    events: list[SoundEvents], boxes: list[Boxes], seed: int = 0
) -> dict[str, list[float] | None]:
    """95 % intervals of the null scores: the percentile bootstrap over the clips that lend boxes."""
    count, size = len(events), SAVGBENCH.size
    shuffled = [[e for j, e in enumerate(events) if j != i] for i in range(count)]
    others: dict[str, list[list[SoundEvents]]] = {
        "centre": [[replace(e, x=np.full(len(e), size / 2))] for e in events],
        "swapped": [[e.mirrored(size)] for e in events],
        "shuffled": shuffled,
    }
    drawn = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
    return {name: _interval(others[name], boxes, drawn) for name in NULLS}


def _interval(
    sounds: list[list[SoundEvents]], boxes: list[Boxes], drawn: NDArray[np.int64]
) -> list[float] | None:
    judged = [[spatial_av_align(e, b) for e in each] for each, b in zip(sounds, boxes, strict=True)]
    counts = np.array([[sum(a.tp for a in row), sum(a.fn for a in row)] for row in judged])
    pooled = counts[drawn].sum(axis=1)
    pooled = pooled[pooled.sum(axis=1) > 0]
    if not len(pooled):
        return None
    quantiles: list[float] = np.quantile(pooled[:, 0] / pooled.sum(axis=1), [0.025, 0.975]).tolist()
    return quantiles


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
        for name, make in ways.items():
            if name == "sound" and (bench.pictures is None or bench.pictures[0] != index):
                bench.pictures = index, bench.two_stage.video(1, bench.args.seed, first=index)[0]
            begun = time.perf_counter()
            make(index)
            seconds[name].append(time.perf_counter() - begun)
    found = {name: float(np.median(values)) for name, values in seconds.items()}
    whole = found["pictures"] + found["sound with boxes"]
    return {**found, "two-stage of joint": whole / found["joint"]}


def described(args: argparse.Namespace) -> dict[str, Any]:
    """What the figures were measured with."""
    command = "python -m benchmarks.two_stage_quality " + " ".join(sys.argv[1:])
    return {
        **setting(args),
        "command": command,
        "threads": torch.get_num_threads(),
        "clips": args.clips,
        "world": args.world,
    }


def as_markdown(result: Mapping[str, Any]) -> str:
    """The measures as a table, a column for each method."""
    columns = result["methods"]
    rows = [["measure", *(values["label"] for values in columns.values())]]
    rows.append(["---"] * len(rows[0]))
    for name, read in ROWS:
        if name in SKIPPED or name == "seconds a clip":
            continue
        rows.append([name, *(_cell(name, read, values) for values in columns.values())])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    facts = result["setting"]
    with_gpu = filter(None, (facts["cpu"], facts["gpu"], f"torch {facts['torch']}"))
    parts = [
        "# Joint and two-stage",
        f"`{facts['command'].strip()}` ({', '.join(with_gpu)})",
        table,
        "Two-stage with and without boxes is one flow network, trained with the persons' boxes given "
        "and withheld at random: without, the boxes are withheld; with, it is told those that the "
        "detector finds in the pictures. Pictures and noise are the same. Ground truth: "
        f"{facts['clips']} clips of the {facts['world']} world's evaluation split. Intervals (95 %) "
        "are bootstraps over clips.",
    ]
    if "speed" in result:
        s = result["speed"]
        parts.append(
            f"Median seconds a clip, one clip at a time, in turns: joint {s['joint']:.1f}; two-stage "
            f"{s['pictures']:.1f} for the pictures and {s['sound']:.1f} for the sound "
            f"({s['sound with boxes']:.1f} with boxes): {s['two-stage of joint']:.2f} of the joint's "
            f"time. {result['setting']['threads']} thread(s) on a machine with other work."
        )
    return "\n\n".join(parts) + "\n"


def _cell(name: str, read: Callable[[Mapping[str, Any]], str], values: Mapping[str, Any]) -> str:
    """A measure's text; null scores with their intervals."""
    null = NULL_ROWS.get(name)
    between = values["spatial"]["null_intervals"].get(null) if null else None
    return (
        read(values) if between is None else f"{read(values)} ({between[0]:.3f}…{between[1]:.3f})"
    )


if __name__ == "__main__":
    main()
