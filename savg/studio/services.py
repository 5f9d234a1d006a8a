"""What the studio needs from the rest: pipelines that generate, detectors that annotate.

Networks load on first use and stay. Tests and other hosts may hand in their own `Services`.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.detectors import person_detector, sound_detector
from savg.hub import PIPELINE_FILE, WEIGHTS_FILE, read_json
from savg.paths import assets_dir
from savg.pipelines import load_pipeline

Generate = Callable[..., list[Clip]]
"""`generate(num_clips, seed=…, steps=…, on_step=callback)`, as pipelines are called."""


@dataclass(frozen=True)
class PipelineChoice:
    """A pipeline that visitors can choose: steps are (least, default, most)."""

    label: str
    about: str
    steps: tuple[int, int, int]
    load: Callable[[], Generate]


@dataclass(frozen=True)
class DetectorChoice:
    """A person detector that visitors can choose; `words` go with the results."""

    label: str
    words: str
    load: Callable[[], Callable[[Clip], Boxes]]


@dataclass(frozen=True)
class Services:
    """Everything the tabs call; `missing` says in a sentence what is not installed, if anything."""

    pipelines: Mapping[str, PipelineChoice]
    persons: Mapping[str, DetectorChoice]
    sounds: Callable[[], Callable[[Clip], SoundEvents]]
    sounds_words: str
    examples: Path | None = None
    missing: str = ""
    _loaded: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def pipeline(self, name: str) -> Generate:
        """The pipeline of that name, loaded."""
        return self._once(f"pipeline {name}", self.pipelines[name].load)

    def annotate(self, clip: Clip, persons: str) -> Any:
        """The annotation of a clip by the person detector of that name."""
        from savg.pipelines.annotate import annotate

        choice = self.persons[persons]
        find_persons = self._once(f"persons {persons}", choice.load)
        find_sounds = self._once("sounds", self.sounds)
        words = {"persons": choice.words, "sounds": self.sounds_words}
        return annotate(clip, find_persons, find_sounds, words)

    def warm_up(self) -> None:
        """Load what the first click will need; problems are left for that click to tell."""
        with suppress(Exception):
            self.pipeline(next(iter(self.pipelines)))
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


def bundled() -> Services:
    """The detectors and the pipeline of the bundled demo weights, and pipelines of SAVG_WEIGHTS.

    That environment variable lists folders with a pipeline.json, separated as in PATH.
    """
    persons = {"yolox": DetectorChoice("YOLOX", "YOLOX, bundled demo weights", _persons("yolox"))}
    if importlib.util.find_spec("mmdet") is not None:
        persons["mmdet"] = DetectorChoice("YOLOX by mmdet", "YOLOX run by mmdet", _persons("mmdet"))
    folder = assets_dir() / "demo"
    description = _description(folder)
    there = [(folder / str(description.get(role)) / WEIGHTS_FILE).is_file() for role in NEEDED]
    pipelines = {"demo": _choice("Joint diffusion, demo", folder)}
    for path in filter(None, os.environ.get("SAVG_WEIGHTS", "").split(os.pathsep)):
        kind = _description(Path(path)).get("pipeline", "unknown")
        pipelines[path] = _choice(f"{str(kind).capitalize()} of {Path(path).name}", Path(path))
    return Services(
        pipelines,
        persons,
        lambda: sound_detector("seld"),
        "stereo SELD, bundled demo weights",
        missing="" if all(there) else MISSING,
    )


def _description(folder: Path) -> dict[str, Any]:
    return read_json(folder / PIPELINE_FILE) if (folder / PIPELINE_FILE).is_file() else {}


def _choice(label: str, folder: Path) -> PipelineChoice:
    return PipelineChoice(
        label,
        "Picture and both channels come from one diffusion model; super-resolution enlarges the "
        "picture.",
        (4, _steps(_description(folder)), 60),
        lambda: load_pipeline(folder),
    )


def _persons(name: str) -> Callable[[], Callable[[Clip], Boxes]]:
    return lambda: person_detector(name)


def _steps(description: Mapping[str, Any]) -> int:
    """The number of steps that a pipeline asks for, within the slider's reach."""
    return min(max(int(description.get("sampler", {}).get("steps", 20)), 4), 60)
