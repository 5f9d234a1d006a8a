"""The bundled bank of synthetic speech (assets/voices; see its README for origin and licence)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from savg.paths import assets_dir, existing

BANK_RATE = 16_000


@dataclass(frozen=True, eq=False)
class VoiceBank:
    """Phrases of equal rms, one after the other in `samples` (float32 in −1..1, 16 kHz).

    starts: first sample of each phrase, and the end of the last; voices: index of the voice of each
    phrase; female: one flag per voice.
    """

    samples: NDArray[np.float32]
    starts: NDArray[np.int64]
    voices: NDArray[np.int64]
    female: NDArray[np.bool_]

    def phrase(self, index: int) -> NDArray[np.float32]:
        """One phrase as mono audio [samples], float32 at 16 kHz."""
        return self.samples[self.starts[index] : self.starts[index + 1]]

    def length(self, index: int) -> float:
        """Length of a phrase in seconds."""
        return float(self.starts[index + 1] - self.starts[index]) / BANK_RATE


@lru_cache(maxsize=1)
def bank() -> VoiceBank:
    """The bundled bank, decoded from mu-law once."""
    path = existing(assets_dir() / "voices" / "bank.npz", "voice bank")
    with np.load(path, allow_pickle=False) as file:
        code = np.arange(256) / 127.5 - 1
        table = np.sign(code) * np.expm1(np.abs(code) * np.log(256.0)) / 255.0
        samples = table.astype(np.float32)[file["codes"]]
        return VoiceBank(samples, file["starts"], file["voices"], file["female"])
