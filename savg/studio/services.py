"""What the studio needs from the rest: pipelines that generate, detectors that annotate.

Networks load on first use and stay. Tests and other hosts may hand in their own `Services`.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.hub import PIPELINE_FILE, WEIGHTS_FILE, read_json
from savg.paths import assets_dir

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
    """The pipelines and detectors of this package with the bundled demo weights."""
    persons = {"yolox": DetectorChoice("YOLOX", "YOLOX, bundled demo weights", _yolox)}
    if importlib.util.find_spec("mmdet") is not None:
        persons["mmdet"] = DetectorChoice("YOLOX by mmdet", "YOLOX run by mmdet", _mmdet)
    folder = assets_dir() / "demo"
    description = read_json(folder / PIPELINE_FILE) if (folder / PIPELINE_FILE).is_file() else {}
    there = [(folder / str(description.get(role)) / WEIGHTS_FILE).is_file() for role in NEEDED]
    missing = "" if all(there) else MISSING
    joint = PipelineChoice(
        "Joint diffusion, demo",
        "Picture and both channels come from one diffusion model; super-resolution enlarges the "
        "picture.",
        (4, _steps(description), 60),
        _joint,
    )
    sounds = "stereo SELD, bundled demo weights"
    return Services({"joint": joint}, persons, _seld, sounds, missing=missing)


def _steps(description: Mapping[str, Any]) -> int:
    """The number of steps that a pipeline asks for, within the slider's reach."""
    return min(max(int(description.get("sampler", {}).get("steps", 20)), 4), 60)


def _joint() -> Generate:
    from savg.pipelines.joint import JointPipeline

    return JointPipeline.from_pretrained("demo")


def _yolox() -> Callable[[Clip], Boxes]:
    from savg.detectors import person_detector

    return person_detector("yolox")


def _mmdet() -> Callable[[Clip], Boxes]:
    from savg.detectors import person_detector

    return person_detector("mmdet")


def _seld() -> Callable[[Clip], SoundEvents]:
    from savg.detectors import sound_detector

    return sound_detector("seld")
