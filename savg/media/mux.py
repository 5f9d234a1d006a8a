"""New audio for the frames of a video file, which stay as they are where browsers show them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.media.container import open_container, video_stream
from savg.media.encode import AudioEncoder, add_aac, new_mp4, write_video
from savg.media.frames import decode, frames_at_rate
from savg.media.probe import frame_rate
from savg.paths import atomic_file

MAX_FPS = 60
"""Frames a second of a file whose frames are coded anew, at most."""

AHEAD = 0.5
"""Seconds by which audio is ahead of the frames in a file, so that players read it in one go."""

Watch = Callable[[float], object]
"""Called with the seconds of video that are done; what it raises stops the work."""


def with_audio(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    audio: NDArray[np.float32],
    sample_rate: int,
    watch: Watch | None = None,
) -> bool:
    """Write the frames of `source` with new audio as an mp4 that plays in browsers.

    Frames that browsers show as they are (upright H.264, 4:2:0) are copied untouched. Others are
    coded anew in their own size and rate (up to 60 a second; odd sides lose a line). Whole or not at
    all.

    Args:
        audio: float32 [2, samples] in −1..1, channel 0 left, from the first frame on.
        watch: called with the seconds of video that are done; what it raises stops the writing.

    Returns:
        Whether the frames were copied untouched.

    Raises:
        MediaError: the source cannot be read.
        SavgError: the target cannot be written.
    """
    source = Path(source)
    begin = _copyable(source)
    if begin is not None:
        _copy(source, target, begin, audio, sample_rate, watch)
        return True
    rate = min(Fraction(MAX_FPS), frame_rate(source))
    write_video(target, _even(source, rate, watch), rate, audio, sample_rate)
    return False


def _even(source: Path, rate: Fraction, watch: Watch | None) -> Iterator[NDArray[np.uint8]]:
    for number, frame in enumerate(frames_at_rate(source, rate)):
        if watch is not None:
            watch(float(number / rate))
        yield frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]


def _copyable(path: Path) -> int | None:
    """The time stamp of the first frame of a video that plays as it is, else None.

    Frames that an edit hides cannot be left out of a copy, and rotated ones would lose their rotation.
    """
    with open_container(path) as container:
        video = video_stream(container, path)
        codec = video.codec_context
        if codec.name != "h264" or codec.pix_fmt not in ("yuv420p", "yuvj420p"):
            return None
        if abs(float(video.sample_aspect_ratio or 1) - 1) > 1e-3:
            return None
        first = next(decode(container, video), None)
        if first is None or first.raw.rotation:
            return None
    stamps: list[int] = []
    with open_container(path) as container:
        for packet in container.demux(video_stream(container, path)):
            if packet.size == 0:
                continue
            if packet.pts is None or packet.dts is None or packet.is_discard or packet.is_corrupt:
                return None
            if not stamps and not packet.is_keyframe:
                return None
            stamps.append(packet.pts)
    return min(stamps) if stamps else None


def _copy(
    source: Path,
    target: str | os.PathLike[str],
    begin: int,
    audio: NDArray[np.float32],
    sample_rate: int,
    watch: Watch | None,
) -> None:
    """Copy the packets of the frames, the first shown at 0 s, beside newly coded audio."""
    with atomic_file(target) as part, open_container(source) as container:
        video = video_stream(container, source)
        with new_mp4(part) as out:
            frames = out.add_stream_from_template(video)
            track = AudioEncoder(audio, sample_rate, add_aac(out, sample_rate))
            for packet in container.demux(video):
                if packet.size == 0:
                    continue
                packet.pts -= begin
                packet.dts -= begin
                seconds = float(packet.pts * packet.time_base)
                if watch is not None:
                    watch(seconds)
                out.mux(track.until(seconds + AHEAD))
                packet.stream = frames
                out.mux(packet)
            out.mux(track.until(None))
