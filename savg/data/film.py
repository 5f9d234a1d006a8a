"""A film that is to get sound: its pictures at a constant rate, from a clip or any video file.

Pictures are fitted into a clip's square frame, as networks see them; the file itself keeps its own
when sound is written to it (`film_sound`). Times count from the first picture.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes
from savg.clip import Clip, fit_frame
from savg.data.frame_sampling import Indices, nearest_frames
from savg.errors import MediaError
from savg.format import SAVGBENCH, ClipFormat
from savg.media import MAX_PIXELS, open_container, upright

FASTEST = 25
"""Pictures a second that networks look at, at most."""

LONGEST = 120.0
"""Seconds of a film, unless told otherwise."""


@dataclass(frozen=True, eq=False)
class Film:
    """Pictures uint8 [F, size, size, 3] at `fps`; boxes: persons in them, if known.

    Boxes are in pixels of the 256×256 frame, whatever the pictures' size. Raises ValueError naming
    the expected and the received shape.
    """

    frames: NDArray[np.uint8]
    fps: Fraction
    boxes: Boxes | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.frames)
        if len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3 or not shape[0]:
            raise ValueError(f"Film.frames is [frames, size, size, 3], not {shape}.")
        if self.frames.dtype != np.uint8:
            raise ValueError(f"Film.frames is uint8, not {self.frames.dtype}.")
        object.__setattr__(self, "fps", Fraction(self.fps).limit_denominator(100_000))
        if self.fps <= 0:
            raise ValueError(f"Film.fps is positive, not {self.fps}.")

    @property
    def duration(self) -> Fraction:
        """Exact length in seconds."""
        return len(self.frames) / self.fps

    @classmethod
    def of(cls, clip: Clip, boxes: Boxes | None = None) -> Film:
        """The pictures of a clip."""
        return cls(clip.video, Fraction(clip.format.fps), boxes)

    @classmethod
    def of_pictures(
        cls, frames: NDArray[np.uint8], fps: float | Fraction, form: ClipFormat = SAVGBENCH
    ) -> Film:
        """Pictures [F, H, W, 3] of any shape, fitted into the format's frame."""
        shape = np.shape(frames)
        if len(shape) != 4 or shape[3] != 3 or not shape[0] or frames.dtype != np.uint8:
            raise ValueError(f"pictures are uint8 [frames, height, width, 3], not {shape}.")
        return cls(np.stack([fit_frame(frame, form) for frame in frames]), Fraction(fps))

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        form: ClipFormat = SAVGBENCH,
        max_seconds: float = LONGEST,
        watch: Callable[[float], object] | None = None,
    ) -> Film:
        """The film in a video file, silent or sounding, at its own rate up to 25 pictures a second.

        watch: told the seconds read so far; what it raises stops the reading. MediaError with one
        sentence for a file that is none, or too long.
        """
        path = Path(path)
        rate = min(Fraction(FASTEST), film_rate(path))
        pictures = []
        for picture in pictures_of(path, rate):
            pictures.append(fit_frame(picture, form))
            if watch is not None:
                watch(len(pictures) / float(rate))
            if len(pictures) > max_seconds * rate + rate / 2:
                raise MediaError(f"{path} is longer than {max_seconds:g} s: expected a short film.")
        return cls(np.stack(pictures), rate)

    def at(self, rate: int, start: int, count: int) -> Indices:
        """Which picture is shown at the middle of each of `count` pictures at `rate` from second
        `start` on; beyond the end the last one."""
        until = start + Fraction(count, rate)
        return nearest_frames(self.fps, len(self.frames), rate, until)[start * rate :]

    def mirrored(self) -> Film:
        """The film flipped left to right."""
        boxes = None if self.boxes is None else self.boxes.mirrored()
        return Film(np.ascontiguousarray(self.frames[:, :, ::-1]), self.fps, boxes)


@dataclass(frozen=True)
class Facts:
    """What a video file says of itself: pictures as they are shown, length in seconds if it tells,
    channels of its sound (0: none)."""

    width: int
    height: int
    fps: Fraction
    seconds: float | None
    channels: int


def facts(path: str | os.PathLike[str]) -> Facts:
    """What a video file says of itself, and that its first picture can be shown; else MediaError."""
    path = Path(path)
    with open_container(path) as container:
        video = picture_stream(container, path)
        fps = _rate(video, path)
        sounds = [stream for stream in container.streams.audio if stream.codec_context is not None]
        seconds = container.duration / 1e6 if container.duration else None
        if video.duration and video.time_base:
            seconds = float(video.duration * video.time_base)
        first = next(container.decode(video), None)
        if first is None:
            raise MediaError(f"{path} has no frame that can be decoded.")
        height, width = upright(first, float(video.sample_aspect_ratio or 1.0)).shape[:2]
    channels = sounds[0].channels if sounds else 0
    return Facts(width, height, fps, seconds, channels)


def film_rate(path: str | os.PathLike[str]) -> Fraction:
    """Pictures a second of a video file: its nominal rate, or on average where it has none."""
    path = Path(path)
    with open_container(path) as container:
        return _rate(picture_stream(container, path), path)


def pictures_of(path: str | os.PathLike[str], fps: Fraction) -> Iterator[NDArray[np.uint8]]:
    """The pictures [height, width, 3] on screen at 0, 1/fps, 2/fps, … s, upright, one by one.

    A picture stays until the next one comes; the last one as long as one lasts on average.
    """
    path = Path(path)
    with open_container(path) as container:
        video = picture_stream(container, path)
        video.thread_type = "AUTO"
        aspect = float(video.sample_aspect_ratio or 1.0)
        lasts = 1 / float(_rate(video, path))
        shown, count, start, begin = None, 0, None, 0.0
        for frame in container.decode(video):
            time = float(frame.time) if frame.time is not None else begin + lasts
            start = time if start is None else start
            begin = max(time - start, begin)
            due = _due(begin, fps)
            if shown is not None and due > count:
                picture = upright(shown, aspect)
                for _ in range(due - count):
                    yield picture
                count = due
            shown = frame
        if shown is None:
            raise MediaError(f"{path} has no frame that can be decoded.")
        picture = upright(shown, aspect)
        for _ in range(max(_due(begin + lasts, fps) - count, 1 - count)):
            yield picture


def _due(seconds: float, fps: Fraction) -> int:
    """How many pictures at `fps` are to be shown before a time, a millisecond more or less."""
    return max(0, math.ceil((seconds - 1e-3) * fps))


def _rate(video: Any, path: Path) -> Fraction:
    """The nominal rate if it is near the average: a file may state its last picture's length wrong."""
    nominal, average = video.guessed_rate, video.average_rate
    rate = nominal or average
    if nominal and average and abs(nominal / average - 1) > 0.2:
        rate = average
    if not rate:
        raise MediaError(f"{path} does not say how many pictures it shows a second.")
    return Fraction(rate).limit_denominator(1001)


def picture_stream(container: Any, path: Path) -> Any:
    """The stream of a film's pictures; album art is none. MediaError for a file without."""
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & stream.disposition.attached_pic
    ]
    if not streams or streams[0].codec_context is None or not streams[0].width:
        raise MediaError(f"{path} has no pictures that can be read: expected a video.")
    if streams[0].width * streams[0].height > MAX_PIXELS:
        raise MediaError(
            f"{path} has pictures of {streams[0].width}×{streams[0].height}: expected at most "
            "4096×2304."
        )
    return streams[0]
