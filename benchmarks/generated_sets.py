"""Sets of clips that `generation_quality` measures: true ones, and those that pipelines generate.

Clips are made in batches of consecutive numbers, and a batch of frames serves every set that has the
same ones.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.directions import plan
from benchmarks.superres_quality import PURPOSE, downscaled, padded
from benchmarks.synthetic import held_out
from benchmarks.two_stage_quality import origin
from savg.clip import Clip
from savg.data.scenes import Rendered
from savg.evaluation.cache import digest
from savg.evaluation.takes import Asked
from savg.metrics.people_count import people_count
from savg.pipelines.direction import Direction
from savg.pipelines.joint import JointPipeline
from savg.pipelines.sampling import ClipNoise
from savg.pipelines.two_stage import TwoStagePipeline
from savg.video import Video

SETS = {
    "ground_truth": "ground truth",
    "small_truth": "ground truth, made small and upscaled",
    "joint": "joint",
    "two_stage": "two-stage",
    "two_stage_boxes": "two-stage with boxes",
    "joint_directed": "joint, directed",
    "two_stage_directed": "two-stage, directed",
}
"""Name → column of the tables."""

TRUE = ("ground_truth", "small_truth")
DIRECTED = ("joint_directed", "two_stage_directed")

BYSTANDER_EVERY = 3
"""Of so many batches one shows two people, where bystanders are asked for."""


class Sets:
    """The clips of each set, and what they should show.

    args: weights, clips, directed, small (numbers of clips), batch, worlds, first, seed, steps,
    audio_steps, people, strength (a mapping), bystanders.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.seconds: dict[str, float] = {}
        self.generated: dict[str, int] = {}
        self._clips: dict[str, tuple[int, list[Clip]]] = {}
        self._frames: tuple[Any, NDArray[np.uint8] | list[Any]] | None = None
        self.scene: Callable[[int], Rendered] = lru_cache(maxsize=args.batch)(self._scene)

    @cached_property
    def joint(self) -> JointPipeline:
        """The joint pipeline, loaded when it is first used."""
        return JointPipeline.from_pretrained(self.args.weights)

    @cached_property
    def two_stage(self) -> TwoStagePipeline:
        """The two-stage pipeline, loaded when it is first used."""
        return TwoStagePipeline.from_pretrained(self.args.weights)

    @cached_property
    def directions(self) -> list[Direction]:
        """What each directed clip is asked for."""
        args = self.args
        return plan(args.directed, args.batch, args.people, args.strength)

    def takes_direction(self, name: str) -> bool:
        """Whether the weights of a set take directions; those of two stages where the frames' do."""
        pipeline = self.joint if name.startswith("joint") else self.two_stage.video
        return pipeline.directions > 0

    def count(self, name: str) -> int:
        """Number of clips."""
        args = self.args
        if name in DIRECTED:
            return int(args.directed)
        return int(args.small if name == "small_truth" else args.clips)

    def direction(self, name: str, index: int) -> Direction | None:
        """What a clip is asked for; None for true and undirected ones."""
        if name in DIRECTED:
            return self.directions[index]
        if name.startswith("two_stage") and self.args.bystanders:
            batch = index // self.args.batch
            return Direction(people=2 if batch % BYSTANDER_EVERY == BYSTANDER_EVERY - 1 else 1)
        return None

    def asked(self, name: str, index: int) -> Asked:
        """The same as metrics take it."""
        told = self.direction(name, index)
        return Asked() if told is None else Asked(told.sound, told.x, told.people)

    def world(self, index: int) -> str:
        """The world of a true clip."""
        return str(self.args.worlds[index % len(self.args.worlds)])

    def _scene(self, index: int) -> Rendered:
        """The held-out scene of a true clip; `scene` keeps those of a batch."""
        return held_out(self.world(index), self.args.first + index)

    def true_people(self, index: int) -> int:
        """How many people are in most frames of a true clip, by its true boxes."""
        scene = self.scene(index)
        return people_count(scene.boxes, scene.clip.format.frames)

    def clip(self, name: str, index: int) -> Clip:
        """Clip `index` of a set; the batch that it is in is made at once and kept."""
        if name == "ground_truth":
            return self.scene(index).clip
        if name == "small_truth":
            return made_small(self.joint, self.scene(index).clip, index)
        start = index - index % self.args.batch
        if self._clips.get(name, (-1,))[0] != start:
            numbers = range(start, min(start + self.args.batch, self.count(name)))
            began = time.perf_counter()
            self._clips[name] = start, self._generate(name, numbers)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
            self.generated[name] = self.generated.get(name, 0) + len(numbers)
        return self._clips[name][1][index - start]

    def seconds_a_clip(self, name: str) -> float | None:
        """Of those that were generated in this run."""
        made = self.generated.get(name, 0)
        return self.seconds[name] / made if made else None

    def _generate(self, name: str, numbers: Sequence[int]) -> list[Clip]:
        args, told = self.args, self.direction(name, numbers[0])
        common: dict[str, Any] = {"first": numbers[0], "batch_size": args.batch}
        if name.startswith("joint"):
            return self.joint(len(numbers), args.seed, steps=args.steps, direction=told, **common)
        pipeline, wanted = self.two_stage, (numbers, told)
        if self._frames is None or self._frames[0] != wanted:
            frames = pipeline.video(
                len(numbers), args.seed, steps=args.steps, direction=told, **common
            )
            self._frames = wanted, frames
        videos = [Video(part, Fraction(pipeline.format.fps)) for part in self._frames[1]]
        options: dict[str, Any] = {"steps": args.audio_steps, "boxes": name != "two_stage"}
        if name in DIRECTED and getattr(pipeline.audio, "directions", 0):
            options["direction"] = told
        audio = pipeline.audio.for_videos(videos, args.seed, **common, **options)
        both = zip(self._frames[1], audio, strict=True)
        return [Clip(frames, sound, pipeline.format) for frames, sound in both]

    def key(self, name: str, index: int, video: bool = False) -> str:
        """The key of a clip, or of its video alone, in the cache: another one for other weights or
        settings."""
        args, told = self.args, self.direction(name, index)
        facts: list[Any] = [index]
        if name in TRUE:
            facts += [self.world(index), args.first]
            facts += origin(self.joint) if name == "small_truth" else []
            return digest(["true", *facts] if name == "ground_truth" else [name, *facts])
        facts += [args.seed, args.steps, repr(told)]
        if name.startswith("joint"):
            return digest(["joint", *facts, *origin(self.joint)])
        facts += origin(self.two_stage.video)
        if not video:
            facts += [name, args.audio_steps, *origin(self.two_stage.audio)]
        return digest(["two_stage", *facts])

    def weights(self, name: str) -> dict[str, str | None]:
        """SHA-256 of a set's networks by role."""
        if name == "ground_truth":
            return {}
        pipeline = self.two_stage if name.startswith("two_stage") else self.joint
        return {role: card.sha256 for role, card in pipeline.components.items()}


def made_small(pipeline: JointPipeline, clip: Clip, index: int) -> Clip:
    """A clip whose frames were averaged down to the joint network's size and upscaled again, as those
    that it generates: what the small size alone costs."""
    codec, scale = pipeline.codec, clip.format.size // pipeline.codec.size
    rows = slice(codec.first_row, codec.first_row + codec.rows)
    small = downscaled(clip.video, codec.size, degraded=False)[:, rows]
    low = torch.from_numpy(small).movedim(-1, 1)
    with torch.inference_mode():
        large = pipeline.superres(low, scale, ClipNoise(0, [index], PURPOSE))
    video = padded(large, clip.video, rows.start * scale)
    video[:, : clip.format.top] = 0
    video[:, clip.format.bottom :] = 0
    return replace(clip, video=video)
