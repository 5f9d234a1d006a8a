"""Which pictures of a film stand for it at the rates of CLIP (8 fps) and Synchformer (25 fps).

A film is pictures 0, 1, … at a constant rate, picture i shown from i / fps to (i + 1) / fps seconds.
Our rule keeps the whole duration; the published one loses some of it and is there for comparison.
Source of the published rule: behaviour of the public MMAudio code.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from savg.models.mmaudio_lengths import CLIP_FPS, SYNC_FPS

Rate = float | Fraction
Indices = NDArray[np.int64]
Rule = Literal["nearest", "published"]


@dataclass(frozen=True)
class FrameIndices:
    """Picture numbers of a film for CLIP and for Synchformer, and the seconds that they cover."""

    clip: Indices
    sync: Indices
    seconds: Fraction


def choose_frames(
    fps: Rate,
    frames: int,
    seconds: Rate,
    rule: Rule = "nearest",
    time_base: Rate = Fraction(1, 12_800),
) -> FrameIndices:
    """The pictures of a film of `frames` pictures at `fps` that stand for its first `seconds`.

    rule: "nearest" covers exactly `seconds`, repeating the last picture of a shorter film;
    "published" shortens the duration when either rate runs out of pictures. time_base: the unit of
    the file's time stamps in seconds, which the published rule sees. Raises ValueError for no pictures.
    """
    if frames < 1 or fps <= 0 or seconds <= 0:
        raise ValueError(f"no pictures: {frames} at {fps} fps for {seconds} s")
    if rule == "nearest":
        clip, sync = (nearest_frames(fps, frames, rate, seconds) for rate in (CLIP_FPS, SYNC_FPS))
        return FrameIndices(clip, sync, _exact(seconds))
    if rule != "published":
        raise ValueError(f"rule is 'nearest' or 'published', not {rule!r}")
    clip, sync = (
        published_frames(fps, frames, rate, seconds, time_base) for rate in (CLIP_FPS, SYNC_FPS)
    )
    used = min(_exact(seconds), Fraction(len(clip), CLIP_FPS), Fraction(len(sync), SYNC_FPS))
    return FrameIndices(clip[: int(used * CLIP_FPS)], sync[: int(used * SYNC_FPS)], used)


def nearest_frames(fps: Rate, frames: int, rate: int, seconds: Rate) -> Indices:
    """For each picture at `rate`, the one of the film that is shown at the middle of its time.

    Exact arithmetic; beyond the film's end its last picture.
    """
    step = _exact(fps) / rate
    count = int(_exact(seconds) * rate)
    middles = 2 * np.arange(count, dtype=np.int64) + 1
    found = middles * step.numerator // (2 * step.denominator)
    return np.minimum(found, frames - 1)


def published_frames(fps: Rate, frames: int, rate: int, seconds: Rate, time_base: Rate) -> Indices:
    """The published reader: each decoded picture serves all pending times up to its own.

    So a time gets the next picture, not the nearest, and nothing after the last one. Times advance
    by repeated addition in float64; pictures after `seconds` are not read.
    """
    fps, unit = _exact(fps), _exact(time_base)
    chosen, due = [], 0.0
    for picture in range(frames):
        shown = float(round(picture / fps / unit) * unit)
        if shown > seconds:
            break
        while due <= shown:
            chosen.append(picture)
            due += 1 / rate
    return np.array(chosen, dtype=np.int64)


def _exact(value: Rate) -> Fraction:
    """A rate or duration as the simple fraction that a float stands for."""
    return Fraction(value).limit_denominator(100_000)
