"""The audio of video files: float32 [2, samples] in −1..1, channel 0 left.

Times count from the first frame of the video, where audio read from a file begins too.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.media.container import find_stream, open_container, video_stream
from savg.media.frames import decode

if TYPE_CHECKING:
    import av

_BEYOND = 0.1
"""Seconds decoded beyond the requested length."""


class AudioTrack:
    """Decoded blocks of an audio stream, brought to one rate, layout and sample format.

    begin: seconds at which the first block begins in the file's own time, None before it;
    seconds: how much has been added, in the stream's own rate.
    """

    def __init__(self, rate: int, layout: str = "stereo", sample_format: str = "fltp") -> None:
        import av

        self.begin: float | None = None
        self.seconds = 0.0
        self._new_resampler = partial(av.AudioResampler, sample_format, layout, rate)
        self._resampler = self._new_resampler()
        self._kind: tuple[object, ...] | None = None
        self._blocks: list[NDArray[Any]] = []

    def note(self, block: av.AudioFrame) -> float:
        """Seconds at which the first block begins, which may be this one."""
        if self.begin is None:
            self.begin = float(block.time or 0.0)
        return self.begin

    def add(self, block: av.AudioFrame) -> None:
        """Append the next block."""
        self.note(block)
        self._resample(block)
        self.seconds += block.samples / block.sample_rate

    def finish(self) -> NDArray[Any] | None:
        """All samples [channels, T], or None without a single block."""
        self._resample(None)
        return np.concatenate(self._blocks, axis=1) if self._blocks else None

    def _resample(self, block: av.AudioFrame | None) -> None:
        kind = block and (block.format.name, block.layout.name, block.sample_rate)
        if kind and self._kind and kind != self._kind:  # a broadcast may change them midway
            self._resample(None)
            self._resampler = self._new_resampler()
        self._kind = kind or self._kind
        self._blocks += [planar(part) for part in self._resampler.resample(block)]


def planar(block: av.AudioFrame) -> NDArray[Any]:
    """The samples of a block in its own number format [channels, T]."""
    samples = block.to_ndarray()
    return samples if block.format.is_planar else samples.reshape(-1, block.layout.nb_channels).T


def full_scale_samples(block: av.AudioFrame) -> NDArray[np.float32]:
    """The samples of a block [channels, T], whatever its number format, full scale 1."""
    samples = planar(block)
    if samples.dtype.kind in "iu":
        largest = float(np.iinfo(samples.dtype).max) + 1
        offset = largest / 2 if samples.dtype.kind == "u" else 0.0
        return ((samples - offset) / (largest - offset)).astype(np.float32)
    return np.asarray(samples, np.float32)


def shifted(audio: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """Audio [channels, T] that begins `samples` later, after silence; negative: cut at its start."""
    return audio[:, -samples:] if samples < 0 else np.pad(audio, ((0, 0), (samples, 0)))


def fit_length(audio: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """Audio [2, T], or [1, T] for both channels, cut or followed by silence to [2, samples]."""
    fitted = np.zeros((2, samples), np.float32)
    length = min(samples, audio.shape[1])
    fitted[:, :length] = audio[:, :length]
    return fitted


def audio_of(
    path: str | os.PathLike[str], seconds: float, sample_rate: int = 48_000
) -> NDArray[np.float32] | None:
    """A video's own audio [2, seconds · sample_rate] from its first frame on, or None if it has none.

    Mono goes to both channels as it is, more than two are mixed down; what is missing is silence.

    Raises:
        MediaError: a file that cannot be read.
    """
    path = Path(path)
    with open_container(path) as container:
        audio: Any = find_stream(container, "audio")
        if audio is None:
            return None
        if audio.codec_context is None:
            raise MediaError(f"{path} has audio of a kind that cannot be read.")
        first = next(decode(container, video_stream(container, path)), None)
    begin = 0.0 if first is None else first.time
    with open_container(path) as container:
        audio = find_stream(container, "audio")
        track = AudioTrack(sample_rate, "mono" if audio.channels == 1 else "stereo")
        for block in container.decode(audio):
            track.add(block)
            if track.note(block) + track.seconds > begin + seconds + _BEYOND:
                break
        samples = track.finish()
    if samples is None:
        return None
    late = round(((track.begin or 0.0) - begin) * sample_rate)
    fitted = fit_length(shifted(samples, late), round(seconds * sample_rate))
    return np.nan_to_num(fitted).clip(-1, 1)
