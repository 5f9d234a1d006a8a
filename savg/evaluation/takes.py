"""Several takes of a clip, judged by the detectors, the best of them first.

A take is judged by what it was made for: that sounds come from people, and what was asked of it.
Its score is what these detectors see; chance baselines of the same boxes stand beside it. Takes that
detectors chose cannot be evaluated by the same ones.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.annotation import INSTRUMENT, PERSON, SPEECH, Boxes, SoundEvents
from savg.clip import Clip
from savg.evaluation.observe import Detectors
from savg.format import ClipFormat
from savg.geometry import on_path
from savg.metrics.people_count import people_in_frames
from savg.metrics.pixel_error import mean_distance
from savg.metrics.spatial import chance_baselines, spatial_av_align, within
from savg.paths import atomic_file

SOUNDS = {"speech": SPEECH, "instrument": INSTRUMENT}


@dataclass(frozen=True)
class Asked:
    """What was asked of clips; None is left open.

    sound: "speech" or "instrument"; x: places in pixels, spread evenly over the clip; people: how many.
    """

    sound: str | None = None
    x: Sequence[float] | None = None
    people: int | None = None

    def x_at(self, seconds: NDArray[np.float64], duration: float) -> NDArray[np.float64]:
        """Where the sound was asked to be at times [N] of a clip of `duration` seconds, in pixels; NaN
        where that was left open."""
        if self.x is None:
            return np.full(len(seconds), np.nan)
        return on_path(self.x, seconds, duration)

    def x_of(self, events: SoundEvents, format: ClipFormat) -> NDArray[np.float64]:
        """The same at each sound event [N]."""
        return self.x_at((events.frames + 0.5) / format.label_fps, format.seconds)


@dataclass(frozen=True)
class Take:
    """A judged take; None where there is nothing to judge.

    score: Spatial AV-Align of the clip, with tp and fn; centre, swapped: its chance baselines;
    distance: pixels between sounds and the nearest person; x_error: pixels between sounds and where
    they were asked; sound_share: of the events, of the sound that was asked for; people_share: of the
    frames, with as many people as were asked for.
    """

    index: int
    score: float | None
    tp: int
    fn: int
    centre: float | None
    swapped: float | None
    distance: float | None
    x_error: float | None = None
    sound_share: float | None = None
    people_share: float | None = None

    @property
    def cost(self) -> float:
        """What takes are ranked by, in pixels: less is better; infinite where nothing is judged.

        A person or a sound that is not as asked counts like a place off by a whole frame.
        """
        if self.score is None or self.distance is None:
            return float("inf")
        cost = 256 * (1 - self.score) + self.distance + (self.x_error or 0.0)
        for share in (self.sound_share, self.people_share):
            cost += 0 if share is None else 256 * (1 - share)
        return cost


def judge(clip: Clip, detectors: Detectors, asked: Asked, index: int) -> Take:
    """What the detectors find in a take; index: its number of the seed."""
    boxes = detectors.persons(clip)
    boxes = boxes.select(boxes.categories == PERSON)
    if boxes.scores is not None and detectors.threshold is not None:
        boxes = boxes.select(boxes.scores >= detectors.threshold)
    return judged(clip, boxes, within(detectors.sounds(clip), clip.format), asked, index)


def judged(clip: Clip, boxes: Boxes, events: SoundEvents, asked: Asked, index: int) -> Take:
    """A take by its detections."""
    alignment = spatial_av_align(events, boxes, clip.format)
    nulls = chance_baselines([(events, boxes)], clip.format)
    x_error = sound_share = people_share = None
    if asked.x is not None and len(events):
        x_error = float(np.abs(events.x - asked.x_of(events, clip.format)).mean())
    if asked.sound is not None and len(events):
        sound_share = float((events.categories == SOUNDS[asked.sound]).mean())
    if asked.people is not None:
        counts = people_in_frames(boxes, clip.format.frames)
        people_share = float((counts == asked.people).mean())
    return Take(
        index,
        alignment.score,
        alignment.tp,
        alignment.fn,
        nulls.centre,
        nulls.swapped,
        mean_distance(events, boxes, clip.format).px,
        x_error,
        sound_share,
        people_share,
    )


def best(takes: Sequence[Take]) -> Take:
    """The take of least cost, of equals the first."""
    return min(takes, key=lambda take: (take.cost, take.index))


def write_takes(path: Path, groups: Sequence[Sequence[Take]]) -> None:
    """A table of all takes, whole or not at all: columns clip, kept and the fields of `Take`."""
    names = [field.name for field in fields(Take)]
    with atomic_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["clip", "kept", *names])
        for clip, takes in enumerate(groups):
            kept = best(takes)
            for take in takes:
                values = asdict(take)
                row = ["" if values[name] is None else _plain(values[name]) for name in names]
                rows.writerow([clip, int(take is kept), *row])


def _plain(value: float) -> str:
    return f"{value:.6g}"
