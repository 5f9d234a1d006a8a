"""Recordings of any common kind: audio files, and what else FFmpeg decodes, such as .m4a or a video.

Audio is float32 [channels, samples] in −1..1, channel 0 left.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.input_file import input_file
from savg.media.audio_file import check_rate, read_audio
from savg.media.audio_track import AudioTrack, stereo_block
from savg.media.container import find_stream, open_container

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".aac")
"""Ends of the names of audio files."""

UNREADABLE = "is not an audio file that can be read"


def read_recording(
    path: str | os.PathLike[str], max_seconds: float | None = None
) -> tuple[NDArray[np.float32], int]:
    """Audio [channels, samples] and its rate from a .wav, .flac, .mp3 or .ogg file, or (one or two
    channels) from another one with audio, such as .m4a or .mp4. Its content counts, not its name.

    Args:
        max_seconds: what comes later is left out.

    Raises:
        MediaError: a file without audio that can be read, or with a sample rate that no recording has.
    """
    input_file(path, "audio file", MediaError)
    try:
        return read_audio(path, max_seconds)
    except MediaError as error:
        audio = _decoded(Path(path), math.inf if max_seconds is None else max_seconds)
        if audio is None:
            raise error
        return audio


def _decoded(path: Path, most: float) -> tuple[NDArray[np.float32], int] | None:
    """The file's audio up to `most` seconds, and its rate; None for a file without any."""
    with open_container(path, UNREADABLE) as container:
        stream = find_stream(container, "audio")
        if stream is None or stream.codec_context is None or not stream.channels:
            return None
        rate = int(stream.rate)
        check_rate(path, rate)
        track = AudioTrack(rate)
        for block in container.decode(stream):
            check_rate(path, block.sample_rate)
            track.add(stereo_block(block, None, path))
            if track.seconds >= most:
                break
        samples = track.joined()
    if samples is None:
        return None
    heard = np.nan_to_num(samples[:, : None if most == math.inf else round(most * rate)])
    return np.ascontiguousarray(heard.clip(-1, 1)), rate
