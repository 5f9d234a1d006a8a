"""Facts about video files: sizes, rates and lengths as they state them, and their content."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.audio_track import full_scale_samples
from savg.media.container import (
    audio_streams,
    find_stream,
    nominal_rate,
    open_container,
    video_stream,
)
from savg.media.frames import (
    LATE,
    DecodedFrame,
    decode,
    decode_packets,
    frame_period,
    frame_seconds,
)
from savg.media.timeline import timed_packets

_EDGE = 4
"""Rows of padding next to the picture that are ignored: codecs smear the picture into them."""

UNEVEN_FPS = Fraction(60)
"""Frames a second that show frames in time that come at uneven times."""

_LATE_END = 0.02
"""Seconds by which a video may end early or late at a rate that shows its frames in time."""

FULL_SCALE = 0.9995
"""Samples from here on count as clipped."""

_PLAYABLE = (("h264", "libx264"), ("yuv420p",), ("aac", "mp3float"))
"""Names of video codecs, pixel formats and audio codecs that every browser plays."""


@dataclass(frozen=True)
class VideoInfo:
    """Facts about a video file: the size of its frames as shown, frames a second, length of its video
    in seconds, channels of its audio (0: none)."""

    width: int
    height: int
    fps: Fraction
    seconds: float
    channels: int


def video_info(path: str | os.PathLike[str]) -> VideoInfo:
    """Facts about a video file. MediaError for a file whose first frame cannot be decoded."""
    path = Path(path)
    with open_container(path) as container:
        streams = audio_streams(container)
        first = next(decode(container, video_stream(container, path)), None)
        if first is None:
            raise MediaError(f"{path} has no frame that can be decoded.")
        height, width = first.rgb().shape[:2]
    channels = sum(stream.channels for stream in streams if stream.codec_context is not None)
    times = _frame_times(path)
    return VideoInfo(width, height, _rate(times), times.end, channels)


def frame_rate(path: str | os.PathLike[str]) -> Fraction:
    """Frames a second, one or more, at which every frame of a video file is shown in time.

    That is the file's nominal rate, or that of its shortest frame; `UNEVEN_FPS` where frames come at
    uneven times.

    Raises:
        MediaError: a file that is no video.
    """
    return _rate(_frame_times(Path(path)))


@dataclass(frozen=True, eq=False)
class _FrameTimes:
    """Seconds from the first frame at which frames begin, in order, and at which the last one ends;
    the rates that the file states, likeliest first; unit of its time stamps in seconds."""

    begins: NDArray[np.float64]
    end: float
    stated: tuple[Fraction, ...]
    unit: float


def _frame_times(path: Path) -> _FrameTimes:
    """The times of a video's frames by its packets, without decoding them."""
    with open_container(path) as container:
        video = video_stream(container, path)
        stated = tuple(rate for rate in (nominal_rate(video), video.guessed_rate) if rate)
        unit = float(video.time_base)
        packets = [
            (packet.pts, packet.duration or 0)
            for packet in timed_packets(container, [video])
            if packet.size and packet.pts is not None and not packet.is_discard
        ]
    stamps, durations = np.array(sorted(packets) or [(0, 0)], np.int64).T
    begins = np.unique(stamps - stamps[0]) * unit
    period = frame_period(stated[0] if stated else None)
    shortest = min(period, np.diff(begins).min(initial=np.inf))
    last = frame_seconds(durations[-1] * unit, period, unit, shortest)
    return _FrameTimes(begins, round(float(begins[-1] + last), 6), stated, unit)


def _rate(times: _FrameTimes) -> Fraction:
    """The likeliest rate at which every frame begins in time, and the video ends in time."""
    shortest = np.diff(times.begins).min(initial=np.inf)
    rates = [*times.stated, Fraction(1 / shortest).limit_denominator(1001)]
    for rate in rates:
        if rate < 1:
            continue
        numbers = np.round(times.begins * float(rate))
        off = np.abs(times.begins - numbers / float(rate)).max()
        end = abs(times.end - round(times.end * rate) / float(rate))
        if off <= max(LATE, times.unit) and end <= _LATE_END and len(set(numbers)) == len(numbers):
            return rate
    return UNEVEN_FPS


def plays_in_browsers(path: str | os.PathLike[str]) -> bool:
    """Whether every browser plays a file with video and audio as it is. MediaError if unreadable."""
    with open_container(Path(path)) as container:
        video, audio = find_stream(container, "video"), find_stream(container, "audio")
        if video is None or audio is None:
            return False
        codec, audio_codec = video.codec_context, audio.codec_context
        if codec is None or audio_codec is None:
            return False
        names = (codec.name, codec.pix_fmt, audio_codec.name)
    return all(name in known for name, known in zip(names, _PLAYABLE, strict=True))


@dataclass(frozen=True)
class FileFacts:
    """Facts about one file; None where they were not requested or cannot be known.

    frames: their number; padding, picture: largest mean brightness of a row of the frames'
    padding and of the rows between (of 255); peaks: largest sample of each channel; full_scale: share
    of samples at or beyond full scale, in the channel that has most.
    """

    width: int
    height: int
    fps: float
    channels: int
    sample_rate: int
    frames: int | None = None
    audio_seconds: float | None = None
    padding: float | None = None
    picture: float | None = None
    peaks: tuple[float, ...] | None = None
    full_scale: float = 0.0


def file_facts(path: Path, format: ClipFormat, decoded: bool = True) -> FileFacts:
    """The facts about a file.

    Args:
        format: says which rows of a frame are padding.
        decoded: read its whole content, not its headers alone.

    Raises:
        MediaError: the file cannot be read to its end.
    """
    with open_container(path, "cannot be read to its end") as container:
        facts = _header(container, path)
        return _content(container, path, facts, format) if decoded else facts


def _header(container: Any, path: Path) -> FileFacts:
    video, audio = find_stream(container, "video"), find_stream(container, "audio")
    if video is None or video.codec_context is None:
        raise MediaError(f"{path} has no frames that can be read.")
    if audio is not None and audio.codec_context is None:
        raise MediaError(f"{path} has audio that cannot be read.")
    seconds = audio.duration * audio.time_base if audio is not None and audio.duration else None
    return FileFacts(
        video.width,
        video.height,
        float(video.average_rate or 0),
        audio.channels if audio is not None else 0,
        audio.rate if audio is not None else 0,
        video.frames or None,
        None if seconds is None else float(seconds),
    )


def _content(container: Any, path: Path, facts: FileFacts, format: ClipFormat) -> FileFacts:
    """Facts of everything in a file, decoded."""
    frames, padding, picture, blocks = 0, 0.0, 0.0, []
    video, audio = find_stream(container, "video"), find_stream(container, "audio")
    for decoded in decode_packets(container, video, [] if audio is None else [audio]):
        for part in decoded:
            if not isinstance(part, DecodedFrame):
                blocks.append(full_scale_samples(part.raw))
                continue
            frames += 1
            outer, inner = _brightness(part, format)
            padding, picture = max(padding, outer), max(picture, inner)
    if not frames:
        raise MediaError(f"{path} cannot be read to its end.")
    facts = replace(
        facts,
        frames=frames,
        padding=padding,
        picture=picture,
        audio_seconds=None,
    )
    if not blocks:
        return facts
    samples = np.abs(np.concatenate(blocks, axis=1))
    return replace(
        facts,
        audio_seconds=samples.shape[1] / facts.sample_rate,
        peaks=tuple(float(peak) for peak in samples.max(axis=1, initial=0)),
        full_scale=float((samples >= FULL_SCALE).mean(axis=1).max()),
    )


def _brightness(frame: DecodedFrame, format: ClipFormat) -> tuple[float, float]:
    """The largest mean brightness of a row of padding, and of the rows between; 0 without any."""
    luma = frame.luma()
    rows = luma.mean(axis=1, dtype=np.float32)
    if luma.shape != (format.size, format.size):
        return 0.0, float(rows.max(initial=0.0))
    outer = np.concatenate([rows[: format.top - _EDGE], rows[format.bottom + _EDGE :]])
    inner = rows[format.top : format.bottom]
    return float(outer.max(initial=0.0)), float(inner.max(initial=0.0))
