"""Audio files (.wav, .flac): float32 [channels, samples] in −1..1, channel 0 left."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.errors import MediaError
from savg.input_file import input_file
from savg.paths import atomic_file

RATES = 1_000, 384_000
"""Samples a second, least and most; filters for changing other rates can take gigabytes."""


def check_rate(path: str | os.PathLike[str], rate: int, bounds: tuple[int, int] = RATES) -> None:
    """MediaError for audio with a sample rate outside `bounds`, which no recording has."""
    least, most = bounds
    if not least <= rate <= most:
        raise MediaError(
            f"{path} has audio of {rate} samples a second: expected {least} to {most}."
        )


def read_audio(
    path: str | os.PathLike[str], max_seconds: float | None = None
) -> tuple[NDArray[np.float32], int]:
    """Audio [channels, samples] and its rate from a .wav or .flac file (or .mp3, .ogg).

    Args:
        max_seconds: what comes later is left out.

    Raises:
        MediaError: a file that cannot be read, or with a sample rate outside RATES.
    """
    import soundfile

    input_file(path, "audio file", MediaError)
    try:
        with soundfile.SoundFile(_name(path)) as file:
            rate = int(file.samplerate)
            most = -1 if max_seconds is None else round(max_seconds * rate)
            data = file.read(most, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise MediaError(f"{path} is not an audio file that can be read.") from error
    check_rate(path, rate)
    return np.ascontiguousarray(data.T), rate


def write_audio(path: str | os.PathLike[str], audio: NDArray[np.float32], sample_rate: int) -> None:
    """Write audio [channels, samples] as 16-bit .wav or .flac, whole or not at all.

    MediaError for another suffix.
    """
    import soundfile

    suffix = Path(path).suffix.lower()
    if suffix not in (".wav", ".flac"):
        raise MediaError(f"{path}: the suffix must be .wav or .flac, got {suffix or 'none'}.")
    with atomic_file(path) as part:
        try:
            soundfile.write(_name(part), np.asarray(audio).T, sample_rate, subtype="PCM_16")
        except soundfile.LibsndfileError as error:
            raise MediaError(f"{path} could not be written: {error.error_string}") from error


def _name(path: str | os.PathLike[str]) -> str | bytes:
    """A file's name as libsndfile opens it, also one whose bytes are no text."""
    return os.fspath(path) if os.name == "nt" else os.fsencode(path)
