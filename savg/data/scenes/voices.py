"""The bundled bank of recorded speech (assets/voices; see its README for origin and licences)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.recorded import BANK_RATE, bundled_bank, decoded

__all__ = ["BANK_RATE", "VoiceBank", "bank"]

SHA256 = "8bd34c360ee66ffbb2a0ac45b281f21a61ad6b3dfe2b111349d0e519f2103828"
"""Of bank.npz."""


@dataclass(frozen=True, eq=False)
class VoiceBank:
    """Phrases of equal rms (float32 in −1..1, 16 kHz), decoded at their first use.

    streams, offsets: their Opus files, one after the other, and the first byte of each; lengths:
    samples of each phrase; voices: index of the voice of each phrase; origins: the prompt each is of;
    names, female, held_out: of each voice, whether it is a woman's, and whether it is never trained on.
    """

    streams: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    voices: NDArray[np.int64]
    origins: NDArray[np.str_]
    names: NDArray[np.str_]
    female: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    _decoded: dict[int, NDArray[np.float32]] = field(default_factory=dict, repr=False)

    def phrase(self, index: int) -> NDArray[np.float32]:
        """One phrase as mono audio [samples], float32 at 16 kHz."""
        phrase = self._decoded.get(index)
        if phrase is None:
            phrase = decoded(self.streams, self.offsets, index)[: self.lengths[index]]
            self._decoded[index] = phrase
        return phrase

    def length(self, index: int) -> float:
        """Length of a phrase in seconds."""
        return float(self.lengths[index]) / BANK_RATE

    def of(self, female: bool, held_out: bool = False) -> NDArray[np.int64]:
        """The voices of women or men that are trained on, or that are held out."""
        return np.flatnonzero((self.female == female) & (self.held_out == held_out))

    def phrases_of(self, voice: int) -> NDArray[np.int64]:
        """The phrases of a voice."""
        return np.flatnonzero(self.voices == voice)


@lru_cache(maxsize=1)
def bank() -> VoiceBank:
    """The bundled bank. SavgError if it is missing or altered."""
    arrays = bundled_bank("bank.npz", SHA256)
    return VoiceBank(
        arrays["streams"],
        arrays["offsets"],
        arrays["lengths"],
        arrays["voices"],
        arrays["origins"],
        arrays["names"],
        arrays["female"],
        arrays["held_out"],
    )
