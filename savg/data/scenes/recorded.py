"""The recorded voices and notes that come with the project: files checked by hash, Opus decoded."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from savg.arrays import read_arrays
from savg.errors import SavgError
from savg.paths import assets_dir, checked_file

BANK_RATE = 16_000
"""Samples per second of voices and notes."""


def bundled_bank(name: str, sha256: str) -> dict[str, NDArray]:
    """The arrays of assets/voices/NAME by name.

    Raises:
        SavgError: the file is missing or is another one than that with this SHA-256.
    """
    return read_arrays(checked_file(assets_dir() / "voices" / name, sha256))


def decoded(
    streams: NDArray[np.uint8], offsets: NDArray[np.int64], index: int
) -> NDArray[np.float32]:
    """Stream `index` of Ogg Opus files one after the other, as mono audio [samples] at 16 kHz."""
    import soundfile

    data = streams[offsets[index] : offsets[index + 1]].tobytes()
    audio, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    if rate != BANK_RATE:
        raise SavgError(f"Recorded sounds must be at {BANK_RATE} Hz, got {rate} Hz.")
    return audio
