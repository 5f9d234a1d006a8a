"""What the studio needs from the rest: pipelines that generate, detectors that annotate.

Networks load on first use and stay. Tests and other hosts may hand in their own `Services`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savg.annotation import SoundEvents
from savg.clip import Clip
from savg.detectors import Kind, detectors
from savg.paths import assets_dir
from savg.pipelines.description import Description, descriptions
from savg.pipelines.registry import AUDIO, CLIPS

if TYPE_CHECKING:
    from savg.pipelines.base import AudioPipeline, ClipPipeline


@dataclass(frozen=True)
class PipelineChoice:
    """A pipeline that visitors can choose: steps are (least, default, most).

    name: beside other pipelines; boxes: whether it runs with and without persons' boxes.
    """

    label: str
    about: str
    steps: tuple[int, int, int]
    load: Callable[[], ClipPipeline]
    name: str = ""
    boxes: bool = False


@dataclass(frozen=True)
class AudioChoice:
    """A pipeline that gives videos audio; steps are (least, default, most)."""

    label: str
    about: str
    steps: tuple[int, int, int]
    load: Callable[[], AudioPipeline]
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

    together: names of pipelines that visitors can have side by side from one seed; audio_pipelines:
    what gives videos audio, by the same names where it is part of a pipeline.
    """

    pipelines: Mapping[str, PipelineChoice]
    persons: Mapping[str, DetectorChoice]
    sounds: Callable[[], Callable[[Clip], SoundEvents]]
    sounds_words: str
    examples: Path | None = None
    missing: str = ""
    together: tuple[str, ...] = ()
    audio_pipelines: Mapping[str, AudioChoice] = field(default_factory=dict)
    _loaded: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def pipeline(self, name: str) -> ClipPipeline:
        """The pipeline of that name, loaded."""
        loaded: ClipPipeline = self._once(f"pipeline {name}", self.pipelines[name].load)
        return loaded

    def audio_pipeline(self, name: str) -> AudioPipeline:
        """What gives videos audio by that name: a stage of the pipeline of that name, if any."""
        if name in self.pipelines:
            stage = self.pipeline(name).audio_stage
            if stage is not None:
                return stage
        loaded: AudioPipeline = self._once(
            f"audio pipeline {name}", self.audio_pipelines[name].load
        )
        return loaded

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


DETECTORS = ("persons", "sounds")
"""Roles of components that the studio takes from the bundled weights beside those of pipelines."""

MISSING = (
    "The bundled demo weights (assets/demo) are not complete here: train and export them as the "
    "README tells, or get a copy that has them."
)

LEAST, MOST = 4, 60
"""Steps of a diffusion network that visitors may ask for."""


def bundled() -> Services:
    """The detectors and the pipelines of the bundled demo weights, and pipelines of SAVG_WEIGHTS.

    That environment variable lists folders with a pipeline.json, separated as in PATH.
    """
    persons = _detectors("persons")
    sounds = next(iter(_detectors("sounds").values()))
    folder = assets_dir() / "demo"
    complete = any(
        one.is_complete and one.components.keys() >= {*DETECTORS}
        for one in descriptions(folder)[:1]
    )
    pipelines: dict[str, PipelineChoice] = {}
    audio_pipelines: dict[str, AudioChoice] = {}
    groups = [_offer("demo", "diffusion, demo", folder, "joint", pipelines, audio_pipelines)]
    for path in filter(None, os.environ.get("SAVG_WEIGHTS", "").split(os.pathsep)):
        where = f"of {Path(path).name}"
        groups.append(_offer(path, where, Path(path), "unknown", pipelines, audio_pipelines))
    return Services(
        pipelines,
        persons,
        sounds.load,
        sounds.words,
        missing="" if complete else MISSING,
        together=next((names for names in groups if len(names) > 1), ()),
        audio_pipelines=audio_pipelines,
    )


def _offer(
    key: str,
    where: str,
    folder: Path,
    default: str,
    pipelines: dict[str, PipelineChoice],
    audio_pipelines: dict[str, AudioChoice],
) -> tuple[str, ...]:
    """Add what a folder describes; returns the keys of its pipelines from a seed.

    where: the end of the labels; default: the name of a pipeline that has none. The first one is always
    offered, so that a click tells what is wrong with it; others are if they are complete.
    """
    first, *others = descriptions(folder) or [Description(folder, {})]
    offers = [(key, first)]
    offers += [(f"{key}/{one.name}", one) for one in others if one.is_complete]
    names = []
    for place, one in offers:
        name = one.name or default
        if name in AUDIO:
            audio_pipelines[place] = _audio_choice(f"{AUDIO.entries[name].title} {where}", one)
        elif name in CLIPS or place == key:
            pipelines[place] = _clip_choice(name, where, one)
            names.append(place)
            for stage in _audio_stages(one):
                audio_pipelines[place] = _audio_choice(pipelines[place].label, stage)
    return tuple(names)


def _clip_choice(name: str, where: str, description: Description) -> PipelineChoice:
    entry = CLIPS.entries.get(name)
    title = entry.title if entry else name.capitalize()
    steps = min(max(int(description.sampler.get("steps", 20)), LEAST), MOST)
    return PipelineChoice(
        f"{title} {where}",
        entry.about if entry else "",
        (LEAST, steps, MOST),
        partial(CLIPS.load, description.folder, name),
        name=title,
        boxes=description.takes_boxes,
    )


def _audio_stages(description: Description) -> Iterator[Description]:
    return (stage for stage in description.stages.values() if stage.name in AUDIO)


def _audio_choice(label: str, description: Description) -> AudioChoice:
    sampler = description.sampler
    steps = int(sampler.get("steps", 25))
    return AudioChoice(
        label,
        AUDIO.entries[description.name].about,
        (1, steps, max(MOST, steps)),
        partial(AUDIO.load, description.folder, description.name),
        guidance=float(sampler.get("guidance", 4.5)),
        boxes=description.takes_boxes,
    )


def _detectors(kind: Kind) -> dict[str, DetectorChoice]:
    """The registered detectors of a kind that can be used here."""
    return {
        name: DetectorChoice(entry.label, f"{entry.label}, bundled demo weights", entry.load)
        for name, entry in detectors(kind).items()
        if entry.available
    }
