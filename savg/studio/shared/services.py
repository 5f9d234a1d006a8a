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
from typing import TYPE_CHECKING, Any, TypeVar

from savg.annotation import SoundEvents
from savg.clip import Clip
from savg.detectors import EVALUATION_DETECTOR, Kind, detectors
from savg.errors import SavgError, brief, is_whole
from savg.hub import REPO, resolve
from savg.paths import assets_dir
from savg.pipelines.description import Description, DescriptionError, descriptions
from savg.pipelines.registry import AUDIO, CLIPS, P, Registry
from savg.studio.shared import zero_gpu
from savg.studio.shared.choices import AudioChoice, DetectorChoice, PipelineChoice

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

LEAST, MOST = 4, 60
"""Steps of a diffusion network that visitors may ask for."""

STEPS, AUDIO_STEPS, MAX_STEPS = 20, 25, 10_000
"""Steps where a description names none, and the largest number that it may name."""

STRENGTHS = ("spatial", "envelope", "semantic")
"""Conditions that audio can be steered by, as a sampler names their weights."""

BROKEN = "Its description is wrong: it cannot be used."

RESERVED = ("demo", "together")
"""Keys that no folder of SAVG_WEIGHTS gets: the bundled weights, and pipelines side by side."""

T = TypeVar("T")


def bundled() -> Services:
    """The detectors and the pipelines of the bundled demo weights, and pipelines of SAVG_WEIGHTS.

    That environment variable lists folders with a pipeline.json, separated as in PATH. A pipeline whose
    description is wrong is offered last: a click tells what is wrong with it. Visitors see names of
    folders, in keys as in sentences, and never where these lie.
    """
    persons = _detectors("persons")
    sounds = next(iter(_detectors("sounds").values()))
    folder = assets_dir() / "demo"
    offers = _Offers()
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


@dataclass
class _Offers:
    """What folders of weights offer; `broken` stands for pipelines whose description is wrong.

    keys: those of the folders so far.
    """

    pipelines: dict[str, PipelineChoice] = field(default_factory=dict)
    audio_pipelines: dict[str, AudioChoice] = field(default_factory=dict)
    broken: dict[str, PipelineChoice] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=lambda: set(RESERVED))

    def new_key(self, name: str) -> str:
        """The key of a folder of that name: "mine", or "mine2" where another one is called so."""
        key, number = name, 2
        while key in self.keys:
            key, number = f"{name}{number}", number + 1
        self.keys.add(key)
        return key

    def add(self, key: str, where: str, folder: Path, default: str) -> tuple[str, ...]:
        """Add what a folder describes; returns the keys of its pipelines from a seed.

        where: the end of the labels; default: the name of a pipeline that has none. The first one is
        always offered, so that a click tells what is wrong with it; others are if they are complete.
        """
        try:
            first, *others = descriptions(folder) or [Description(folder, {})]
        except SavgError as error:
            self._add_broken(key, where, default, folder, error)
            return ()
        offers = [(key, first)]
        offers += [(f"{key}/{one.name}", one) for one in others if one.is_complete]
        names = []
        for place, one in offers:
            name = one.name or default
            try:
                is_clips = self._add_one(place, one, name, where, place == key)
            except SavgError as error:
                self._add_broken(place, where, name, folder, error)
                continue
            names += [place] if is_clips else []
        return tuple(names)

    def _add_one(
        self, place: str, description: Description, name: str, where: str, always: bool
    ) -> bool:
        """Add one pipeline; whether it makes clips from a seed."""
        if name in AUDIO:
            label = f"{AUDIO.entries[name].title} {where}"
            self.audio_pipelines[place] = _audio_choice(
                label, description, _told(place, description)
            )
        elif name in CLIPS or always:
            weights = _told(place, description)
            choice = _clip_choice(name, where, description, weights)
            stages = [_audio_choice(choice.label, s, weights) for s in _audio_stages(description)]
            self.pipelines[place] = choice
            for stage in stages:
                self.audio_pipelines[place] = stage
            return True
        return False

    def _add_broken(
        self, place: str, where: str, name: str, folder: Path, error: SavgError
    ) -> None:
        def fail() -> ClipPipeline:
            raise error

        title = CLIPS.entries[name].title if name in CLIPS else name.capitalize()
        steps = (LEAST, STEPS, MOST)
        load = partial(_without_place, folder, fail)
        self.broken[place] = PipelineChoice(f"{title} {where}", BROKEN, steps, load, title)
        self.problems.append(str(error))


def _clip_choice(name: str, where: str, description: Description, weights: str) -> PipelineChoice:
    entry = CLIPS.entries.get(name)
    title = entry.title if entry else name.capitalize()
    steps = min(max(_steps(description, STEPS), LEAST), MOST)
    return PipelineChoice(
        f"{title} {where}",
        entry.about if entry else "",
        (LEAST, steps, MOST),
        _loader(CLIPS, description, name),
        name=title,
        boxes=description.takes_boxes,
        registered=name,
        weights=weights,
    )


def _loader(registry: Registry[P], description: Description, name: str) -> Callable[[], P]:
    folder = description.folder
    return partial(_without_place, folder, partial(registry.load, folder, name))


def _without_place(folder: Path, load: Callable[[], T]) -> T:
    """What `load` gives; its errors name the folder and not where that lies, as visitors read them."""
    try:
        return load()
    except SavgError as error:
        words = str(error)
        for path in {str(folder), str(folder.absolute()), str(folder.resolve())}:
            words = words.replace(path, folder.name)
        raise SavgError(words) from error


def _audio_stages(description: Description) -> Iterator[Description]:
    return (stage for stage in description.stages.values() if stage.name in AUDIO)


def _told(place: str, description: Description) -> str:
    """Where the weights of a pipeline under a key are, as visitors may know it."""
    return "demo" if place.partition("/")[0] == "demo" else description.folder.name


def _audio_choice(label: str, description: Description, weights: str) -> AudioChoice:
    steps = _steps(description, AUDIO_STEPS)
    guidance = description.sampler.get("guidance", 4.5)
    if isinstance(guidance, bool) or not isinstance(guidance, int | float):
        raise _wrong(description, f"guidance must be a number, got {brief(guidance)}.")
    entry = AUDIO.entries[description.name]
    strengths = {name: description.sampler.get(name, 1.0) for name in STRENGTHS if entry.steers}
    if not all(isinstance(value, int | float) for value in strengths.values()):
        raise _wrong(description, f"strengths must be numbers, got {brief(strengths)}.")
    return AudioChoice(
        label,
        entry.about,
        (1, steps, max(MOST, steps)),
        _loader(AUDIO, description, description.name),
        guidance=float(guidance),
        boxes=description.takes_boxes,
        follows=entry.follows,
        steers=entry.steers,
        strengths=strengths,
        registered=description.name,
        weights=weights,
    )


def _steps(description: Description, default: int) -> int:
    """The sampler's number of steps."""
    steps = description.sampler.get("steps", default)
    if not is_whole(steps) or not 0 < steps <= MAX_STEPS:
        problem = f"steps must be a whole number in 1..{MAX_STEPS}, got {brief(steps)}."
        raise _wrong(description, problem)
    return int(steps)


def _wrong(description: Description, problem: str) -> SavgError:
    own = isinstance(description.values.get("sampler"), Mapping)
    first = description if own else next(iter(description.stages.values()), description)
    return DescriptionError(f"sampler: {problem}").of(first)


def _detectors(kind: Kind) -> dict[str, DetectorChoice]:
    """The registered detectors of a kind that can be used here."""
    return {
        name: DetectorChoice(entry.label, f"{entry.label}, {entry.words}", entry.load, entry.trust)
        for name, entry in detectors(kind).items()
        if entry.available
    }
