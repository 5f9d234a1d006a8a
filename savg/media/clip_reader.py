"""A clip read from a video file of any common kind: frames at the times of a format, and its audio."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.audio_track import SourceAudio
from savg.media.channels import AudioRules, note_of, stereo_first
from savg.media.container import (
    audio_streams,
    find_stream,
    may_jump,
    open_container,
    refuse_cut_short,
    stated_seconds,
    video_stream,
    whole_seconds,
)
from savg.media.frames import DecodedFrame, OnScreen, decode_packets, fit_frame
from savg.media.timeline import Timeline, timed_packets

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
    path: Path,
    format: ClipFormat,
    max_seconds: float | None,
    rules: AudioRules | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], ClipFormat]:
    """Frames [frames, size, size, 3], audio [2, samples] and their format; see `Clip.read`."""
    limit = min(max_seconds or MAX_SECONDS, MAX_SECONDS)
    with open_container(path) as container:
        video, streams = _streams(container, path, rules)
        stated = stated_seconds(video) or whole_seconds(container) or 0.0
        if stated > limit + _GRACE and _is_continuous(path, limit + _GRACE):
            raise _too_long(path, stated, limit)
        needed = format.seconds if max_seconds is None else limit + _GRACE
        frames = _Images(format, needed)
        audio = SourceAudio(streams, format.sample_rate, path, rules.ambisonic if rules else None)
        timeline = Timeline(may_jump(container))
        complete = _decode(container, video, streams, frames, audio, timeline)
        if not complete and timeline.continuous:
            _refuse_cut_short(container, video, streams, frames, audio, timeline, path)
        frames.finish()
        audio.finish()
    screen = frames.screen
    if not frames.images or screen.start is None:
        raise MediaError(f"{path} has no frame that can be decoded.")
    if audio.begin is None and not (rules and rules.silent):
        hint = ": --silent-ok reads it as silent" if rules else ""
        raise MediaError(f"{path} has an audio track without a single sample{hint}.")
    start = screen.start
    if max_seconds is not None:
        if screen.end > limit + _GRACE:
            raise _too_long(path, screen.end, limit)
        length = min(limit, _seconds(audio, start, screen.end))
        format = format.with_frames(max(1, round(length * format.fps)))
    return frames.of(format), _samples(audio, start, format, path), format


def audio_note(path: str | os.PathLike[str], rules: AudioRules) -> str:
    """What `read_clip` does to a file's audio to make it stereo, as a sentence; "" for stereo.

    Only the file's header is read. MediaError for a file that cannot become a clip.
    """
    path = Path(path)
    with open_container(path) as container:
        _, streams = _streams(container, path, rules)
        layouts = [stream.layout for stream in streams]
        names = [channel.name for layout in layouts for channel in layout.channels]
        return note_of(layouts[0].name if layouts else "", names, rules, path)


def _seconds(audio: SourceAudio, start: float, end: float) -> float:
    """The length in seconds of a clip whose frames end at `end`: its audio's where that is longer and
    begins before that."""
    if audio.begin is None or audio.begin - start > end:
        return end
    return max(end, audio.end - start)


def _is_continuous(path: Path, seconds: float) -> bool:
    """Whether no time stamp jumps in the first seconds of a video."""
    with open_container(path) as container:
        video, timeline = video_stream(container, path), Timeline(may_jump(container))
        begin = None
        for packet in timed_packets(container, [video], timeline):
            if packet.dts is None:
                continue
            begin = packet.dts if begin is None else begin
            if (packet.dts - begin) * packet.time_base > seconds:
                break
        return timeline.continuous


def _too_long(path: Path, seconds: float, limit: float) -> MediaError:
    return MediaError(f"{path} lasts {seconds:.0f} s: expected a clip of at most {limit:.0f} s.")


def _streams(container: Any, path: Path, rules: AudioRules | None) -> tuple[Any, tuple[Any, ...]]:
    """The video and the audio streams; MediaError where they cannot become a clip."""
    video: Any = find_stream(container, "video")
    streams = audio_streams(container, rules.rank if rules else stereo_first)
    for kind, present in (("video", video), ("audio", streams or (rules and rules.silent))):
        if not present:
            silent = ", or --silent-ok to read it as silent" if rules and kind == "audio" else ""
            raise MediaError(
                f"{path} has no {kind} track: expected a video with stereo audio{silent}."
            )
    if any(stream.codec_context is None for stream in (video, *streams)):
        raise MediaError(f"{path} uses a codec that cannot be read.")
    if not video.width or not video.height:
        raise MediaError(f"{path} has no frame that can be decoded.")
    video = video_stream(container, path)
    channels = sum(stream.channels for stream in streams)
    if channels != 2 and rules is None:
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
    little memory.
    """

    def __init__(self, format: ClipFormat, seconds: float) -> None:
        self.format, self.seconds = format, seconds
        self.images: list[NDArray[np.uint8]] = []
        self.counts: list[int] = []
        self.screen = OnScreen(format.fps)

    def add(self, frame: DecodedFrame) -> None:
        """The next frame, which ends the time of the one before."""
        self._store(*self.screen.add(frame))

    def finish(self) -> None:
        """Store the last frame."""
        self._store(*self.screen.finish())

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
    container: Any,
    video: Any,
    streams: Sequence[Any],
    frames: _Images,
    audio: SourceAudio,
    timeline: Timeline,
) -> bool:
    """Decode up to the end of `frames`; False if the file ends before."""
    screen, seconds = frames.screen, frames.seconds
    decoded = decode_packets(
        container,
        video,
        streams,
        threads=True,
        wanted=lambda: screen.last < seconds,
        timeline=timeline,
    )
    complete = False
    for part in chain.from_iterable(decoded):
        if isinstance(part, DecodedFrame):
            frames.add(part)
        elif not complete:
            audio.add(part, screen.start)
            complete = screen.start is not None and audio.reaches(screen.start, seconds + _BEYOND)
        if complete and screen.last >= seconds:
            return True
    return False


def _refuse_cut_short(
    container: Any,
    video: Any,
    streams: Sequence[Any],
    frames: _Images,
    audio: SourceAudio,
    timeline: Timeline,
    path: Path,
) -> None:
    """MediaError if a stream of the clip ended well before the length that the file states for it."""
    seen, heard = frames.screen.reached, max(audio.end, audio.end - (audio.begin or 0.0))
    reached = [(max(seen, heard), whole_seconds(container))]
    for stream in (video, *streams):
        if not timeline.is_complete(stream):
            reached.append((seen if stream is video else heard, stated_seconds(stream)))
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
