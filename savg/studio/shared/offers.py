"""What folders of weights offer to visitors: pipelines and audio for videos, each with its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from savg.errors import SavgError, brief, is_whole
from savg.pipelines.description import Description, DescriptionError, descriptions
from savg.pipelines.optional_conditions import no_depth, no_words
from savg.pipelines.registry import AUDIO, CLIPS, P, Registry
from savg.studio.shared.choices import AudioChoice, PipelineChoice

if TYPE_CHECKING:
    from savg.pipelines.base import ClipPipeline

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


@dataclass
class Offers:
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
    learnt = description.learnt_steps
    return PipelineChoice(
        f"{title} {where}",
        entry.about if entry else "",
        (LEAST, steps, MOST) if learnt is None else (learnt, learnt, learnt),
        _loader(CLIPS, description, name),
        name=title,
        boxes=description.takes_boxes,
        registered=name,
        weights=weights,
        directs=description.takes_directions,
        frames_only=description.directs_frames_only,
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
    missing_words, missing_depth = _missing(description) if entry.steers else (str, str)
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
        missing_words=missing_words,
        missing_depth=missing_depth,
        registered=description.name,
        weights=weights,
    )


def _missing(description: Description) -> tuple[Callable[[], str], Callable[[], str]]:
    """What tells why words and depth cannot be had; SavgError now for a wrong description."""
    both = partial(no_words, description), partial(no_depth, description)
    for missing in both:
        missing()
    return both


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
