"""What a visitor can ask of the Generate tab, checked, and how it is done."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.errors import SavgError, whole_number
from savg.pipelines.direction_text import FRAMES_ONLY
from savg.pipelines.progress import OnStep
from savg.pipelines.settings import GenerationSettings
from savg.studio.shared import components
from savg.studio.shared.context import Context
from savg.studio.shared.inputs import MAX_SEED, entered
from savg.studio.shared.jobs import Job
from savg.studio.shared.library import NOBODY, RESULTS, StoredClip, media_url
from savg.studio.shared.offers import BROKEN
from savg.studio.shared.services import Services

if TYPE_CHECKING:
    from savg.pipelines.base import ClipPipeline
    from savg.pipelines.direction import Direction
    from savg.studio.shared.choices import PipelineChoice

MAX_CLIPS = 8

TOGETHER = "together"
"""The choice that gives one seed to several pipelines."""

TOGETHER_ABOUT = (
    "One seed goes to both: the clips appear beside each other, each with its score. Takes as long as "
    "both."
)

GENERATED = 0.95
"""Share of a clip's work when it is generated, before it is annotated."""


@dataclass(frozen=True)
class GenerateChoice:
    """A choice of the list: the pipelines that it runs, in order.

    short: what one alone is called beside others; registered, weights: its registered name, and whose
    weights it has, of each of `names`; undirected: what those that take no direction are called;
    frames_only: whether one directs its frames and not the audio made for them; learnt: the number of
    steps that each of `names` was distilled for, None where visitors choose it.
    """

    label: str
    about: str
    steps: tuple[int, int, int]
    names: tuple[str, ...]
    boxes: bool
    short: str = ""
    sources: tuple[tuple[str, str], ...] = ()
    broken: bool = False
    undirected: tuple[str, ...] = ()
    frames_only: bool = False
    learnt: tuple[int | None, ...] = (None,)

    @property
    def takes_steps(self) -> bool:
        """Whether the number of steps can be chosen."""
        return None in self.learnt

    def steps_of(self, place: int, steps: int) -> int:
        """The steps of the pipeline at a place, where a visitor asks for `steps`."""
        return self.learnt[place] or steps

    def evaluations(self, steps: int, each: int = 1) -> dict[str, float]:
        """What a clip of each pipeline costs, `each` evaluations of the network a step."""
        return {name: self.steps_of(place, steps) * each for place, name in enumerate(self.names)}

    @property
    def refusal(self) -> str:
        """Why it takes no direction, in a sentence; empty if it takes one."""
        if not self.undirected:
            return ""
        names = " and ".join(self.undirected)
        return f"These {names} weights were not trained with directions."

    @property
    def warning(self) -> str:
        """What it will not follow of a direction that it takes, in a sentence; empty for nothing."""
        return FRAMES_ONLY if self.frames_only and not self.undirected else ""

    @property
    def registered(self) -> str:
        """The registered name of the first pipeline."""
        return self.sources[0][0]

    @property
    def weights(self) -> str:
        """Whose weights the first pipeline has."""
        return self.sources[0][1]

    def settings(
        self,
        place: int,
        seed: int,
        index: int,
        steps: int,
        boxes: bool,
        direction: Direction | None = None,
    ) -> GenerationSettings:
        """What a clip of the pipeline at a place is generated with, where `steps` are asked for."""
        (name, weights), steps = self.sources[place], self.steps_of(place, steps)
        options: dict[str, Any] = {} if boxes or not self.boxes else {"boxes": False}
        options |= direction.to_options() if direction else {}
        return GenerationSettings(name, seed, index, steps, weights, options)


def generate_choices(services: Services) -> dict[str, GenerateChoice]:
    """What visitors can choose, the natural choice first: one pipeline, as more take longer."""
    choices = {}
    for name, one in services.pipelines.items():
        choices[name] = GenerateChoice(
            one.label,
            one.about,
            one.steps,
            (name,),
            one.boxes,
            one.name,
            (_source(services, name),),
            one.about == BROKEN,
            _undirected([one]),
            one.frames_only,
            (one.learnt,),
        )
    if len(services.together) > 1:
        together = [services.pipelines[name] for name in services.together]
        chosen = [one for one in together if one.learnt is None] or together[:1]
        least, default, most = zip(*(one.steps for one in chosen), strict=True)
        choices[TOGETHER] = GenerateChoice(
            "Both, side by side" if len(together) == 2 else "Side by side",
            TOGETHER_ABOUT,
            (max(least), default[0], min(most)),
            services.together,
            any(pipeline.boxes for pipeline in together),
            sources=tuple(_source(services, name) for name in services.together),
            undirected=_undirected(together),
            frames_only=any(one.frames_only for one in together),
            learnt=tuple(one.learnt for one in together),
        )
    return choices


def _source(services: Services, name: str) -> tuple[str, str]:
    one = services.pipelines[name]
    return one.registered or name, one.weights


def _undirected(pipelines: list[PipelineChoice]) -> tuple[str, ...]:
    return tuple((one.name or one.label).lower() for one in pipelines if not one.directs)


class GenerateRequest:
    """A visitor's request, checked; called with a job, it generates the clips."""

    def __init__(
        self,
        context: Context,
        pipeline: str,
        seed: float,
        steps: float,
        count: float,
        boxes: bool = True,
        owner: str = NOBODY,
        direction: Direction | None = None,
    ) -> None:
        self.context, self.owner = context, owner
        choices = generate_choices(context.services)
        if pipeline not in choices:
            raise SavgError("This pipeline is not known: choose one of the list.")
        self.choice = choices[pipeline]
        self.names = self.choice.names
        least, _, most = choices[pipeline].steps
        self.seed = whole_number("Seed", entered(seed), 0, MAX_SEED)
        self.steps = whole_number("Steps", entered(steps), least, most)
        self.count = whole_number("Clips", entered(count), 1, MAX_CLIPS)
        self.boxes = bool(boxes)
        if direction and self.choice.refusal:
            raise SavgError(self.choice.refusal)
        self.direction = direction
        self.total = self.count * len(self.names)

    def __call__(self, job: Job) -> None:
        """Generate one clip after the other; results are (stored clip, what the shelf shows of it).

        Each index of the seed goes to every pipeline before the next index does.
        """
        job.step(0, 1, "Loading the networks …")
        for name in self.names:
            self.context.services.pipeline(name)
        for index in range(self.count):
            pair = ""
            for place in range(len(self.names)):
                job.check()
                stored, row = self._one(job, index, place)
                pair = pair or stored.key
                if len(self.names) > 1:
                    row |= {"pair": pair, "place": place}
                    self.context.library.remember(stored.key, row)
                job.result((stored, row))

    def _one(self, job: Job, index: int, place: int) -> tuple[StoredClip, dict[str, Any]]:
        """Generate, store and annotate one clip."""
        choice = self.context.services.pipelines[self.names[place]]
        steps = self.choice.steps_of(place, self.steps)
        words, title = self._words(index, place)
        began = time.monotonic()
        clip = self._generated(job, index, place, words)
        number = index * len(self.names) + place
        job.step((number + GENERATED) / self.total, 1, f"{words}: looking for people and sounds …")
        origin = f"{choice.label}, {steps} steps"
        if choice.boxes and not self.boxes:
            origin += ", without boxes"
        boxes = self.boxes or not choice.boxes
        settings = self.choice.settings(place, self.seed, index, self.steps, boxes, self.direction)
        if settings.direction_words:
            origin += f", {settings.direction_words}"
        stored = self.context.library.add(clip, title, origin, self.owner, settings, settings.name)
        row = self._row(stored, self.names[place], choice.name)
        self.context.library.remember(stored.key, row)
        evaluations = self.direction.evaluations if self.direction else 1
        seconds = time.monotonic() - began
        self.context.pace.add(self.names[place], steps * evaluations, seconds)
        return stored, row

    def _words(self, index: int, place: int) -> tuple[str, str]:
        """What progress calls a clip, and its title."""
        words = f"Clip {index + 1} of {self.count}" if self.count > 1 else "Clip"
        title = f"Seed {self.seed}" + (f", clip {index + 1}" if index else "")
        if len(self.names) > 1:
            name = self.context.services.pipelines[self.names[place]].name.lower()
            return f"{words}, {name}", f"{title}, {name}"
        return words, title

    def _generated(self, job: Job, index: int, place: int, words: str) -> Clip:
        name = self.names[place]
        pipeline = self.context.services.pipeline(name)
        number = index * len(self.names) + place
        steps = self.choice.steps_of(place, self.steps)
        stages = pipeline.stages(steps)

        def on_step(done: int, total: int, preview: Any) -> bool:
            share = (number + GENERATED * done / max(total, 1)) / self.total
            text = f"{words}: {_stage_words(stages, done, total)}"
            return job.step(share, 1, text, preview_frame(preview))

        options: dict[str, Any] = {}
        if self.context.services.pipelines[name].boxes:
            options["boxes"] = self.boxes
        if self.direction:
            options["direction"] = self.direction
        return one_clip(pipeline, index, self.seed, steps, on_step, **options)

    def _row(self, stored: StoredClip, pipeline: str, name: str) -> dict[str, Any]:
        """Score and annotation of a pipeline's clip, as the shelf shows them."""
        detector = self.context.services.clip_detector(pipeline)
        annotation = self.context.annotations.annotation(stored, detector)
        url = media_url(stored.results(detector) / f"{RESULTS}.json")
        return components.judged(annotation) | {"name": name, "annotation": url, "by": detector}


def _stage_words(stages: tuple[tuple[str, int], ...], done: int, total: int) -> str:
    """Where a step lies, in words."""
    if sum(steps for _, steps in stages) == total:
        before = 0
        for name, steps in stages:
            if done <= before + steps:
                return f"{name}, step {done - before} of {steps}"
            before += steps
    return f"step {done} of {total}"


def one_clip(
    pipeline: ClipPipeline, index: int, seed: int, steps: int, on_step: OnStep, **options: Any
) -> Clip:
    """Clip `index` of a seed, by itself: a clip does not depend on the others of its batch."""
    return pipeline(1, seed=seed, first=index, steps=steps, on_step=on_step, **options)[0]


def preview_frame(preview: Any) -> NDArray[np.uint8] | None:
    """The middle frame of a preview: uint8 frames [..., h, w, 3], or None."""
    if preview is None:
        return None
    array = np.asarray(preview)
    if array.dtype != np.uint8 or array.ndim < 3 or array.shape[-1] != 3:
        return None
    frames = array.reshape(-1, *array.shape[-3:])
    return frames[len(frames) // 2]
