"""What a visitor can ask of the Generate tab, checked, and how it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError
from savg.studio.shared.context import Context
from savg.studio.shared.jobs import Job
from savg.studio.shared.library import RESULTS, StoredClip, media_url
from savg.studio.shared.services import Services

MAX_SEED = 2**31 - 1
MAX_CLIPS = 8

TOGETHER = "together"
"""The choice that gives one seed to several pipelines."""

TOGETHER_ABOUT = "One seed goes to both: the clips appear beside each other, each with its score."


@dataclass(frozen=True)
class Offer:
    """A choice of the list: the pipelines that it runs, in order."""

    label: str
    about: str
    steps: tuple[int, int, int]
    names: tuple[str, ...]
    boxes: bool


def offered(services: Services) -> dict[str, Offer]:
    """What visitors can choose, the natural choice first."""
    offers = {}
    if len(services.together) > 1:
        some = [services.pipelines[name] for name in services.together]
        least, default, most = zip(*(choice.steps for choice in some), strict=True)
        steps = (max(least), default[0], min(most))
        label = "Both, side by side" if len(some) == 2 else "Side by side"
        boxes = any(choice.boxes for choice in some)
        offers[TOGETHER] = Offer(label, TOGETHER_ABOUT, steps, services.together, boxes)
    for name, one in services.pipelines.items():
        offers[name] = Offer(one.label, one.about, one.steps, (name,), one.boxes)
    return offers


class Order:
    """What a visitor asked for, checked; called with a job, it does it."""

    def __init__(
        self,
        context: Context,
        pipeline: str,
        seed: float,
        steps: float,
        count: float,
        boxes: bool = True,
    ) -> None:
        self.context = context
        choices = offered(context.services)
        if pipeline not in choices:
            raise SavgError("This pipeline is not known: choose one of the list.")
        self.names = choices[pipeline].names
        least, _, most = choices[pipeline].steps
        self.seed = whole(seed, "Seed", 0, MAX_SEED)
        self.steps = whole(steps, "Steps", least, most)
        self.count = whole(count, "Clips", 1, MAX_CLIPS)
        self.boxes = bool(boxes)
        self.total = self.count * len(self.names)

    def __call__(self, job: Job) -> None:
        """Generate one clip after the other; results are (stored clip, what is said of it).

        Each index of the seed goes to every pipeline before the next index does.
        """
        job.step(0, 1, "Loading the networks …")
        for name in self.names:
            self.context.services.pipeline(name)
        for index in range(self.count):
            pair = ""
            for place in range(len(self.names)):
                job.check()
                stored, said = self._one(job, index, place)
                pair = pair or stored.key
                if len(self.names) > 1:
                    said |= {"pair": pair, "place": place}
                job.result((stored, said))

    def _one(self, job: Job, index: int, place: int) -> tuple[StoredClip, dict[str, Any]]:
        from savg.evaluation.annotate import summary

        services, name = self.context.services, self.names[place]
        choice, generate = services.pipelines[name], services.pipeline(name)
        number = index * len(self.names) + place
        words = f"Clip {index + 1} of {self.count}" if self.count > 1 else "Clip"
        title = f"Seed {self.seed}" + (f", clip {index + 1}" if index else "")
        if len(self.names) > 1:
            words, title = f"{words}, {choice.name.lower()}", f"{title}, {choice.name.lower()}"
        stages = _stages(generate, self.steps)

        def on_step(done: int, total: int, preview: Any) -> bool:
            share = (number + 0.95 * done / max(total, 1)) / self.total
            told = f"{words}: {_stage_words(stages, done, total)}"
            return job.step(share, 1, told, preview_picture(preview))

        extra = {"boxes": self.boxes} if choice.boxes else {}
        clip = one_clip(generate, index, self.seed, self.steps, on_step, **extra)
        share = (number + 0.95) / self.total
        job.step(share, 1, f"{words}: looking for persons and sounds …")
        origin = f"{choice.label}, {self.steps} steps"
        if choice.boxes and not self.boxes:
            origin += ", without boxes"
        stored = self.context.library.add(clip, title, origin)
        detector = next(iter(services.persons))
        annotation = self.context.analyst.annotation(stored, detector)
        rows = media_url(stored.results(detector) / f"{RESULTS}.json")
        said = {"name": choice.name, "annotation": rows}
        return stored, summary(annotation.alignment) | said


def _stages(generate: Any, steps: int) -> tuple[tuple[str, int], ...]:
    """Names and steps of what a pipeline does for a clip; empty where it does not tell."""
    tell = getattr(generate, "stages", None)
    return tell(steps) if tell else ()


def _stage_words(stages: tuple[tuple[str, int], ...], done: int, total: int) -> str:
    """Where a step lies, in words."""
    if sum(steps for _, steps in stages) == total:
        before = 0
        for name, steps in stages:
            if done <= before + steps:
                return f"{name}, step {done - before} of {steps}"
            before += steps
    return f"step {done} of {total}"


def one_clip(generate: Any, index: int, seed: int, steps: int, on_step: Any, **extra: Any) -> Any:
    """Clip `index` of a seed, by itself: a clip does not depend on the others of its batch."""
    return generate(1, seed=seed, first=index, steps=steps, on_step=on_step, **extra)[0]


def whole(value: Any, name: str, least: int, most: int) -> int:
    """A whole number that a visitor gave, or a SavgError that says what it may be."""
    if not isinstance(value, int | float) or value != value or not least <= value <= most:
        raise SavgError(f"{name} is a whole number from {least} to {most}, not {value}.")
    return int(value)


def preview_picture(preview: Any) -> NDArray[np.uint8] | None:
    """The middle picture of a preview: uint8 pictures [..., h, w, 3], or None."""
    if preview is None:
        return None
    array = np.asarray(preview)
    if array.dtype != np.uint8 or array.ndim < 3 or array.shape[-1] != 3:
        return None
    pictures = array.reshape(-1, *array.shape[-3:])
    return pictures[len(pictures) // 2]
