"""Which frames of a video stand for it at other rates, such as those that networks look at.

A video is frames 0, 1, … at a constant rate, frame i shown from i / fps to (i + 1) / fps seconds.
Our rule keeps the whole duration; the published one loses some of it and is there for comparison.
Source of the published rule: behaviour of the public MMAudio code (8 and 25 frames a second).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Rate = float | Fraction
Indices = NDArray[np.int64]
Rule = Literal["nearest", "published"]


@dataclass(frozen=True)
class FrameIndices:
    """Frame numbers of a video for each rate, int64 [count], and the seconds that they cover."""

    indices: tuple[Indices, ...]
    seconds: Fraction


def choose_frames(
    fps: Rate,
    frames: int,
    seconds: Rate,
    rates: Sequence[int],
    rule: Rule = "nearest",
    time_base: Rate = Fraction(1, 12_800),
) -> FrameIndices:
    """The frames of a video that stand for its first `seconds` at each of `rates`.

    Args:
        fps: of the video, which has `frames` frames.
        rates: whole frames a second.
        rule: "nearest" covers exactly `seconds`, repeating the last frame of a shorter video;
            "published" shortens the duration when one of the rates runs out of frames.
        time_base: the unit of the file's time stamps in seconds, which the published rule sees.

    Raises:
        ValueError: for a video without frames, or an unknown rule.
    """
    if frames < 1 or fps <= 0 or seconds <= 0:
        raise ValueError(
            f"frames must be ≥ 1, fps and seconds > 0, got {frames}, {fps} and {seconds}"
        )
    if rule == "nearest":
        nearest = (nearest_frames(fps, frames, rate, seconds) for rate in rates)
        return FrameIndices(tuple(nearest), _exact(seconds))
    if rule != "published":
        raise ValueError(f"rule must be 'nearest' or 'published', got {rule!r}")
    chosen = [published_frames(fps, frames, rate, seconds, time_base) for rate in rates]
    lengths = (Fraction(len(part), rate) for part, rate in zip(chosen, rates, strict=True))
    used = min(_exact(seconds), *lengths)
    cut = (part[: int(used * rate)] for part, rate in zip(chosen, rates, strict=True))
    return FrameIndices(tuple(cut), used)


def nearest_frames(fps: Rate, frames: int, rate: int, seconds: Rate) -> Indices:
    """For each frame at `rate`, the one of the video that is shown at the middle of its time.

    Exact arithmetic; beyond the video's end its last frame.
    """
    step = _exact(fps) / rate
    count = int(_exact(seconds) * rate)
    middles = 2 * np.arange(count, dtype=np.int64) + 1
    indices = middles * step.numerator // (2 * step.denominator)
    return np.minimum(indices, frames - 1)


def published_frames(fps: Rate, frames: int, rate: int, seconds: Rate, time_base: Rate) -> Indices:
    """The published reader: each decoded frame serves all pending times up to its own.

    So a time gets the next frame, not the nearest, and nothing after the last one. Times advance by
    repeated addition in float64; frames after `seconds` are not read.
    """
    fps, unit = _exact(fps), _exact(time_base)
    chosen, due = [], 0.0
    for frame in range(frames):
        shown = float(round(frame / fps / unit) * unit)
        if shown > seconds:
            break
        while due <= shown:
            chosen.append(frame)
            due += 1 / rate
    return np.array(chosen, dtype=np.int64)


def _exact(value: Rate) -> Fraction:
    """A rate or duration as the simple fraction that a float stands for."""
    return Fraction(value).limit_denominator(100_000)
