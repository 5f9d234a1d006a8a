"""What the studio needs from the rest: pipelines that generate, detectors that annotate.

Networks load on first use and stay. Tests and other hosts may hand in their own `Services`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from savg.annotation import SoundEvents
from savg.clip import Clip
from savg.detectors import Kind, detectors
from savg.hub import CONFIG_FILE, PIPELINE_FILE, WEIGHTS_FILE, read_json
from savg.paths import assets_dir
from savg.pipelines import load_pipeline, pipeline_class

Generate = Callable[..., list[Clip]]
"""`generate(num_clips, seed=…, steps=…, on_step=callback)`, as pipelines are called."""


@dataclass(frozen=True)
class PipelineChoice:
    """A pipeline that visitors can choose: steps are (least, default, most).

    name: beside other pipelines; boxes: whether it can be told, or not, where persons are.
    """

    label: str
    about: str
    steps: tuple[int, int, int]
    load: Callable[[], Generate]
    name: str = ""
    boxes: bool = False


@dataclass(frozen=True)
class SoundChoice:
    """Networks that give a film sound (`VideoToAudio`); steps are (least, default, most)."""

    label: str
    about: str
    steps: tuple[int, int, int]
    load: Callable[[], Any]
    guidance: float = 4.5
    boxes: bool = False


@dataclass(frozen=True)
class DetectorChoice:
    """A detector that visitors can choose; `words` go with the results."""

    label: str
    words: str
    load: Callable[[], Callable[[Clip], Any]]


@dataclass(frozen=True)
class Services:
    """Everything the tabs call; `missing` says in a sentence what is not installed, if anything.

    together: names of pipelines that visitors can have side by side from one seed; film_sounds: what
    gives films sound, by the same names where it is part of a pipeline.
    """

    pipelines: Mapping[str, PipelineChoice]
    persons: Mapping[str, DetectorChoice]
    sounds: Callable[[], Callable[[Clip], SoundEvents]]
    sounds_words: str
    examples: Path | None = None
    missing: str = ""
    together: tuple[str, ...] = ()
    film_sounds: Mapping[str, SoundChoice] = field(default_factory=dict)
    _loaded: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def pipeline(self, name: str) -> Generate:
        """The pipeline of that name, loaded."""
        return self._once(f"pipeline {name}", self.pipelines[name].load)

    def film_sound(self, name: str) -> Any:
        """What gives films sound by that name, loaded: a part of the pipeline of that name, if any."""
        if name in self.pipelines:
            return self.pipeline(name).sound  # type: ignore[attr-defined]
        return self._once(f"film sound {name}", self.film_sounds[name].load)

    def annotate(self, clip: Clip, persons: str) -> Any:
        """The annotation of a clip by the person detector of that name."""
        from savg.evaluation.annotate import annotate

        choice = self.persons[persons]
        find_persons = self._once(f"persons {persons}", choice.load)
        find_sounds = self._once("sounds", self.sounds)
        words = {"persons": choice.words, "sounds": self.sounds_words}
        return annotate(clip, find_persons, find_sounds, words)

    def warm_up(self) -> None:
        """Load what the first click will need; problems are left for that click to tell."""
        for name in self.together or list(self.pipelines)[:1]:
            with suppress(Exception):
                self.pipeline(name)
        with suppress(Exception):
            self._once("sounds", self.sounds)
            name, choice = next(iter(self.persons.items()))
            self._once(f"persons {name}", choice.load)

    def _once(self, name: str, load: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load()
            return self._loaded[name]


NEEDED = ("joint", "superres", "persons", "sounds")

MISSING = (
    "The bundled demo weights (assets/demo) are not complete here: train and export them as the "
    "README tells, or get a copy that has them."
)

TWO_STAGE = "two_stage"
TWO_STAGE_FILE = f"{TWO_STAGE}.json"
"""Beside pipeline.json in a folder of several pipelines."""

JOINT_ABOUT = (
    "Picture and both channels come from one diffusion model; super-resolution enlarges the "
    "picture."
)
TWO_STAGE_ABOUT = (
    "A diffusion model makes the pictures, super-resolution enlarges them, and a flow network makes "
    "both channels for them."
)
SOUND_ABOUT = "A flow network sees the pictures and makes both channels, in windows of 5 s."


def bundled() -> Services:
    """The detectors and the pipelines of the bundled demo weights, and pipelines of SAVG_WEIGHTS.

    That environment variable lists folders with a pipeline.json, separated as in PATH.
    """
    persons = _detectors("persons")
    sounds = next(iter(_detectors("sounds").values()))
    folder = assets_dir() / "demo"
    description = _description(folder)
    there = [(folder / str(description.get(role)) / WEIGHTS_FILE).is_file() for role in NEEDED]
    pipelines: dict[str, PipelineChoice] = {}
    film_sounds: dict[str, SoundChoice] = {}
    _offer("demo", "diffusion, demo", folder, pipelines, film_sounds)
    for path in filter(None, os.environ.get("SAVG_WEIGHTS", "").split(os.pathsep)):
        _offer(path, f"of {Path(path).name}", Path(path), pipelines, film_sounds)
    return Services(
        pipelines,
        persons,
        sounds.load,
        sounds.words,
        missing="" if all(there) else MISSING,
        together=_together(pipelines),
        film_sounds=film_sounds,
    )


def _offer(
    key: str,
    where: str,
    folder: Path,
    pipelines: dict[str, PipelineChoice],
    film_sounds: dict[str, SoundChoice],
) -> None:
    """Add what a folder's descriptions name; `where` ends the labels."""
    first = _description(folder)
    kind = first.get("pipeline", "unknown" if first or key != "demo" else "joint")
    if kind == TWO_STAGE:
        pipelines[key], film_sounds[key] = _two_stage(where, folder, first)
    elif kind == "video_to_audio":
        film_sounds[key] = _film_sound(f"Video to audio {where}", folder, first)
    else:
        about = JOINT_ABOUT if kind == "joint" else ""
        steps = (4, _steps(first), 60)
        label = f"{str(kind).capitalize()} {where}"
        pipelines[key] = PipelineChoice(label, about, steps, lambda: load_pipeline(folder), "Joint")
    second = _description(folder, TWO_STAGE_FILE)
    if kind != TWO_STAGE and second and _is_complete(folder, second):
        name = f"{key}/{TWO_STAGE}"
        pipelines[name], film_sounds[name] = _two_stage(where, folder, second)


def _two_stage(
    where: str, folder: Path, description: Mapping[str, Any]
) -> tuple[PipelineChoice, SoundChoice]:
    label = f"Two-stage {where}"
    video, sound = (description.get(stage) or {} for stage in ("video", "sound"))
    seen = PipelineChoice(
        label,
        TWO_STAGE_ABOUT,
        (4, _steps(video), 60),
        lambda: pipeline_class(TWO_STAGE).from_pretrained(folder),
        name="Two-stage",
        boxes=_takes_boxes(folder, sound),
    )
    return seen, _film_sound(label, folder, sound)


def _film_sound(label: str, folder: Path, description: Mapping[str, Any]) -> SoundChoice:
    sampler = description.get("sampler") or {}

    def load() -> Any:
        from savg.pipelines.video_to_audio import VideoToAudio

        return VideoToAudio.from_pretrained(folder)

    steps, guidance = int(sampler.get("steps", 25)), float(sampler.get("guidance", 4.5))
    boxes = _takes_boxes(folder, description)
    return SoundChoice(label, SOUND_ABOUT, (1, steps, max(60, steps)), load, guidance, boxes)


def _together(pipelines: Mapping[str, PipelineChoice]) -> tuple[str, ...]:
    """A joint and a two-stage pipeline of one folder, if there are such."""
    for name in pipelines:
        if f"{name}/{TWO_STAGE}" in pipelines:
            return name, f"{name}/{TWO_STAGE}"
    return ()


def _description(folder: Path, file: str = PIPELINE_FILE) -> dict[str, Any]:
    return read_json(folder / file) if (folder / file).is_file() else {}


def _is_complete(folder: Path, description: Mapping[str, Any]) -> bool:
    """Whether the weights that a two-stage pipeline cannot do without are there."""
    needed = {"video": ("video", "superres"), "sound": ("flow", "vae", "vocoder")}
    folders = {
        role: folder / str((description.get(stage) or {}).get(role))
        for stage, roles in needed.items()
        for role in roles
    }
    plain = folders.pop("vocoder") / CONFIG_FILE  # a vocoder may have no weights
    return plain.is_file() and all((f / WEIGHTS_FILE).is_file() for f in folders.values())


def _takes_boxes(folder: Path, description: Mapping[str, Any]) -> bool:
    """Whether the flow network that `description` names was trained with persons' boxes."""
    place = folder / str(description.get("flow")) / CONFIG_FILE
    config = read_json(place).get("config", {}) if place.is_file() else {}
    return bool(config.get("boxes", 0))


def _detectors(kind: Kind) -> dict[str, DetectorChoice]:
    """The registered detectors of a kind that can be used here."""
    return {
        name: DetectorChoice(entry.label, f"{entry.label}, bundled demo weights", entry.load)
        for name, entry in detectors(kind).items()
        if entry.available
    }


def _steps(description: Mapping[str, Any]) -> int:
    """The number of steps that a pipeline asks for, within the slider's reach."""
    return min(max(int(description.get("sampler", {}).get("steps", 20)), 4), 60)
