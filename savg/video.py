"""A video as pipelines take it: its frames at a constant rate, from a clip or any video file.

Frames are fitted into a clip's square frame, as networks see them; the file itself keeps its own when
audio is written to it (`savg.media.mux`). Times count from the first frame.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes
from savg.audio.resample import resample
from savg.clip import Clip
from savg.errors import MediaError
from savg.format import SAVGBENCH, ClipFormat
from savg.media.frame_sampling import Indices, nearest_frames
from savg.media.frames import fit_frame, frames_at_rate
from savg.media.probe import frame_rate

MAX_FPS = 25
"""Frames a second that networks look at, at most."""

MAX_SECONDS = 120.0
"""Longest video read by default, in seconds."""


@dataclass(frozen=True, eq=False)
class Soundtrack:
    """Audio float32 [channels, samples] at `rate` Hz that begins with a video; channel 0 is left.

    ValueError for another shape, or audio that is not finite.
    """

    samples: NDArray[np.float32]
    rate: int

    def __post_init__(self) -> None:
        shape = np.shape(self.samples)
        if len(shape) != 2 or not shape[0]:
            raise ValueError(f"Soundtrack.samples must be [channels, samples], got {shape}.")
        if not np.isfinite(self.samples).all():
            raise ValueError("Soundtrack.samples must be finite, got NaN or infinity.")
        if self.rate < 1:
            raise ValueError(f"Soundtrack.rate must be ≥ 1, got {self.rate}.")

    def mono(self, rate: int, count: int) -> NDArray[np.float32]:
        """The mean of the channels [count] at `rate` Hz, cut or followed by silence."""
        mixed = resample(self.samples.mean(axis=0, keepdims=True), self.rate, rate)[0, :count]
        return np.pad(mixed, (0, count - len(mixed))).astype(np.float32, copy=False)


@dataclass(frozen=True, eq=False)
class Video:
    """Frames uint8 [F, size, size, 3] at `fps`; boxes: people in them; audio: its own. Both if known.

    Boxes are in pixels of the 256×256 frame, whatever the frames' size. ValueError for another shape or
    type.
    """

    frames: NDArray[np.uint8]
    fps: Fraction
    boxes: Boxes | None = None
    audio: Soundtrack | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.frames)
        if len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3 or not shape[0]:
            raise ValueError(f"Video.frames must be [frames, size, size, 3], got {shape}.")
        if self.frames.dtype != np.uint8:
            raise ValueError(f"Video.frames must be uint8, got {self.frames.dtype}.")
        object.__setattr__(self, "fps", Fraction(self.fps).limit_denominator(100_000))
        if self.fps <= 0:
            raise ValueError(f"Video.fps must be > 0, got {self.fps}.")

    @property
    def duration(self) -> Fraction:
        """Exact length in seconds."""
        return len(self.frames) / self.fps

    @classmethod
    def of(cls, clip: Clip, boxes: Boxes | None = None) -> Video:
        """The frames and the audio of a clip."""
        audio = Soundtrack(clip.audio, clip.format.sample_rate)
        return cls(clip.video, Fraction(clip.format.fps), boxes, audio)

    @classmethod
    def of_frames(
        cls, frames: NDArray[np.uint8], fps: float | Fraction, format: ClipFormat = SAVGBENCH
    ) -> Video:
        """Frames uint8 [F, H, W, 3] of any size at `fps`, fitted into the format's frame."""
        shape = np.shape(frames)
        if len(shape) != 4 or shape[3] != 3 or not shape[0] or frames.dtype != np.uint8:
            raise ValueError(
                f"frames must be uint8 [frames, height, width, 3], got {frames.dtype} {shape}."
            )
        return cls(np.stack([fit_frame(frame, format) for frame in frames]), Fraction(fps))

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        format: ClipFormat = SAVGBENCH,
        max_seconds: float = MAX_SECONDS,
        watch: Callable[[float], object] | None = None,
        fps: int = MAX_FPS,
    ) -> Video:
        """The video in a file, with or without audio, at its own rate up to `fps` frames a second; at
        that where frames come at uneven times.

        Args:
            format: whose frame the frames are fitted into.
            max_seconds: longer videos are refused.
            watch: called with the seconds read so far; what it raises stops the reading.

        Raises:
            MediaError: a file that is no video, or too long.

        Example:
            video = Video.read("holiday.mp4")
        """
        path = Path(path)
        rate = min(Fraction(fps), frame_rate(path))
        frames: list[NDArray[np.uint8]] = []
        for frame in frames_at_rate(path, rate):
            frames.append(fit_frame(frame, format))
            if watch is not None:
                watch(len(frames) / float(rate))
            if len(frames) > max_seconds * rate + rate / 2:
                raise MediaError(
                    f"{path} must be at most {max_seconds:g} s long, got a longer video."
                )
        return cls(np.stack(frames), rate)

    def at(self, rate: int, start: int, count: int) -> Indices:
        """Frame numbers int64 [count]: those on screen at the middles of `count` frames at `rate` from
        second `start` on; beyond the end the last one."""
        until = start + Fraction(count, rate)
        return nearest_frames(self.fps, len(self.frames), rate, until)[start * rate :]

    def mirrored(self) -> Video:
        """The video flipped left to right, its channels swapped."""
        boxes = None if self.boxes is None else self.boxes.mirrored()
        audio = self.audio and Soundtrack(self.audio.samples[::-1], self.audio.rate)
        return Video(np.ascontiguousarray(self.frames[:, :, ::-1]), self.fps, boxes, audio)
