"""The sound of a film: what a video file has, and new sound written to its pictures.

Sound is float32 [2, samples], channel 0 left, and begins with the first picture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.media.container import open_container, video_stream
from savg.media.encode import AUDIO_BIT_RATE, write_video
from savg.media.frames import frames_at_rate
from savg.media.probe import frame_rate
from savg.paths import whole_file

SMOOTHEST = 60
"""Pictures a second of a file whose pictures are coded anew, at most."""

AHEAD = 0.5
"""Seconds by which sound is ahead of the pictures in a file, so that players read it in one go."""

Watch = Callable[[float], object]
"""Told seconds of the film as they are done; what it raises stops the work."""


def with_audio(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    audio: NDArray[np.float32],
    sample_rate: int,
    watch: Watch | None = None,
) -> bool:
    """Write the pictures of `source` with new stereo sound [2, T] as an mp4 that plays in browsers.

    Pictures that browsers show as they are (upright H.264, 4:2:0) are copied untouched, which True
    tells. Others are coded anew in their own size and rate (up to 60 a second; odd sides lose a
    line). Whole or not at all.
    """
    source = Path(source)
    begin = _copyable(source)
    if begin is not None:
        _copy(source, target, begin, audio, sample_rate, watch)
        return True
    rate = min(Fraction(SMOOTHEST), frame_rate(source))
    write_video(target, _even(source, rate, watch), rate, audio, sample_rate)
    return False


def _even(source: Path, rate: Fraction, watch: Watch | None) -> Iterator[NDArray[np.uint8]]:
    for number, picture in enumerate(frames_at_rate(source, rate)):
        if watch is not None:
            watch(float(number / rate))
        yield picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]


def _copyable(path: Path) -> int | None:
    """The time stamp of the first picture of a film that plays as it is, else None.

    Pictures that an edit hides cannot be left out of a copy, and turned ones would lose their turn.
    """
    with open_container(path) as container:
        video = video_stream(container, path)
        codec = video.codec_context
        if codec.name != "h264" or codec.pix_fmt not in ("yuv420p", "yuvj420p"):
            return None
        if abs(float(video.sample_aspect_ratio or 1) - 1) > 1e-3:
            return None
        first = next(container.decode(video), None)
        if first is None or first.rotation:
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
    """Packets of the pictures, so that the first one is shown at 0, beside newly coded sound."""
    import av

    with whole_file(target) as part, open_container(source) as container:
        video = video_stream(container, source)
        try:
            with av.open(str(part), "w", options={"movflags": "+faststart"}) as out:
                pictures = out.add_stream_from_template(video)
                sound = out.add_stream("aac", rate=sample_rate, layout="stereo")
                sound.bit_rate = AUDIO_BIT_RATE
                coded = _Sound(audio, sample_rate, sound)
                for packet in container.demux(video):
                    if packet.size == 0:
                        continue
                    packet.pts -= begin
                    packet.dts -= begin
                    seconds = float(packet.pts * packet.time_base)
                    if watch is not None:
                        watch(seconds)
                    out.mux(coded.until(seconds + AHEAD))
                    packet.stream = pictures
                    out.mux(packet)
                out.mux(coded.until(None))
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror or str(error)) from error


class _Sound:
    """Sound [2, T] that is coded bit by bit."""

    def __init__(self, audio: NDArray[np.float32], sample_rate: int, stream: Any) -> None:
        self.audio, self.sample_rate, self.stream = audio, sample_rate, stream
        self.done = 0

    def until(self, seconds: float | None) -> list[Any]:
        """The next packets, up to about a time; None: all that are left."""
        import av

        total = self.audio.shape[1]
        end = total if seconds is None else min(total, round(seconds * self.sample_rate))
        packets: list[Any] = []
        if end > self.done:
            part = np.ascontiguousarray(self.audio[:, self.done : end], np.float32)
            block = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            block.sample_rate, block.pts = self.sample_rate, self.done
            block.time_base = Fraction(1, self.sample_rate)
            packets += self.stream.encode(block)
            self.done = end
        if seconds is None:
            packets += self.stream.encode(None)
        return packets
