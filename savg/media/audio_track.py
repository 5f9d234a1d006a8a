"""The audio of video files: float32 [2, samples], channel 0 left, from the first frame on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.media.container import open_container, video_stream

if TYPE_CHECKING:
    import av


def as_arrays(blocks: Iterable[av.AudioFrame]) -> list[NDArray[np.float32]]:
    """Blocks of planar float sound as arrays [channels, samples]."""
    return [np.asarray(block.to_ndarray(), np.float32) for block in blocks]


def audio_of(
    path: str | os.PathLike[str], seconds: float, sample_rate: int = 48_000
) -> NDArray[np.float32] | None:
    """The film's own sound [2, seconds · sample_rate] from its first picture on, or None if silent.

    Mono goes to both channels as it is, more than two are mixed down; what is missing is silence.
    MediaError with one sentence for a file that cannot be read.
    """
    import av

    path = Path(path)
    with open_container(path) as container:
        if not container.streams.audio:
            return None
        audio = container.streams.audio[0]
        if audio.codec_context is None:
            raise MediaError(f"{path} has sound of a kind that cannot be read.")
        begins = next(
            (float(frame.time) for frame in container.decode(video_stream(container, path))), 0.0
        )
    with open_container(path) as container:
        audio = container.streams.audio[0]
        layout = "mono" if audio.channels == 1 else "stereo"
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=sample_rate)
        blocks: list[NDArray[np.float32]] = []
        first: float | None = None
        heard = 0.0
        for frame in container.decode(audio):
            first = float(frame.time or 0.0) if first is None else first
            blocks += as_arrays(resampler.resample(frame))
            heard += frame.samples / frame.sample_rate
            if first + heard > begins + seconds + 0.1:
                break
        blocks += as_arrays(resampler.resample(None))
    if not blocks:
        return None
    sound = np.concatenate(blocks, axis=1)
    late = round(((first or 0.0) - begins) * sample_rate)
    sound = np.pad(sound, ((0, 0), (late, 0))) if late > 0 else sound[:, -late:]
    fitted = np.zeros((2, round(seconds * sample_rate)), np.float32)
    length = min(fitted.shape[1], sound.shape[1])
    fitted[:, :length] = np.nan_to_num(sound[:, :length])  # one channel goes to both
    return fitted.clip(-1, 1)
