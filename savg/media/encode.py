"""Video and audio written as mp4 files that play in browsers: H.264 yuv420p, AAC stereo."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savg.media.colour import LIMITED, ColourTags, frame_matrix, tags_for, to_yuv420
from savg.media.file_name import ffmpeg_name
from savg.paths import atomic_file

if TYPE_CHECKING:
    import av

AUDIO_BIT_RATE = 192_000
"""Below 128 kbit/s AAC shrinks level differences between the channels."""


@dataclass(frozen=True)
class Encoding:
    """How clips are coded: x264's preset, quality (0 best … 51) and tuning, the audio's bits a second
    and options of FFmpeg's AAC encoder, and how many threads (0: as many as there are cores)."""

    preset: str = "fast"
    crf: int = 16
    tune: str | None = None
    audio_bit_rate: int = AUDIO_BIT_RATE
    audio_options: Mapping[str, str] = field(default_factory=dict)
    threads: int = 0

    def video_options(self) -> dict[str, str]:
        """x264's options."""
        options = {"crf": str(self.crf), "preset": self.preset}
        return options if self.tune is None else {**options, "tune": self.tune}


def write_video(
    path: str | os.PathLike[str],
    video: Iterable[NDArray[np.uint8] | av.VideoFrame],
    fps: int | Fraction,
    audio: NDArray[np.float32],
    sample_rate: int,
    encoding: Encoding | None = None,
    colour: ColourTags | None = None,
    comment: str = "",
) -> None:
    """Write an mp4 of H.264 yuv420p frames at exactly `fps` and AAC stereo audio, whole or not at all.

    Args:
        video: frames uint8 [height, width, 3] with even sides, an array or one after the other, or
            PyAV's frames in yuv420p.
        audio: float32 [2, samples] in −1..1, channel 0 left.
        colour: how colours are coded, by default as `tags_for` the size says, or as the first of
            PyAV's frames is.
        comment: words about the file, kept in its metadata.

    Raises:
        SavgError: the file cannot be written.
    """
    encoding = encoding or Encoding()
    images = iter(video)
    image = next(images)
    if isinstance(image, np.ndarray):
        size = image.shape[1], image.shape[0]
        colour = colour or tags_for(*size)
    else:
        size = image.width, image.height
        colour = colour or ColourTags(frame_matrix(image), range=image.color_range or LIMITED)
    frames = (_frame(image, colour) for image in chain((image,), images))
    with atomic_file(path) as part, new_mp4(part, comment) as container:
        stream = add_h264(container, size, fps, encoding.video_options(), encoding.threads, colour)
        track = add_aac(container, sample_rate, encoding.audio_bit_rate, encoding.audio_options)
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        container.mux(track.encode(audio_block(audio, sample_rate)))
        container.mux(track.encode(None))


@contextmanager
def new_mp4(path: str | os.PathLike[str], comment: str = "") -> Iterator[Any]:
    """A PyAV container for an mp4 that plays while it loads; OSError for what fails in the block.

    comment: words about the file, kept in its metadata.
    """
    import av

    try:
        with av.open(ffmpeg_name(path), "w", options={"movflags": "+faststart"}) as container:
            if comment:
                container.metadata["comment"] = comment
            yield container
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror or str(error)) from error


def add_h264(
    container: Any,
    size: tuple[int, int],
    fps: int | Fraction,
    options: Mapping[str, str],
    threads: int = 0,
    colour: ColourTags | None = None,
) -> Any:
    """A stream for H.264 yuv420p frames of `size` = (width, height) at `fps`.

    options: x264's; colour: how the frames' colours are coded, by default as `tags_for` a size says.
    """
    stream = container.add_stream("libx264", rate=Fraction(fps))
    stream.width, stream.height = size
    stream.pix_fmt, stream.options = "yuv420p", dict(options)
    stream.codec_context.thread_count = threads
    (colour or tags_for(*size)).mark(stream.codec_context)
    return stream


def add_aac(
    container: Any,
    sample_rate: int,
    bit_rate: int = AUDIO_BIT_RATE,
    options: Mapping[str, str] | None = None,
) -> Any:
    """A stream for AAC stereo audio; options: those of FFmpeg's encoder."""
    stream = container.add_stream("aac", rate=sample_rate, layout="stereo")
    stream.bit_rate, stream.options = bit_rate, dict(options or {})
    return stream


def audio_block(
    audio: NDArray[np.float32], sample_rate: int, first_sample: int = 0
) -> av.AudioFrame:
    """Audio float32 [2, T] for an encoder; first_sample: where in its stream it belongs."""
    import av

    samples = np.ascontiguousarray(audio, np.float32)
    block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
    block.sample_rate, block.pts = sample_rate, first_sample
    block.time_base = Fraction(1, sample_rate)
    return block


def yuv_frame(planes: NDArray[np.uint8]) -> av.VideoFrame:
    """A yuv420p frame of its planes Y, U and V below each other, uint8 [1.5 · height, width]."""
    import av

    return av.VideoFrame.from_ndarray(planes, "yuv420p")


class AudioEncoder:
    """Audio float32 [2, T] that is coded part by part into an AAC stream."""

    def __init__(self, audio: NDArray[np.float32], sample_rate: int, stream: Any) -> None:
        self.audio, self.sample_rate, self.stream = audio, sample_rate, stream
        self._done = 0

    def until(self, seconds: float | None) -> list[Any]:
        """The next packets, up to about a time; None: all that are left."""
        total = self.audio.shape[1]
        end = total if seconds is None else min(total, round(seconds * self.sample_rate))
        packets: list[Any] = []
        if end > self._done:
            part = self.audio[:, self._done : end]
            packets += self.stream.encode(audio_block(part, self.sample_rate, self._done))
            self._done = end
        if seconds is None:
            packets += self.stream.encode(None)
        return packets


def _frame(image: NDArray[np.uint8] | av.VideoFrame, colour: ColourTags) -> av.VideoFrame:
    """A tagged frame without a time; PyAV's frames may belong to several videos."""
    if isinstance(image, np.ndarray):
        return to_yuv420(image, colour)
    image.pts = None
    colour.mark(image)
    return image
