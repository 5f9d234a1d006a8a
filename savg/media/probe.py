"""What is in a video file, as it is: sizes, rates, lengths, brightness of the padding, peaks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.container import nominal_rate, open_container, video_stream
from savg.media.frames import upright

_EDGE = 4
"""Rows next to the picture that are not looked at: codecs smear it into them."""

FULL_SCALE = 0.9995
"""Samples from here on count as clipped."""


@dataclass(frozen=True)
class FileFacts:
    """Facts about one file; None where they were not asked for or cannot be known.

    frames: number of pictures; padding, picture: largest mean brightness of a picture's padding and
    of its picture rows (of 255); peaks: largest sample of each channel; full_scale: share of samples
    at or beyond full scale, in the channel that has most.
    """

    width: int
    height: int
    fps: float
    channels: int
    sample_rate: int
    frames: int | None = None
    sound_seconds: float | None = None
    padding: float | None = None
    picture: float | None = None
    peaks: tuple[float, ...] | None = None
    full_scale: float = 0.0


def file_facts(path: Path, form: ClipFormat, decode: bool = True) -> FileFacts:
    """The facts about a file, of its headers alone or of everything in it.

    form: says which rows hold the picture. MediaError where the file cannot be read to its end.
    """
    import av

    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            facts = _header(container, path)
            return _content(container, facts, form) if decode else facts
    except (av.FFmpegError, OSError, UnicodeDecodeError) as error:
        raise MediaError(f"{path} cannot be read to its end.") from error


def _header(container: Any, path: Path) -> FileFacts:
    if not container.streams.video or container.streams.video[0].codec_context is None:
        raise MediaError(f"{path} has no pictures that can be read.")
    video = container.streams.video[0]
    audio = next(iter(container.streams.audio), None)
    if audio is not None and audio.codec_context is None:
        raise MediaError(f"{path} has sound that cannot be read.")
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


def _content(container: Any, facts: FileFacts, form: ClipFormat) -> FileFacts:
    """Decode everything."""
    import av

    frames, padding, picture, blocks = 0, 0.0, 0.0, []
    streams = [container.streams.video[0], *container.streams.audio[:1]]
    shape = (form.size, form.size)
    for packet in container.demux(*streams):
        for frame in packet.decode():
            if isinstance(frame, av.AudioFrame):
                blocks.append(_samples(frame))
                continue
            frames += 1
            grey = frame.to_ndarray(format="gray")
            rows = grey.mean(axis=1, dtype=np.float32)
            if grey.shape == shape:
                outer = np.concatenate([rows[: form.top - _EDGE], rows[form.bottom + _EDGE :]])
                padding = max(padding, float(outer.max(initial=0.0)))
                rows = rows[form.top : form.bottom]
            picture = max(picture, float(rows.max(initial=0.0)))
    sound = np.concatenate(blocks, axis=1) if blocks else None
    length = None if sound is None else sound.shape[1] / facts.sample_rate
    return FileFacts(
        facts.width,
        facts.height,
        facts.fps,
        facts.channels,
        facts.sample_rate,
        frames,
        length,
        padding,
        picture if frames else None,
        None if sound is None else tuple(float(p) for p in np.abs(sound).max(axis=1, initial=0)),
        0.0 if sound is None else float((np.abs(sound) >= FULL_SCALE).mean(axis=1).max()),
    )


def _samples(frame: Any) -> NDArray[np.float32]:
    """Sound [channels, T] of a decoded block, whatever its sample format, full scale 1."""
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels).T
    if values.dtype.kind in "iu":
        largest = float(np.iinfo(values.dtype).max) + 1
        offset = largest / 2 if values.dtype.kind == "u" else 0.0
        return ((values - offset) / (largest - offset)).astype(np.float32)
    return np.asarray(values, np.float32)


@dataclass(frozen=True)
class VideoInfo:
    """What a video file says of itself: pictures as they are shown, length in seconds if it tells,
    channels of its sound (0: none)."""

    width: int
    height: int
    fps: Fraction
    seconds: float | None
    channels: int


def video_info(path: str | os.PathLike[str]) -> VideoInfo:
    """What a video file says of itself, and that its first picture can be shown; else MediaError."""
    path = Path(path)
    with open_container(path) as container:
        video = video_stream(container, path)
        fps = nominal_rate(video, path)
        sounds = [stream for stream in container.streams.audio if stream.codec_context is not None]
        seconds = container.duration / 1e6 if container.duration else None
        if video.duration and video.time_base:
            seconds = float(video.duration * video.time_base)
        first = next(container.decode(video), None)
        if first is None:
            raise MediaError(f"{path} has no frame that can be decoded.")
        height, width = upright(first, float(video.sample_aspect_ratio or 1.0)).shape[:2]
    channels = sounds[0].channels if sounds else 0
    return VideoInfo(width, height, fps, seconds, channels)


def frame_rate(path: str | os.PathLike[str]) -> Fraction:
    """Pictures a second of a video file: its nominal rate, or on average where it has none."""
    path = Path(path)
    with open_container(path) as container:
        return nominal_rate(video_stream(container, path), path)


def plays_in_browsers(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds what every browser plays: H.264 in yuv420p with AAC or MP3."""
    path = Path(path)
    with open_container(path) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        codecs = video.codec_context.name, audio.codec_context.name
        layout = video.codec_context.pix_fmt
    known = codecs[0] in ("h264", "libx264") and codecs[1] in ("aac", "mp3float")
    return known and layout == "yuv420p"
