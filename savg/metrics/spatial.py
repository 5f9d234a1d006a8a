"""Spatial AV-Align: do sounds come from where persons are? [S1, S2]

x in pixels of a 256-wide frame, left is small. A sound event is a true positive if a person box
in its video frame or one beside it overlaps x ± 40 pixels. Beside the score stand three chance
baselines of the same boxes: sounds at the centre, swapped left to right, shuffled between clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from savg.annotation import MARGIN, Alignment, Boxes, SoundEvents
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.metrics.base import Cells, Item, Metric, MetricResult, Need, with_interval
from savg.metrics.statistics import RESAMPLES, other_pairs, pooled_share, share_interval

FRAMES_AROUND = 1
"""Neighbouring video frames on each side that count too (the code's rule; [S2] leaves it out)."""

BASELINES = ("centre", "swapped", "shuffled")
"""Names of the chance baselines."""

Pair = tuple[SoundEvents, Boxes]

Formats = ClipFormat | Sequence[ClipFormat]
"""The format of every clip, or one for each."""


class FrameError(SavgError, ValueError):
    """A sound event that lies after the end of the clip."""


def spatial_av_align(
    events: SoundEvents, boxes: Boxes, format: ClipFormat = SAVGBENCH, margin: float = MARGIN
) -> Alignment:
    """Judge each sound event as the published evaluation does, to the row.

    The video frame of label frame f is round-half-even(f / label_fps · fps); the one after the last
    counts as the last. Coordinates are truncated to whole pixels, towards zero, and touching
    counts.

    Args:
        events: x in pixels of the format's frame.
        boxes: persons, in the same pixels.
        format: of the clip.
        margin: pixels to either side of an event within which a box counts.

    Raises:
        FrameError: an event lies after the end of the clip, and there are boxes to compare with.

    Example:
        >>> spatial_av_align(SoundEvents.read_csv("a.events.csv"), Boxes.read_csv("a.boxes.csv")).score
    """
    frame = np.rint(events.frames * (format.fps / format.label_fps)).astype(np.int64)
    late = frame > format.frames
    if late.any() and len(boxes):
        raise FrameError(
            f"Label frames of sound events must be < {format.label_frames} in a clip of "
            f"{format.frames / format.fps:g} s, got {events.frames[late][0]}."
        )
    frame = np.minimum(frame, format.frames - 1)
    x = np.trunc(events.x)[:, None]
    left, right = np.trunc(boxes.xyxy[:, 0]), np.trunc(boxes.xyxy[:, 2])
    near = np.abs(boxes.frames - frame[:, None]) <= FRAMES_AROUND
    overlap = (right >= x - margin) & (left <= x + margin)
    return Alignment((near & overlap).any(axis=1), margin)


@dataclass(frozen=True)
class Baselines:
    """Scores of the same boxes with other sound events; None where there is nothing to judge."""

    centre: float | None
    swapped: float | None
    shuffled: float | None


def chance_baselines(
    pairs: Sequence[Pair],
    format: Formats = SAVGBENCH,
    seed: int = 0,
    rounds: int = 32,
    margin: float = MARGIN,
) -> Baselines:
    """Scores of the clips' boxes with (a) every event at the centre, (b) left and right swapped, (c)
    the events of other clips: every other one up to 64 clips, else `rounds` random shifts of a random
    order. Of a longer clip's events only those within the shorter clip are taken.

    Args:
        pairs: sound events and boxes of each clip.
        format: of every clip, or one for each.
        seed: of the random shifts.
        rounds: number of random shifts.
        margin: pixels to either side of an event within which a box counts.
    """
    counts = baseline_counts(pairs, format, seed, rounds, margin)
    return Baselines(**{name: pooled_share(c) for name, c in counts.items()})


def baseline_counts(
    pairs: Sequence[Pair],
    format: Formats = SAVGBENCH,
    seed: int = 0,
    rounds: int = 32,
    margin: float = MARGIN,
) -> dict[str, NDArray[np.int64]]:
    """True positives and false negatives [clips, 2] of each chance baseline; row i has the boxes of
    clip i."""
    formats = _each(format, len(pairs))
    counts = {name: np.zeros((len(pairs), 2), np.int64) for name in BASELINES}
    for i, ((events, boxes), clip_format) in enumerate(zip(pairs, formats, strict=True)):
        centred = events.with_x(np.full(len(events), clip_format.size / 2))
        counts["centre"][i] = _judged(centred, boxes, clip_format, margin)
        counts["swapped"][i] = _judged(
            events.mirrored(clip_format.size), boxes, clip_format, margin
        )
    for i, j in other_pairs(len(pairs), seed, rounds):
        borrowed = within(pairs[j][0], formats[i])
        counts["shuffled"][i] += _judged(borrowed, pairs[i][1], formats[i], margin)
    return counts


@dataclass(frozen=True)
class SpatialReport:
    """Spatial AV-Align of a set of clips: pooled counts, a 95 % interval over clips, and the chance
    baselines, each with its own interval by name (None where there is nothing to judge)."""

    clips: int
    tp: int
    fn: int
    score: float | None
    low: float | None
    high: float | None
    baselines: Baselines
    baseline_intervals: dict[str, list[float] | None] = field(default_factory=dict)


def spatial_report(
    pairs: Sequence[Pair],
    format: Formats = SAVGBENCH,
    seed: int = 0,
    resamples: int = RESAMPLES,
    margin: float = MARGIN,
) -> SpatialReport:
    """Score a set of clips; intervals are the percentile bootstrap over whole clips, whatever their
    lengths, those of the baselines over the clips whose boxes are used.

    Args:
        pairs: sound events and boxes of each clip.
        format: of every clip, or one for each.
        seed: of the bootstrap and the random shifts.
        resamples: of the bootstrap.
        margin: pixels to either side of an event within which a box counts.

    Raises:
        FrameError: an event lies after the end of its clip.
    """
    formats = _each(format, len(pairs))
    counts = np.zeros((len(pairs), 2), np.int64)
    for i, (pair, clip_format) in enumerate(zip(pairs, formats, strict=True)):
        counts[i] = _judged(*pair, clip_format, margin)
    low, high = share_interval(counts, seed, resamples)
    baselines, intervals = {}, {}
    for name, chance in baseline_counts(pairs, formats, seed, margin=margin).items():
        baselines[name] = pooled_share(chance)
        interval = share_interval(chance, seed, resamples)
        intervals[name] = None if interval[0] is None else list(interval)
    tp, fn = (int(n) for n in counts.sum(axis=0))
    score = pooled_share(counts)
    return SpatialReport(len(pairs), tp, fn, score, low, high, Baselines(**baselines), intervals)


def within(events: SoundEvents, format: ClipFormat) -> SoundEvents:
    """The events that begin before the end of a clip of that format."""
    return events.select(events.frames < format.label_frames)


def off_centre(
    events: SoundEvents, format: ClipFormat = SAVGBENCH, margin: float = MARGIN
) -> SoundEvents:
    """The events more than `margin` pixels from the centre, where a guess of it gains nothing."""
    return events.select(np.abs(events.x - format.size / 2) > margin)


def _each(format: Formats, count: int) -> list[ClipFormat]:
    """A format for each of `count` clips."""
    formats = [format] * count if isinstance(format, ClipFormat) else list(format)
    if len(formats) != count:
        raise ValueError(f"There must be a format for each of {count} clips, got {len(formats)}.")
    return formats


def _judged(
    events: SoundEvents, boxes: Boxes, clip_format: ClipFormat, margin: float
) -> tuple[int, int]:
    alignment = spatial_av_align(events, boxes, clip_format, margin)
    return alignment.tp, alignment.fn


class SpatialAvAlign(Metric):
    """Share of sound events with a person at their position [S1], with its chance baselines.

    margin: pixels to either side of a sound event.
    """

    name = "spatial_av_align"
    label = "Spatial AV-Align"
    unit = "share of sound events"
    higher_is_better = True
    needs = frozenset({Need.PERSONS, Need.SOUNDS})
    margin: ClassVar[float] = MARGIN

    @classmethod
    def pair(cls, item: Item) -> Pair:
        """The events that are judged, and the boxes."""
        return item.observation.events, item.observation.boxes

    @classmethod
    def cells(cls, item: Item) -> Cells:
        events, boxes = cls.pair(item)
        judged = spatial_av_align(events, boxes, item.observation.format, cls.margin)
        return {"tp": judged.tp, "fn": judged.fn, "score": judged.score}

    def compute(self) -> MetricResult:
        items = self.items
        report = spatial_report(
            [self.pair(item) for item in items],
            [item.observation.format for item in items],
            self.seed,
            margin=self.margin,
        )
        baselines = {name: getattr(report.baselines, name) for name in BASELINES}
        counts = {"tp": report.tp, "fn": report.fn, "null_intervals": report.baseline_intervals}
        if report.score is None:
            reason = "No clip has a sound event to judge."
            return MetricResult(
                self.name, None, n=len(items), nulls=baselines, notes={"reason": reason, **counts}
            )
        return MetricResult(
            self.name, report.score, report.low, report.high, len(items), baselines, counts
        )

    @classmethod
    def text(cls, result: MetricResult) -> str:
        return with_interval(result, more=f"{result.notes['tp']} TP, {result.notes['fn']} FN")


class SpatialOffCentre(SpatialAvAlign):
    """The same of the events well off the centre, where a guess of the centre gains nothing."""

    name = "spatial_off_centre"
    label = f"Spatial AV-Align, sounds > {MARGIN} px off the centre"

    @classmethod
    def pair(cls, item: Item) -> Pair:
        events, boxes = item.observation.events, item.observation.boxes
        return off_centre(events, item.observation.format, cls.margin), boxes

    @classmethod
    def cells(cls, item: Item) -> Cells:
        return {}
