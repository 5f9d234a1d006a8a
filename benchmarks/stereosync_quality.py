"""Audio for the same videos by StereoSync, the flow network and panning: `python -m
benchmarks.stereosync_quality`.

Videos are held-out synthetic scenes, whose people, rooms, voices and notes no training reads; by
default each shows a person who sounds and a silent bystander. StereoSync and `pan` follow the person
who sounds, whom a user would choose: true boxes of this person, none of the bystander. The flow network
cannot be told whom to follow and is given the boxes of all people that a detector finds. Envelope and
embedding are of the scene's own audio, mixed to mono, which `pan` pans. Rows without a condition
withhold it from the same network, with the same noise.

Spatial AV-Align of all people takes the boxes of a detector trained elsewhere (NanoDet); that of the
person who sounds takes the true boxes. SELD, which says where audio is, was trained on scenes of this
world with other voices. Envelopes (E-L1) and channel levels are compared with the scene's own audio,
without any network. `--speed N` times N videos. Writes the table as JSON and Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.synthetic import WORLDS, held_out, progress
from savg.annotation import Boxes
from savg.audio.resample import resample
from savg.clip import Clip
from savg.data.scenes import Rendered
from savg.detectors.tracking import track
from savg.evaluation.cache import Cache, digest
from savg.evaluation.observe import Detectors, Failure, extract, features_of
from savg.evaluation.observers import Observers, Source, observe_all
from savg.evaluation.report import markdown_table
from savg.evaluation.result_files import RESULTS, SetResult, provenance, setting, write_result
from savg.evaluation.score import Scorer
from savg.format import ClipFormat
from savg.metrics.base import Item, Metric, Need, Reference
from savg.metrics.registry import metric_classes
from savg.pipelines.base import AudioPipeline
from savg.pipelines.registry import AUDIO
from savg.video import Video

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "ground_truth": ("ground truth", {}),
    "stereosync": ("StereoSync", {}),
    "no_spatial": ("StereoSync without the person", {"boxes": False}),
    "no_envelope": ("StereoSync without the envelope", {"envelope": None}),
    "mmaudio": ("flow network, all people's boxes", {}),
    "pan": ("panned by the boxes", {}),
}
"""Name → column of the table, options of the pipeline."""

PIPELINES = {"mmaudio": "video_to_audio", "pan": "pan"}
"""Methods of other pipelines than StereoSync."""

ALL_PEOPLE = ("spatial_av_align", "spatial_off_centre")
"""Metrics that take every person that a detector finds."""

WHO_SOUNDS = ("spatial_av_align", "spatial_off_centre", "pixel_error")
"""Metrics that take the person who sounds alone."""

OF_AUDIO = ("pan_error", "ild_error", "e_l1")
"""Metrics that compare audio with the scene's own."""

AVAILABLE = frozenset({Need.PERSONS, Need.SOUNDS, Need.FEATURES, Need.REFERENCE, Need.PAIRS})


def main() -> None:
    """Measure, print and write."""
    args = build_parser().parse_args()
    bench = Bench(args)
    names = list(args.methods)
    of_all = metric_classes((*ALL_PEOPLE, *OF_AUDIO), AVAILABLE)
    of_one = metric_classes(WHO_SOUNDS, AVAILABLE)
    reference = bench.reference(of_all.values())
    observers = Observers.for_metrics(of_all.values(), bench.detectors)
    everyone = {name: Scorer(of_all, reference) for name in names}
    sounding = {name: Scorer(of_one) for name in names}
    cache = Cache(args.keep)
    for index in progress(range(args.clips), args.clips, "videos"):
        for name in names:
            read, key = partial(bench.clip, name, index), bench.key(name, index)
            source = Source(f"{index:04d}", read, key)
            for item in observe_all([source], observers, cache, ahead=False):
                everyone[name].add(item)
                sounding[name].add(with_boxes(item, bench.sounding(index)))
    facts = setting(
        "stereosync_quality",
        seed=args.seed,
        clips=args.clips,
        world=args.world,
        threads=torch.get_num_threads(),
        weights=bench.weights(),
    )
    sets, of_person = (
        {name: SetResult.of(METHODS[name][0], one.evaluation()) for name, one in scorers.items()}
        for scorers in (everyone, sounding)
    )
    result: dict[str, Any] = {
        "setting": facts,
        "sets": {name: value.to_json() for name, value in sets.items()},
        "person_who_sounds": {name: value.to_json() for name, value in of_person.items()},
    }
    if args.speed:
        result["speed"] = speed(bench, args.speed)
    write_result("stereosync_quality", result, as_markdown(result, sets, of_person), args.out)


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description="Audio for the same videos, three ways.")
    add = parser.add_argument
    add("--weights", default="demo", help="folder with all three pipelines")
    add("--clips", type=int, default=64, metavar="N")
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    add("--world", choices=WORLDS, default="furnished1")
    add("--first", type=int, default=0, metavar="K", help="first scene of the test split")
    add("--seed", type=int, default=0)
    add("--steps", type=int, help="of the diffusion and the flow network")
    add("--speed", type=int, default=0, metavar="N", help="videos of each method to time")
    add("--keep", type=Path, default=Path("runs/stereosync_quality"), metavar="DIR")
    add("--out", type=Path, default=RESULTS)
    return parser


class Bench:
    """The pipelines and the detectors that judge."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.detectors = Detectors.load("demo", person="nanodet", person_weights="demo")
        self.pipelines: dict[str, AudioPipeline] = {
            name: AUDIO.load(args.weights, PIPELINES.get(name, "stereosync"))
            for name in args.methods
            if name != "ground_truth"
        }
        self.scene: Callable[[int], Rendered] = lru_cache(maxsize=2)(
            lambda index: held_out(args.world, args.first + index)
        )

    def clip(self, name: str, index: int) -> Clip:
        """The video of scene `index` with a method's audio."""
        clip = self.scene(index).clip
        if name == "ground_truth":
            return clip
        pipeline, options = self.pipelines[name], METHODS[name][1]
        audio = pipeline.for_videos(
            [self.video(name, index)], self.args.seed, first=index, steps=self.args.steps, **options
        )[0]
        return replace(clip, audio=fitted(audio, pipeline.sample_rate, clip.format))

    def video(self, name: str, index: int) -> Video:
        """Frames and mono audio of a scene, with the boxes that the method is given."""
        boxes = None if name == "mmaudio" else self.sounding(index)
        video = Video.of(self.scene(index).clip, boxes)
        assert video.audio is not None
        mono = video.audio.samples.mean(axis=0, keepdims=True)
        return replace(video, audio=replace(video.audio, samples=np.repeat(mono, 2, axis=0)))

    def sounding(self, index: int) -> Boxes:
        """The true boxes of the person who sounds: of those tracked, the one nearest to the labels."""
        scene = self.scene(index)
        boxes, format = scene.boxes, scene.clip.format
        labels = scene.labels
        times = labels.frames / format.label_fps * format.fps
        tracks = track(boxes, format.fps)
        if not tracks or not len(labels):
            return boxes
        nearest = min(tracks, key=lambda one: float(np.abs(one.x_at(times) - labels.x).mean()))
        return Boxes(nearest.frames, np.zeros(len(nearest.frames), np.int64), nearest.xyxy)

    def reference(self, metrics: Iterable[type[Metric]]) -> Reference:
        """Features of the scenes' own audio."""
        features = features_of(metrics)
        return Reference(
            {
                f"{index:04d}": extract(self.scene(index).clip, features)
                for index in progress(range(self.args.clips), self.args.clips, "scenes")
            }
        )

    def key(self, name: str, index: int) -> str:
        """The key of a method's clip in the cache: another one for other weights or settings."""
        args = self.args
        facts: list[Any] = [name, index, args.world, args.first]
        if name != "ground_truth":
            pipeline = self.pipelines[name]
            cards = {role: card.sha256 for role, card in pipeline.components.items()}
            facts += [args.seed, args.steps, cards, pipeline.describe(), METHODS[name][1]]
        return digest(facts)

    def weights(self) -> dict[str, dict[str, str | None]]:
        """SHA-256 of the networks by method and role."""
        return {
            name: {role: card.sha256 for role, card in pipeline.components.items()}
            for name, pipeline in self.pipelines.items()
        }


def fitted(audio: NDArray[np.float32], rate: int, format: ClipFormat) -> NDArray[np.float32]:
    """Audio [2, T] at `rate` Hz as that of a clip."""
    own = resample(audio, rate, int(format.sample_rate))[:, : format.samples]
    return np.pad(own, ((0, 0), (0, format.samples - own.shape[1]))).clip(-1, 1)


def with_boxes(item: Item | Failure, boxes: Boxes) -> Item | Failure:
    """The observation with these people in place of those that were detected."""
    if isinstance(item, Failure):
        return item
    return replace(item, observation=replace(item.observation, boxes=boxes, candidates=None))


def speed(bench: Bench, count: int) -> dict[str, float]:
    """Median seconds a video of each method, in turns, without and with looking for people."""
    seconds: dict[str, list[float]] = {}
    for index in progress(range(count), count, "timing"):
        for name in ("stereosync", "mmaudio", "pan"):
            if name not in bench.pipelines:
                continue
            video = bench.video(name, index)
            for way, boxes in (("boxes given", bench.sounding(index)), ("people looked for", None)):
                start = time.perf_counter()
                bench.pipelines[name].for_videos([replace(video, boxes=boxes)], bench.args.seed)
                seconds.setdefault(f"{METHODS[name][0]}, {way}", []).append(
                    time.perf_counter() - start
                )
    return {name: float(np.median(values)) for name, values in seconds.items()}


def as_markdown(
    result: Mapping[str, Any], sets: Mapping[str, SetResult], of_person: Mapping[str, SetResult]
) -> str:
    """Two tables, a column for each method."""
    facts = result["setting"]
    clips = [["videos", *(str(value.clips) for value in sets.values())]]
    parts = [
        "# Audio for the same videos",
        provenance(facts),
        f"{facts['clips']} held-out scenes of the world {facts['world']}. StereoSync and panning "
        "follow the person who sounds (true boxes), with envelope and embedding of the scene's own "
        "audio, mixed to mono; the flow network is given all people that a detector finds. Intervals "
        "(95 %) are bootstraps over videos.",
        "The person who sounds alone, by true boxes; audio is located by the bundled SELD, which was "
        "trained on other scenes of this world:",
        markdown_table({value.label: value.metrics for value in of_person.values()}, first=clips),
        "All people that NanoDet finds (a sound at a bystander counts as well); audio beside the "
        "scene's own, without any network:",
        markdown_table({value.label: value.metrics for value in sets.values()}, first=clips),
    ]
    if "speed" in result:
        times = "; ".join(f"{name}: {value:.2f}" for name, value in result["speed"].items())
        parts.append(
            f"Median seconds a video of 5 s, one at a time, in turns: {times}. {facts['threads']} "
            "thread(s)."
        )
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
