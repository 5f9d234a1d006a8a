"""Opening files of unknown origin: what is accepted, which stream counts, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from savg.errors import MediaError

MAX_PIXELS = 4096 * 2304
"""Larger pictures are refused before they are decoded."""

_OPEN_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mxf,gif,"
    "wav,mp3,flac,aac,aiff",
}
"""Only self-contained files: a play list could make the decoder read other files or the network."""


@contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """A media file opened with PyAV; what goes wrong with it in the block becomes a MediaError."""
    import av

    if not path.is_file():
        raise MediaError(f"{path}: no such video file.")
    try:
        with av.open(str(path), metadata_errors="ignore", options=_OPEN_OPTIONS) as container:
            yield container
    except PermissionError as error:
        raise MediaError(f"{path} could not be opened: {error.strerror}.") from error
    except (av.FFmpegError, UnicodeDecodeError) as error:
        raise MediaError(f"{path} is not a video that can be read to its end.") from error


def video_stream(container: Any, path: Path) -> Any:
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


def nominal_rate(video: Any, path: Path) -> Fraction:
    """The nominal rate if it is near the average: a file may state its last picture's length wrong."""
    nominal, average = video.guessed_rate, video.average_rate
    rate = nominal or average
    if nominal and average and abs(nominal / average - 1) > 0.2:
        rate = average
    if not rate:
        raise MediaError(f"{path} does not say how many pictures it shows a second.")
    return Fraction(rate).limit_denominator(1001)
