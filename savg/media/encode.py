"""Video and audio written as mp4 files that play in browsers (H.264 yuv420p, AAC stereo)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from savg.paths import whole_file

if TYPE_CHECKING:
    import av

AUDIO_BIT_RATE = 192_000
"""Below 128 kbit/s AAC shrinks level differences between the channels."""


@dataclass(frozen=True)
class Encoding:
    """How clips are coded: x264's preset, quality (0 best … 51) and tuning, the sound's bits a second
    and options of FFmpeg's AAC encoder, and how many threads (0: as many as there are cores)."""

    preset: str = "fast"
    crf: int = 16
    tune: str | None = None
    audio_bit_rate: int = AUDIO_BIT_RATE
    audio_options: Mapping[str, str] = field(default_factory=dict)
    threads: int = 0

    def video_options(self) -> dict[str, object]:
        """x264's options."""
        options: dict[str, object] = {"crf": str(self.crf), "preset": self.preset}
        return options if self.tune is None else {**options, "tune": self.tune}


def write_video(
    path: str | os.PathLike[str],
    video: Iterable[NDArray[np.uint8] | av.VideoFrame],
    fps: int | Fraction,
    audio: NDArray[np.float32],
    sample_rate: int,
    encoding: Encoding | None = None,
) -> None:
    """Write an mp4 with H.264 yuv420p pictures at exactly `fps` and AAC stereo sound.

    video: pictures uint8 [height, width, 3] with even sides, an array or one after the other, or
    PyAV's frames; audio float32 [2, samples].
    """
    import av

    encoding = encoding or Encoding()
    frames = (_frame(picture) for picture in video)
    first = next(frames)
    with whole_file(path) as part:
        try:
            with av.open(str(part), "w", options={"movflags": "+faststart"}) as container:
                pictures = container.add_stream("libx264", rate=Fraction(fps))
                pictures.width, pictures.height = first.width, first.height
                pictures.pix_fmt, pictures.options = "yuv420p", encoding.video_options()
                pictures.codec_context.thread_count = encoding.threads
                sound = container.add_stream("aac", rate=sample_rate, layout="stereo")
                sound.bit_rate = encoding.audio_bit_rate
                sound.options = {**encoding.audio_options}
                for frame in chain((first,), frames):
                    container.mux(pictures.encode(frame))
                container.mux(pictures.encode(None))
                samples = np.ascontiguousarray(audio, np.float32)
                block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
                block.sample_rate, block.pts = sample_rate, 0
                container.mux(sound.encode(block))
                container.mux(sound.encode(None))
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror or str(error)) from error


def _frame(picture: NDArray[np.uint8] | av.VideoFrame) -> av.VideoFrame:
    """A picture as a frame whose time is yet open; frames may belong to several videos."""
    import av

    if isinstance(picture, np.ndarray):
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    picture.pts = None
    return picture
