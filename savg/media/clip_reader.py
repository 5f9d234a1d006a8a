"""A clip read from a video file of any common kind: frames at the times of a format, and its audio."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.audio_track import SourceAudio
from savg.media.container import (
    audio_streams,
    find_stream,
    open_container,
    refuse_cut_short,
    refuse_large,
    stated_seconds,
    whole_seconds,
)
from savg.media.frames import DecodedFrame, OnScreen, decode_packets, fit_frame

_log = logging.getLogger(__name__)

LARGE_PIXELS = 2560 * 1440
"""Larger frames take noticeably long to decode, which is logged."""

MAX_SECONDS = 60.0
"""Seconds of the longest file that becomes a clip."""

_BEYOND = 0.05
"""Seconds of audio decoded beyond the clip."""

_GRACE = 0.5
"""Seconds by which a file may be longer than allowed."""


def read_clip(
    path: Path, format: ClipFormat, max_seconds: float | None
) -> tuple[NDArray[np.uint8], NDArray[np.float32], ClipFormat]:
    """Frames [frames, size, size, 3], audio [2, samples] and their format; see `Clip.read`."""
    limit = min(max_seconds or MAX_SECONDS, MAX_SECONDS)
    with open_container(path) as container:
        video, streams = _streams(container, path)
        stated = stated_seconds(video) or whole_seconds(container)
        if stated is not None and stated > limit + _GRACE:
            raise _too_long(path, stated, limit)
        needed = format.seconds if max_seconds is None else limit + _GRACE
        frames, audio = _Images(format, needed), SourceAudio(streams, format.sample_rate, path)
        if not _decode(container, video, streams, frames, audio):
            _refuse_cut_short(container, video, streams, frames, audio, path)
        frames.finish()
    if not frames.images:
        raise MediaError(f"{path} has no frame that can be decoded.")
    if audio.begin is None:
        raise MediaError(f"{path} has an audio track without a single sample.")
    if max_seconds is not None:
        if frames.end > limit + _GRACE:
            raise _too_long(path, frames.end, limit)
        late, end = audio.begin - frames.start, audio.end - frames.start
        length = min(limit, frames.end if late > frames.end else max(frames.end, end))
        format = format.with_frames(max(1, round(length * format.fps)))
    return frames.of(format), _samples(audio, frames.start, format, path), format


def _too_long(path: Path, seconds: float, limit: float) -> MediaError:
    return MediaError(f"{path} lasts {seconds:.0f} s: expected a clip of at most {limit:.0f} s.")


def _streams(container: Any, path: Path) -> tuple[Any, tuple[Any, ...]]:
    """The video and the audio streams; MediaError where they cannot become a clip."""
    video: Any = find_stream(container, "video")
    streams = audio_streams(container, stereo=True)
    for kind, present in (("video", video), ("audio", streams)):
        if not present:
            raise MediaError(f"{path} has no {kind} track: expected a video with stereo audio.")
    if any(stream.codec_context is None for stream in (video, *streams)):
        raise MediaError(f"{path} uses a codec that cannot be read.")
    if not video.width or not video.height:
        raise MediaError(f"{path} has no frame that can be decoded.")
    refuse_large(video, path)
    channels = sum(stream.channels for stream in streams)
    if channels != 2:
        raise MediaError(
            f"{path} has {channels} audio channel{'s' * (channels != 1)}: expected stereo (2)."
        )
    if video.width * video.height > LARGE_PIXELS:
        _log.warning(
            "%s has frames of %d×%d, which are made smaller.", path, video.width, video.height
        )
    return video, streams


class _Images:
    """The frames on screen at the times of output frames, up to `seconds`.

    images: those that output frames need; the others are dropped unconverted, so a 60 fps file costs
    little memory. start: of the first frame, in the file's own time; last, end: when the last one
    begins and ends, in seconds from the first.
    """

    def __init__(self, format: ClipFormat, seconds: float) -> None:
        self.format, self.seconds = format, seconds
        self.images: list[NDArray[np.uint8]] = []
        self.counts: list[int] = []
        self.start = self.last = 0.0
        self.started = False
        self._screen = OnScreen(format.fps)

    @property
    def end(self) -> float:
        """When the last frame ends."""
        return self._screen.end

    def add(self, frame: DecodedFrame) -> None:
        """The next frame, which ends the time of the one before."""
        if not self.started:
            self.start, self.started = frame.time, True
        self.last = max(self.last, frame.begin)
        self._store(*self._screen.add(frame))

    def finish(self) -> None:
        """Store the last frame."""
        self._store(*self._screen.finish())

    def of(self, format: ClipFormat) -> NDArray[np.uint8]:
        """The frame on screen at the start of each output frame; the last one stays."""
        index = np.repeat(np.arange(len(self.images)), self.counts)[: format.frames]
        index = np.pad(index, (0, format.frames - len(index)), mode="edge")
        return np.stack([self.images[i] for i in index])

    def _store(self, frame: DecodedFrame | None, count: int) -> None:
        if frame is not None and count and frame.begin < self.seconds:
            self.images.append(fit_frame(frame.rgb(), self.format))
            self.counts.append(min(count, math.ceil(self.seconds * self.format.fps)))


def _decode(
    container: Any, video: Any, streams: Sequence[Any], frames: _Images, audio: SourceAudio
) -> bool:
    """Decode up to the end of `frames`; False if the file ends before."""
    seconds = frames.seconds
    decoded = decode_packets(
        container, video, streams, threads=True, wanted=lambda: frames.last < seconds
    )
    for part in chain.from_iterable(decoded):
        if isinstance(part, DecodedFrame):
            frames.add(part)
        elif not frames.started or not audio.reaches(frames.start, seconds + _BEYOND):
            audio.add(part, frames.start if frames.started else None)
        if frames.last >= seconds and audio.reaches(frames.start, seconds + _BEYOND):
            return True
    return False


def _refuse_cut_short(
    container: Any,
    video: Any,
    streams: Sequence[Any],
    frames: _Images,
    audio: SourceAudio,
    path: Path,
) -> None:
    """MediaError if a stream of the clip ended well before the length that the file states for it."""
    begin, end = audio.begin or 0.0, audio.end
    heard = max(end, end - begin)
    reached = [(frames.end, stated_seconds(video))]
    reached += [(heard, stated_seconds(stream)) for stream in streams]
    reached.append((max(frames.end, heard), whole_seconds(container)))
    for seconds, stated in reached:
        if stated is not None:
            refuse_cut_short(path, seconds, stated, frames.seconds)


def _samples(
    audio: SourceAudio, start: float, format: ClipFormat, path: Path
) -> NDArray[np.float32]:
    """The audio [2, samples] of a clip whose first frame comes at `start` in the file's own time."""
    samples = audio.samples(start, format.samples)
    if not np.isfinite(samples).all():
        raise MediaError(f"{path} has audio with values that are not finite.")
    return np.clip(samples, -1.0, 1.0)
