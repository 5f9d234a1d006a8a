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
from typing import TYPE_CHECKING, Any

from savg.annotation import SoundEvents
from savg.clip import Clip
from savg.detectors import EVALUATION_DETECTOR, Kind, detectors
from savg.errors import SavgError
from savg.hub import REPO, resolve
from savg.paths import assets_dir
from savg.pipelines.description import descriptions
from savg.studio.shared import zero_gpu
from savg.studio.shared.choices import AudioChoice, DetectorChoice, PipelineChoice
from savg.studio.shared.offers import Offers

if TYPE_CHECKING:
    from savg.pipelines.base import AudioPipeline, ClipPipeline


@dataclass(frozen=True)
class Services:
    """Everything the tabs call; `missing` says in a sentence what is not installed, if anything.

    together: names of pipelines that visitors can have side by side from one seed; audio_pipelines:
    what gives videos audio, by the same names where it is part of a pipeline; problems: sentences for
    the operator about pipelines that cannot be used.
    """

    pipelines: Mapping[str, PipelineChoice]
    persons: Mapping[str, DetectorChoice]
    sounds: Callable[[], Callable[[Clip], SoundEvents]]
    sounds_words: str
    examples: Path | None = None
    missing: str = ""
    together: tuple[str, ...] = ()
    audio_pipelines: Mapping[str, AudioChoice] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    sounds_trust: str = ""
    _loaded: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def pipeline(self, name: str) -> ClipPipeline:
        """The pipeline of that name, loaded."""
        key = f"pipeline {name}"
        loaded: ClipPipeline = self._once(
            key, lambda: zero_gpu.borrowing(key, self.pipelines[name].load())
        )
        return loaded

    def audio_pipeline(self, name: str, persons: str | None = None) -> AudioPipeline:
        """What gives videos audio by that name: a stage of the pipeline of that name, if any.

        persons: the detector of the boxes that it takes (None: its own).
        """
        stage = self.pipeline(name).audio_stage if name in self.pipelines else None
        key = f"audio pipeline {name}"
        loaded: AudioPipeline = stage or self._once(
            key, lambda: zero_gpu.borrowing(key, self.audio_pipelines[name].load())
        )
        if persons is None or not loaded.takes_boxes:
            return loaded
        return loaded.with_persons(self.person_finder(persons))

    @property
    def video_detector(self) -> str:
        """The person detector for visitors' own videos, unless they choose another."""
        return next(iter(self.persons))

    def clip_detector(self, pipeline: str) -> str:
        """The person detector that judges what a pipeline generates: for the bundled ones, which draw,
        that of the evaluation of sets of clips."""
        is_bundled = pipeline == "demo" or pipeline.startswith("demo/")
        if is_bundled and EVALUATION_DETECTOR in self.persons:
            return EVALUATION_DETECTOR
        return self.video_detector

    def annotate(self, clip: Clip, persons: str) -> Any:
        """The annotation of a clip by the person detector of that name."""
        from savg.evaluation.annotate import annotate

        choice = self.persons[persons]
        find_persons = self.person_finder(persons)
        find_sounds = self._detector("sounds", self.sounds)
        words = {"persons": choice.words, "sounds": self.sounds_words}
        if trust := " ".join(filter(None, (choice.trust, self.sounds_trust))):
            words["trust"] = trust
        return annotate(clip, find_persons, find_sounds, words)

    def person_finder(self, persons: str) -> Callable[[Clip], Any]:
        """The person detector of that name, loaded."""
        finder: Callable[[Clip], Any] = self._detector(
            f"persons {persons}", self.persons[persons].load
        )
        return finder

    def warm_up(self) -> None:
        """Load what the first click will need; problems are left for that click to tell."""
        for name in self.together or list(self.pipelines)[:1]:
            with suppress(Exception):
                self.pipeline(name)
        with suppress(Exception):
            self._detector("sounds", self.sounds)
            for name in {self.video_detector, *map(self.clip_detector, self.pipelines)}:
                self._detector(f"persons {name}", self.persons[name].load)

    def load_all(self) -> None:
        """Load everything, as ZeroGPU needs it before the studio is served; problems are left for the
        click that meets them."""
        for name in self.pipelines:
            with suppress(Exception):
                self.pipeline(name)
        for name in self.audio_pipelines:
            with suppress(Exception):
                self.audio_pipeline(name)
        for name, choice in self.persons.items():
            with suppress(Exception):
                self._detector(f"persons {name}", choice.load)
        with suppress(Exception):
            self._detector("sounds", self.sounds)

    def _detector(self, key: str, load: Callable[[], Any]) -> Any:
        """A detector, loaded; on ZeroGPU it is on the CPU, as it looks at clips outside of calls."""
        if not zero_gpu.is_here():
            return self._once(key, load)
        return self._once(key, lambda: zero_gpu.keep(key, zero_gpu.on_cpu(load)))

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


def bundled() -> Services:
    """The detectors and the pipelines of the bundled demo weights, and pipelines of SAVG_WEIGHTS.

    That environment variable lists folders with a pipeline.json, separated as in PATH. A pipeline whose
    description is wrong is offered last: a click tells what is wrong with it. Visitors see names of
    folders, in keys as in sentences, and never where these lie.
    """
    persons = _detectors("persons")
    sounds = next(iter(_detectors("sounds").values()))
    folder = assets_dir() / "demo"
    offers = Offers()
    groups = [offers.add("demo", "diffusion, demo", folder, "joint")]
    for path in filter(None, os.environ.get("SAVG_WEIGHTS", "").split(os.pathsep)):
        name = Path(path).name or Path(path).resolve().name or "weights"
        groups.append(offers.add(offers.new_key(name), f"of {name}", _weights(path), "unknown"))
    return Services(
        offers.pipelines | offers.broken,
        persons,
        sounds.load,
        sounds.words,
        missing="" if _is_complete(folder) else MISSING,
        together=next((names for names in groups if len(names) > 1), ()),
        audio_pipelines=dict(
            sorted(offers.audio_pipelines.items(), key=lambda item: item[1].follows)
        ),
        problems=tuple(offers.problems),
        sounds_trust=sounds.trust,
    )


def _weights(source: str) -> Path:
    """The folder of weights that SAVG_WEIGHTS names: itself, or that of a Hugging Face repository."""
    folder = Path(source)
    if folder.exists() or not REPO.fullmatch(source):
        return folder
    try:
        return resolve(source)
    except SavgError:
        return folder  # its offer says that nothing is there


def _is_complete(folder: Path) -> bool:
    """Whether a folder's first pipeline and the detectors can be used."""
    try:
        return any(
            one.is_complete and one.components.keys() >= {*DETECTORS}
            for one in descriptions(folder)[:1]
        )
    except SavgError:
        return False


def _detectors(kind: Kind) -> dict[str, DetectorChoice]:
    """The registered detectors of a kind that can be used here."""
    return {
        name: DetectorChoice(entry.label, f"{entry.label}, {entry.words}", entry.load, entry.trust)
        for name, entry in detectors(kind).items()
        if entry.available
    }
