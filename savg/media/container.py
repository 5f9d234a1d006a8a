"""Opening files of unknown origin: accepted formats, the streams that count, and what they state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from savg.errors import MediaError
from savg.input_file import input_file
from savg.media.colour import ColourError
from savg.media.file_name import ffmpeg_name

MAX_PIXELS = 4096 * 2304
"""Larger frames are refused before they are decoded."""

_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,gif,"
    "wav,mp3,flac,aac,aiff",
}
"""Only self-contained files: a play list could make the decoder read other files or the network."""


@contextmanager
def open_container(
    path: Path, unreadable: str = "is not a video that can be read to its end"
) -> Iterator[Any]:
    """A media file opened with PyAV, safe for files of unknown origin.

    Args:
        unreadable: the message for a file in which anything goes wrong, after its path.

    Raises:
        MediaError: a file that cannot be opened, or read inside the block.
    """
    import av

    input_file(path, "video file", MediaError)
    try:
        with av.open(ffmpeg_name(path), metadata_errors="ignore", options=_OPTIONS) as container:
            yield container
    except PermissionError as error:
        raise MediaError(f"{path} could not be opened: {error.strerror}.") from error
    except (av.FFmpegError, UnicodeDecodeError) as error:
        raise MediaError(f"{path} {unreadable}.") from error
    except ColourError as error:
        raise MediaError(f"{path} {error}.") from error


def find_stream(container: Any, kind: str) -> Any | None:
    """The first stream of a kind, "video" or "audio", that is not album art; None without one."""
    for stream in getattr(container.streams, kind):
        if not stream.disposition & stream.disposition.attached_pic:
            return stream
    return None


def video_stream(container: Any, path: Path) -> Any:
    """The stream of a video's frames. MediaError for a file without, or with too large ones."""
    stream = find_stream(container, "video")
    if stream is None or stream.codec_context is None or not stream.width:
        raise MediaError(f"{path} has no frames that can be read: expected a video.")
    refuse_large(stream, path)
    return stream


def refuse_large(video: Any, path: Path) -> None:
    """MediaError for frames of more than `MAX_PIXELS`."""
    if video.width * video.height > MAX_PIXELS:
        raise MediaError(
            f"{path} has frames of {video.width}×{video.height}: expected at most 4096×2304."
        )


def stated_seconds(container: Any, video: Any) -> float | None:
    """The length in seconds as the file states it, or None."""
    if video.duration and video.time_base:
        return float(video.duration * video.time_base)
    return container.duration / 1e6 if container.duration else None


def nominal_rate(video: Any, path: Path) -> Fraction:
    """Frames a second as the file states them, or on average where both are far apart.

    A file may state its last frame's length wrong, so the nominal rate counts where it is near the
    average. MediaError for a file with neither.
    """
    nominal, average = video.guessed_rate, video.average_rate
    rate = nominal or average
    if nominal and average and abs(nominal / average - 1) > 0.2:
        rate = average
    if not rate:
        raise MediaError(f"{path} does not say how many frames it shows a second.")
    return Fraction(rate).limit_denominator(1001) or Fraction(rate)
