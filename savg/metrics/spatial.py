"""Spatial AV-Align: do sounds come from where persons are? [S1, S2]

x in pixels of a 256-wide picture, left is small. A sound event is a true positive if a person box
in its video frame or one beside it overlaps x ± 40 pixels. Beside the score stand three null scores
of the same boxes: sounds at the centre, sounds swapped left to right, sounds of other clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Alignment, Boxes, SoundEvents
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat

MARGIN = 40
"""Pixels to either side of a sound event."""

FRAMES_AROUND = 1
"""Video frames before and after that count too (the code's rule; [S2] drops it in its text)."""

Pair = tuple[SoundEvents, Boxes]

Formats = ClipFormat | Sequence[ClipFormat]
"""The format of every clip, or one for each."""


class FrameError(SavgError, ValueError):
    """A sound event that lies after the end of the clip."""


def spatial_av_align(
    events: SoundEvents, boxes: Boxes, format: ClipFormat = SAVGBENCH, margin: int = MARGIN
) -> Alignment:
    """Judge each sound event as the published evaluation does, to the row.

    The video frame of label frame f is round-half-even(f / label_fps · fps); the one after the last
    counts as the last. Coordinates are truncated to whole pixels, towards zero, and touching
    counts. FrameError for events after the end of the clip, if there are boxes to compare with.
    """
    frame = np.rint(events.frames * (format.fps / format.label_fps)).astype(np.int64)
    late = frame > format.frames
    if late.any() and len(boxes):
        raise FrameError(
            f"a sound event is in frame {events.frames[late][0]}: expected a clip of "
            f"{format.frames / format.fps:g} s, with label frames below {format.label_frames}."
        )
    frame = np.minimum(frame, format.frames - 1)
    x = np.trunc(events.x)[:, None]
    left, right = np.trunc(boxes.xyxy[:, 0]), np.trunc(boxes.xyxy[:, 2])
    near = np.abs(boxes.frames - frame[:, None]) <= FRAMES_AROUND
    overlap = (right >= x - margin) & (left <= x + margin)
    return Alignment((near & overlap).any(axis=1))


@dataclass(frozen=True)
class NullScores:
    """Scores of the same boxes with other sounds; None where there is nothing to judge."""

    centre: float | None
    swapped: float | None
    shuffled: float | None


def null_scores(
    pairs: Sequence[Pair], format: Formats = SAVGBENCH, seed: int = 0, rounds: int = 32
) -> NullScores:
    """What the clips' boxes score with (a) every sound at the centre, (b) left and right swapped,
    (c) the sounds of other clips: every other one up to 64 clips, else `rounds` random shifts of a
    random order. Of a longer clip's sounds only those within the shorter clip are taken.
    """
    forms = _each(format, len(pairs))
    judged = list(zip(pairs, forms, strict=True))
    centred = [(e.with_x(np.full(len(e), form.size / 2)), b) for (e, b), form in judged]
    swapped = [(e.mirrored(form.size), b) for (e, b), form in judged]
    others = _others(len(pairs), seed, rounds)
    shuffled = [(_within(pairs[j][0], forms[i]), pairs[i][1]) for i, j in others]
    return NullScores(
        _pooled(centred, forms),
        _pooled(swapped, forms),
        _pooled(shuffled, [forms[i] for i, _ in others]),
    )


@dataclass(frozen=True)
class SpatialReport:
    """Spatial AV-Align of a set of clips: pooled counts, a 95 % interval over clips, and the nulls."""

    clips: int
    tp: int
    fn: int
    score: float | None
    low: float | None
    high: float | None
    nulls: NullScores


def spatial_report(
    pairs: Sequence[Pair], format: Formats = SAVGBENCH, seed: int = 0, resamples: int = 2000
) -> SpatialReport:
    """Score a set of clips; the interval is the percentile bootstrap over whole clips, whatever
    their lengths."""
    counts = _counts(pairs, format)
    tp, fn = (int(n) for n in counts.sum(axis=0))
    low = high = None
    if tp + fn:
        rng = np.random.default_rng(seed)
        drawn = counts[rng.integers(0, len(counts), (resamples, len(counts)))].sum(axis=1)
        drawn = drawn[drawn.sum(axis=1) > 0]
        low, high = (float(q) for q in np.quantile(drawn[:, 0] / drawn.sum(axis=1), [0.025, 0.975]))
    score = tp / (tp + fn) if tp + fn else None
    nulls = null_scores(pairs, format, seed)
    return SpatialReport(len(pairs), tp, fn, score, low, high, nulls)


def _each(format: Formats, count: int) -> list[ClipFormat]:
    """A format for each of `count` clips."""
    forms = [format] * count if isinstance(format, ClipFormat) else list(format)
    if len(forms) != count:
        raise ValueError(f"{count} clips need as many formats, not {len(forms)}.")
    return forms


def _within(events: SoundEvents, form: ClipFormat) -> SoundEvents:
    """The events that begin before the end of a clip of that format."""
    keep = events.frames < form.label_frames
    return SoundEvents(events.frames[keep], events.categories[keep], events.x[keep])


def _counts(pairs: Sequence[Pair], format: Formats) -> NDArray[np.int64]:
    """True positives and false negatives of each clip [clips, 2]."""
    forms = _each(format, len(pairs))
    judged = [spatial_av_align(*pair, form) for pair, form in zip(pairs, forms, strict=True)]
    return np.array([[a.tp, a.fn] for a in judged], np.int64).reshape(-1, 2)


def _pooled(pairs: Sequence[Pair], format: Formats) -> float | None:
    tp, fn = _counts(pairs, format).sum(axis=0)
    return float(tp / (tp + fn)) if tp + fn else None


def _others(count: int, seed: int, rounds: int) -> list[tuple[int, int]]:
    """Pairs (clip whose boxes, other clip whose sounds)."""
    if count <= 64:
        return [(i, j) for i in range(count) for j in range(count) if i != j]
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    shifts = rng.choice(np.arange(1, count), size=min(rounds, count - 1), replace=False)
    return [
        (int(order[i]), int(order[(i + shift) % count])) for shift in shifts for i in range(count)
    ]
