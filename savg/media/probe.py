"""Facts about video files: sizes, rates and lengths as they state them, and their content."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.audio_track import full_scale_samples
from savg.media.container import (
    find_stream,
    nominal_rate,
    open_container,
    stated_seconds,
    video_stream,
)
from savg.media.frames import DecodedFrame, decode, decode_packets

_EDGE = 4
"""Rows of padding next to the picture that are ignored: codecs smear the picture into them."""

FULL_SCALE = 0.9995
"""Samples from here on count as clipped."""

_PLAYABLE = (("h264", "libx264"), ("yuv420p",), ("aac", "mp3float"))
"""Names of video codecs, pixel formats and audio codecs that every browser plays."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video file states: the size of its frames as shown, frames a second, length in seconds
    (None: not stated), channels of its audio (0: none)."""

    width: int
    height: int
    fps: Fraction
    seconds: float | None
    channels: int


def video_info(path: str | os.PathLike[str]) -> VideoInfo:
    """What a video file states. MediaError for a file whose first frame cannot be decoded."""
    path = Path(path)
    with open_container(path) as container:
        video = video_stream(container, path)
        fps, seconds = nominal_rate(video, path), stated_seconds(container, video)
        tracks = [stream for stream in container.streams.audio if stream.codec_context is not None]
        first = next(decode(container, video), None)
        if first is None:
            raise MediaError(f"{path} has no frame that can be decoded.")
        height, width = first.rgb().shape[:2]
    return VideoInfo(width, height, fps, seconds, tracks[0].channels if tracks else 0)


def frame_rate(path: str | os.PathLike[str]) -> Fraction:
    """Frames a second of a video file: its nominal rate, or on average where it has none.

    Raises:
        MediaError: a file that is no video, or states neither.
    """
    path = Path(path)
    with open_container(path) as container:
        return nominal_rate(video_stream(container, path), path)


def plays_in_browsers(path: str | os.PathLike[str]) -> bool:
    """Whether every browser plays a file with video and audio as it is. MediaError if unreadable."""
    with open_container(Path(path)) as container:
        video, audio = find_stream(container, "video"), find_stream(container, "audio")
        if video is None or audio is None:
            return False
        codec = video.codec_context
        names = (codec.name, codec.pix_fmt, audio.codec_context.name)
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
        return _content(container, facts, format) if decoded else facts


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


def _content(container: Any, facts: FileFacts, format: ClipFormat) -> FileFacts:
    """Facts of everything in a file, decoded."""
    frames, padding, picture, blocks = 0, 0.0, 0.0, []
    video, audio = find_stream(container, "video"), find_stream(container, "audio")
    for decoded in decode_packets(container, video, audio):
        for part in decoded:
            if not isinstance(part, DecodedFrame):
                blocks.append(full_scale_samples(part))
                continue
            frames += 1
            outer, inner = _brightness(part, format)
            padding, picture = max(padding, outer), max(picture, inner)
    facts = replace(
        facts,
        frames=frames,
        padding=padding,
        picture=picture if frames else None,
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
