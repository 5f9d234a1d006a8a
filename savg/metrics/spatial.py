"""Spatial AV-Align: do sounds come from where persons are? [S1, S2]

x in pixels of a 256-wide frame, left is small. A sound event is a true positive if a person box
in its video frame or one beside it overlaps x ± 40 pixels. Beside the score stand three chance
baselines of the same boxes: sounds at the centre, swapped left to right, shuffled between clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from savg.annotation import MARGIN, PERSON, Alignment, Boxes, SoundEvents
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.metrics.base import Cells, Item, Metric, MetricResult, Need, with_interval
from savg.metrics.chance import Corrected, corrected_score
from savg.metrics.event_rows import event_rows
from savg.metrics.spatial_groups import by_class, by_position
from savg.metrics.spatial_warnings import spatial_warnings
from savg.metrics.statistics import RESAMPLES, other_pairs, pooled_share, share_interval

FRAMES_AROUND = 1
"""Neighbouring video frames on each side that count too (the code's rule; [S2] leaves it out)."""

BASELINES = ("centre", "swapped", "shuffled")
"""Names of the chance baselines."""

Pair = tuple[SoundEvents, Boxes]

Formats = ClipFormat | Sequence[ClipFormat]
"""The format of every clip, or one for each."""

Judge = Callable[[SoundEvents, Boxes, ClipFormat], Alignment]
"""What says of each sound event of a clip whether a box is near."""


class FrameError(SavgError, ValueError):
    """A sound event that lies after the end of the clip."""


def spatial_av_align(
    events: SoundEvents,
    boxes: Boxes,
    format: ClipFormat = SAVGBENCH,
    margin: float = MARGIN,
    around: int = FRAMES_AROUND,
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
        around: neighbouring video frames on each side that count too; 0 for the rule of [S2]'s text.

    Raises:
        FrameError: an event lies after the end of the clip, and there are boxes to compare with.

    Example:
        >>> spatial_av_align(SoundEvents.read_csv("a.events.csv"), Boxes.read_csv("a.boxes.csv")).score
    """
    frame = video_frames(events, format)
    late = frame > format.frames
    if late.any() and len(boxes):
        raise FrameError(
            f"Label frames of sound events must be < {format.label_frames} in a clip of "
            f"{format.frames / format.fps:g} s, got {events.frames[late][0]}."
        )
    frame = np.minimum(frame, format.frames - 1)
    x = np.trunc(events.x)[:, None]
    left, right = np.trunc(boxes.xyxy[:, 0]), np.trunc(boxes.xyxy[:, 2])
    near = np.abs(boxes.frames - frame[:, None]) <= around
    overlap = (right >= x - margin) & (left <= x + margin)
    return Alignment((near & overlap).any(axis=1), margin)


def video_frames(events: SoundEvents, format: ClipFormat) -> NDArray[np.int64]:
    """The video frame of each event [N], round-half-even; events at a clip's end have the one after
    the last."""
    return np.rint(events.frames * (format.fps / format.label_fps)).astype(np.int64)


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
    judge: Judge | None = None,
) -> dict[str, NDArray[np.int64]]:
    """True positives and false negatives [clips, 2] of each chance baseline; row i has the boxes of
    clip i. judge: in place of `spatial_av_align` at that margin."""
    formats, judge = _each(format, len(pairs)), judge or partial(spatial_av_align, margin=margin)
    counts = {name: np.zeros((len(pairs), 2), np.int64) for name in BASELINES}
    for i, ((events, boxes), clip_format) in enumerate(zip(pairs, formats, strict=True)):
        centred = events.with_x(np.full(len(events), clip_format.size / 2))
        swapped = events.mirrored(clip_format.size)
        counts["centre"][i] = _counts(judge(centred, boxes, clip_format))
        counts["swapped"][i] = _counts(judge(swapped, boxes, clip_format))
    for i, j in other_pairs(len(pairs), seed, rounds):
        borrowed = within(pairs[j][0], formats[i])
        counts["shuffled"][i] += _counts(judge(borrowed, pairs[i][1], formats[i]))
    return counts


@dataclass(frozen=True)
class SpatialReport:
    """Spatial AV-Align of a set of clips.

    tp, fn, score: pooled over clips, with a 95 % interval; baselines: of chance, each with an interval
    by name (None where there is nothing to judge); corrected: the score corrected by the best of
    them; anywhere: the score of sounds spread evenly over the frame at the same times; alignments: of
    the clips, in order.
    """

    clips: int
    tp: int
    fn: int
    score: float | None
    low: float | None
    high: float | None
    baselines: Baselines
    baseline_intervals: dict[str, list[float] | None] = field(default_factory=dict)
    corrected: Corrected = field(default_factory=lambda: Corrected(None))
    anywhere: float | None = None
    alignments: Sequence[Alignment] = ()


def spatial_report(
    pairs: Sequence[Pair],
    format: Formats = SAVGBENCH,
    seed: int = 0,
    resamples: int = RESAMPLES,
    margin: float = MARGIN,
    judge: Judge | None = None,
) -> SpatialReport:
    """Score a set of clips; intervals are the percentile bootstrap over whole clips, whatever their
    lengths, those of the baselines over the clips whose boxes are used.

    Args:
        pairs: sound events and boxes of each clip.
        format: of every clip, or one for each.
        seed: of the bootstrap and the random shifts.
        resamples: of the bootstrap.
        margin: pixels to either side of an event within which a box counts.
        judge: in place of `spatial_av_align` at that margin.

    Raises:
        FrameError: an event lies after the end of its clip.
    """
    formats, judge = _each(format, len(pairs)), judge or partial(spatial_av_align, margin=margin)
    alignments = [judge(*pair, one) for pair, one in zip(pairs, formats, strict=True)]
    counts = np.array([_counts(alignment) for alignment in alignments], np.int64).reshape(-1, 2)
    low, high = share_interval(counts, seed, resamples)
    chance = baseline_counts(pairs, formats, seed, judge=judge)
    intervals = {name: share_interval(c, seed, resamples) for name, c in chance.items()}
    tp, fn = (int(n) for n in counts.sum(axis=0))
    return SpatialReport(
        len(pairs),
        tp,
        fn,
        pooled_share(counts),
        low,
        high,
        Baselines(**{name: pooled_share(c) for name, c in chance.items()}),
        {name: None if one[0] is None else list(one) for name, one in intervals.items()},
        corrected_score(counts, chance, seed, resamples),
        _anywhere(pairs, formats, judge),
        alignments,
    )


def _anywhere(pairs: Sequence[Pair], formats: list[ClipFormat], judge: Judge) -> float | None:
    """Score of sounds at every fourth pixel at the times of the events."""
    counts = np.zeros((len(pairs), 2), np.int64)
    for i, ((events, boxes), clip_format) in enumerate(zip(pairs, formats, strict=True)):
        x = np.arange(2.0, clip_format.size, 4)
        frames, categories = (np.repeat(c, len(x)) for c in (events.frames, events.categories))
        spread = SoundEvents(frames, categories, np.tile(x, len(events)))
        counts[i] = _counts(judge(spread, boxes, clip_format))
    return pooled_share(counts)


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


def _counts(alignment: Alignment) -> tuple[int, int]:
    return alignment.tp, alignment.fn


class SpatialAvAlign(Metric):
    """Share of sound events with a person at their position [S1], with its chance baselines.

    margin: pixels to either side of a sound event; around: neighbouring video frames that count too.
    Notes hold the corrected score, scores by position and class, and warnings.
    """

    name = "spatial_av_align"
    label = "Spatial AV-Align"
    unit = "share of sound events"
    higher_is_better = True
    needs = frozenset({Need.PERSONS, Need.SOUNDS})
    margin: ClassVar[float] = MARGIN
    around: ClassVar[int] = FRAMES_AROUND

    @classmethod
    def pair(cls, item: Item) -> Pair:
        """The events that are judged, and the boxes."""
        boxes = item.observation.boxes
        return item.observation.events, boxes.select(boxes.categories == PERSON)

    @classmethod
    def judge(cls, events: SoundEvents, boxes: Boxes, format: ClipFormat) -> Alignment:
        """This metric's judgement of a clip's events."""
        return spatial_av_align(events, boxes, format, cls.margin, cls.around)

    @classmethod
    def cells(cls, item: Item) -> Cells:
        judged = cls.judge(*cls.pair(item), item.observation.format)
        return {"tp": judged.tp, "fn": judged.fn, "score": judged.score}

    @classmethod
    def frame_cells(cls, item: Item) -> list[Cells]:
        """Columns NAME_x and NAME_matched (1 or 0) of speech and instruments, a row for each label
        frame with an event; of several in a class and frame the first."""
        events, boxes = cls.pair(item)
        matched = cls.judge(events, boxes, item.observation.format).matched
        return event_rows(events, {"x": events.x, "matched": matched.astype(np.int64)})

    def compute(self) -> MetricResult:
        report = self.report()
        nulls = asdict(report.baselines)
        notes = self.notes(report)
        if report.score is None:
            notes = {"reason": "No clip has a sound event to judge.", **notes}
        return MetricResult(
            self.name, report.score, report.low, report.high, report.clips, nulls, notes
        )

    def report(self) -> SpatialReport:
        """Score, chance baselines and alignments of the clips taken in so far."""
        items = self.items
        return spatial_report(
            [self.pair(item) for item in items],
            [item.observation.format for item in items],
            self.seed,
            judge=self.judge,
        )

    def notes(self, report: SpatialReport) -> dict[str, Any]:
        """What stands beside the score."""
        pairs = [self.pair(item) for item in self.items]
        judged = [(e, a.matched) for (e, _), a in zip(pairs, report.alignments, strict=True)]
        return {
            "tp": report.tp,
            "fn": report.fn,
            "null_intervals": report.baseline_intervals,
            "corrected": report.corrected.to_json(),
            "anywhere": report.anywhere,
            "by_position": by_position(judged, seed=self.seed),
            "by_class": by_class(judged, seed=self.seed),
            "warnings": spatial_warnings(
                report.score,
                report.low,
                report.high,
                asdict(report.baselines),
                report.anywhere,
                pairs,
                self.margin,
            ),
        }

    @classmethod
    def text(cls, result: MetricResult) -> str:
        return with_interval(result, more=f"{result.notes['tp']} TP, {result.notes['fn']} FN")


class SpatialOffCentre(SpatialAvAlign):
    """The same of the events well off the centre, where a guess of the centre gains nothing."""

    name = "spatial_off_centre"
    label = f"Spatial AV-Align, sounds > {MARGIN} px off the centre"

    @classmethod
    def pair(cls, item: Item) -> Pair:
        events, boxes = super().pair(item)
        return off_centre(events, item.observation.format, cls.margin), boxes

    @classmethod
    def cells(cls, item: Item) -> Cells:
        return {}

    @classmethod
    def frame_cells(cls, item: Item) -> list[Cells]:
        return []
