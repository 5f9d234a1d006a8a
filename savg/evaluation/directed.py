"""Do clips show and sound as they were told? Errors against what was asked of each clip.

x in pixels of the 256-wide frame, from the left. Sounds and people are those that detectors find, so
that detectors' own errors are in every figure. Chance baselines take the same clips with the conditions
of clips that were asked for something else ("shuffled"), and with sounds or people in the middle of the
frame ("centre").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.annotation import PERSON, Boxes, SoundEvents
from savg.evaluation.takes import SOUNDS, Asked
from savg.format import SAVGBENCH, ClipFormat
from savg.metrics.base import MetricResult
from savg.metrics.people_count import people_count, wrong_people
from savg.metrics.person_position import person_centres
from savg.metrics.statistics import (
    mean_interval,
    other_pairs,
    percentiles,
    pooled_median_interval,
    resampled_clips,
    share_interval,
)
from savg.metrics.trajectory import (
    LEAST_EVENTS,
    LEAST_SPREAD,
    clip_correlation,
    moments,
    pooled_correlation,
)

SOUND_X = "asked_x_to_sound_px"
PERSON_X = "asked_x_to_nearest_person_px"
SOUNDING_X = "asked_x_to_sounding_person_px"
SOUND_HEARD = "asked_sound_heard"
PATH_SOUND = "asked_path_and_sound_r"
PATH_SOUND_POOLED = "asked_path_and_sound_r_of_all_clips"
PATH_PERSON = "asked_path_and_person_r"
PATH_PERSON_POOLED = "asked_path_and_person_r_of_all_clips"

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DirectedClip:
    """What was asked of a clip, and what detectors find in it; boxes and events in pixels of the
    format's frame."""

    asked: Asked
    events: SoundEvents
    boxes: Boxes
    format: ClipFormat = SAVGBENCH

    @property
    def people(self) -> Boxes:
        """The boxes of persons."""
        return self.boxes.select(self.boxes.categories == PERSON)

    def asked_x(self, asked: Asked) -> Values:
        """x that was asked for at each sound event [N]."""
        return asked.x_of(self.events, self.format)

    def asked_x_of_frames(self, asked: Asked) -> Values:
        """x that was asked for at the middle of each video frame [frames]."""
        times = (np.arange(self.format.frames) + 0.5) / self.format.fps
        return asked.x_at(times, self.format.seconds)

    def centres(self, boxes: Boxes) -> Values:
        """x of the middles of boxes [N]."""
        return boxes.xyxy[:, [0, 2]].mean(axis=1)


Errors = Callable[[DirectedClip, Asked], Values]
"""A clip and what was asked of it (or of another one) → errors in pixels, NaN where there is none."""


def directed_results(clips: Sequence[DirectedClip], seed: int = 0) -> dict[str, MetricResult]:
    """Every measure of clips that were asked for something, by name.

    Medians are over all sound events (or frames) of all clips, shares and means over clips, intervals
    bootstraps over clips. A measure of a condition that no clip was asked for has no value.

    Example:
        >>> directed_results([DirectedClip(Asked("speech", (40,)), events, boxes)])
    """
    results = [
        _median(SOUND_X, clips, sound_errors, seed),
        _median(PERSON_X, clips, person_errors, seed),
        _median(SOUNDING_X, clips, sounding_errors, seed),
        sound_heard(clips, seed),
        *path_followed(clips, sound_path, (PATH_SOUND, PATH_SOUND_POOLED), seed),
        *path_followed(clips, person_path, (PATH_PERSON, PATH_PERSON_POOLED), seed),
    ]
    counted = [c for c in clips if c.asked.people is not None]
    people = wrong_people(
        [people_count(c.boxes, c.format.frames) for c in counted],
        [(c.asked.people or 0, c.asked.people or 0) for c in counted],
        seed,
    )
    return {result.name: result for result in (*results, people)}


def sound_errors(clip: DirectedClip, asked: Asked) -> Values:
    """Distance of each sound event from where it was asked to be [N]."""
    return np.abs(clip.events.x - clip.asked_x(asked))


def person_errors(clip: DirectedClip, asked: Asked) -> Values:
    """Distance of the nearest person from where the sound was asked to be, in each frame that shows
    one [N]."""
    people, x = clip.people, clip.asked_x_of_frames(asked)
    centres = clip.centres(people)
    return np.array(
        [
            np.abs(centres[people.frames == frame] - x[frame]).min()
            for frame in np.unique(people.frames)
            if frame < len(x)
        ]
    )


def sounding_errors(clip: DirectedClip, asked: Asked) -> Values:
    """Distance of the person nearest to each sound event from where the sound was asked to be [N]; NaN
    where nobody is seen."""
    return np.abs(
        person_centres(clip.events, clip.boxes, clip.format).nearest - clip.asked_x(asked)
    )


def _median(name: str, clips: Sequence[DirectedClip], errors: Errors, seed: int) -> MetricResult:
    """The median of all errors of the clips whose x was asked for."""
    placed = [c for c in clips if c.asked.x is not None]
    values = [_finite(errors(c, c.asked)) for c in placed]
    known = [v for v in values if len(v)]
    notes = {"clips": len(placed), "clips_without": len(placed) - len(known)}
    if not known:
        reason = "No clip that was asked for an x has both a sound or person and that x."
        return MetricResult(name, None, notes={"reason": reason, **notes})
    centres = [_finite(np.abs(_middle(c, errors))) for c in placed]
    others = [errors(placed[i], placed[j].asked) for i, j in _other(placed, _same_x, seed)]
    nulls = {"centre": _median_of(centres), "shuffled": _median_of(others)}
    low, high = pooled_median_interval(values, seed)
    value = float(np.median(np.concatenate(known)))
    return MetricResult(name, value, low, high, len(known), nulls, notes)


def _middle(clip: DirectedClip, errors: Errors) -> Values:
    """Distance of the middle of the frame from what was asked for, at the times of the errors' kind."""
    x = clip.asked_x_of_frames(clip.asked) if errors is person_errors else clip.asked_x(clip.asked)
    return x - clip.format.size / 2


def sound_heard(clips: Sequence[DirectedClip], seed: int = 0) -> MetricResult:
    """Share of the clips with most of their sound events in the class that was asked for; a silent clip
    counts as wrong."""
    told = [c for c in clips if c.asked.sound is not None]
    if not told:
        reason = "No clip was asked for a sound."
        return MetricResult(SOUND_HEARD, None, notes={"reason": reason})
    hits = np.array([_heard(c, c.asked) for c in told])
    low, high = share_interval(np.column_stack([hits, ~hits]).astype(np.int64), seed)
    pairs = _other(told, lambda a, b: a.sound == b.sound, seed)
    others = [_heard(told[i], told[j].asked) for i, j in pairs]
    wanted = [c.asked.sound for c in told]
    nulls = {
        "shuffled": float(np.mean(others)) if others else None,
        "always_one": max(wanted.count(sound) for sound in SOUNDS) / len(wanted),
    }
    silent = sum(not len(c.events) for c in told)
    return MetricResult(
        SOUND_HEARD, float(hits.mean()), low, high, len(told), nulls, {"silent": silent}
    )


def _heard(clip: DirectedClip, asked: Asked) -> bool:
    own = clip.events.categories == SOUNDS[asked.sound or ""]
    return bool(2 * own.sum() > len(own))


def sound_path(clip: DirectedClip, asked: Asked) -> Values:
    """x of the sound events and what was asked for at their times [2, N]."""
    return np.stack([clip.events.x, clip.asked_x(asked)])


def person_path(clip: DirectedClip, asked: Asked) -> Values:
    """x of the surest person and what was asked for, in each frame that shows a person [2, N]."""
    people, x = clip.people, clip.asked_x_of_frames(asked)
    people = people.select(people.frames < len(x))
    width, height = (people.xyxy[:, 2:] - people.xyxy[:, :2]).T
    sureness = width * height if people.scores is None else people.scores
    order = np.lexsort([-sureness, people.frames])
    frames, first = np.unique(people.frames[order], return_index=True)
    return np.stack([clip.centres(people)[order][first], x[frames]])


def path_followed(
    clips: Sequence[DirectedClip],
    path: Callable[[DirectedClip, Asked], Values],
    names: tuple[str, str],
    seed: int = 0,
) -> tuple[MetricResult, MetricResult]:
    """Correlation over time with a path that moves: the mean over clips, and of all clips together.

    path: sound_path or person_path. A clip with fewer than three values, or whose sound stays in one
    place, follows nothing: 0 in the mean. Clips that were asked to stay in one place do not count.
    """
    moving = [c for c in clips if moves(c)]
    if not moving:
        reason = "No clip was asked for a path that moves."
        first, second = (MetricResult(n, None, notes={"reason": reason}) for n in names)
        return first, second
    own = [path(c, c.asked) for c in moving]
    others = [path(moving[i], moving[j].asked) for i, j in _other(moving, _same_x, seed)]
    within = [clip_correlation(one) or 0.0 for one in own]
    low, high = mean_interval(within, seed)
    chance = [clip_correlation(one) or 0.0 for one in others]
    mean = MetricResult(
        names[0],
        float(np.mean(within)),
        low,
        high,
        len(within),
        {"shuffled": float(np.mean(chance)) if chance else None},
        {
            "median": float(np.median(within)),
            "too_few_values": sum(one.shape[1] < LEAST_EVENTS for one in own),
        },
    )
    return mean, _pooled(names[1], own, others, seed)


def _pooled(name: str, own: Sequence[Values], others: Sequence[Values], seed: int) -> MetricResult:
    table = np.array([moments(one) for one in own])
    value = pooled_correlation(table.sum(axis=0))
    used = int((table[:, 0] > 0).sum())
    if value is None:
        reason = "A correlation needs three values, and places that differ."
        return MetricResult(name, None, n=used, notes={"reason": reason})
    low = high = None
    if used > 1:
        drawn = table[resampled_clips(len(table), seed)].sum(axis=1)
        low, high = percentiles([r for r in map(pooled_correlation, drawn) if r is not None])
    shuffled = pooled_correlation(np.sum([moments(o) for o in others], axis=0)) if others else None
    return MetricResult(name, value, low, high, used, {"shuffled": shuffled})


def moves(clip: DirectedClip) -> bool:
    """Whether a clip was asked for a path that moves."""
    x = clip.asked_x_of_frames(clip.asked)
    return clip.asked.x is not None and float(x.std()) >= LEAST_SPREAD


def _same_x(a: Asked, b: Asked) -> bool:
    return tuple(a.x or ()) == tuple(b.x or ())


def _other(
    clips: Sequence[DirectedClip], same: Callable[[Asked, Asked], bool], seed: int
) -> list[tuple[int, int]]:
    """Pairs of clips that were asked for different things."""
    pairs = other_pairs(len(clips), seed)
    return [(i, j) for i, j in pairs if not same(clips[i].asked, clips[j].asked)]


def _finite(values: Values) -> Values:
    return values[np.isfinite(values)]


def _median_of(values: Sequence[Values]) -> float | None:
    known = np.concatenate([_finite(v) for v in values]) if values else np.zeros(0)
    return float(np.median(known)) if len(known) else None
