"""The bundled notes of sampled instruments (assets/voices; see its README for origin and licence).

They are of programs, several for each kind of instrument. Pitches are MIDI.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.recorded import BANK_RATE, bundled_bank, decoded

Samples = NDArray[np.float32]
SHA256 = "70b65b4117855f88f2a3dff55e53fbecb842ac2e486fc10e11fe923877adc6f1"
"""Of notes.npz."""
GAP = 0.02
"""Seconds of silence after each note of the bank."""


@dataclass(frozen=True, eq=False)
class NoteBank:
    """Single notes of programs.

    streams, offsets: the Opus file of each program's notes, one after the other, and its first byte;
    names, kinds, held_out, seconds: of each program, its kind of instrument, whether it is never
    trained on, and the length of its notes; pitches, owners: MIDI pitch (of drums 0, 1, 2) and program
    of each note.
    """

    streams: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    names: NDArray[np.str_]
    kinds: NDArray[np.str_]
    held_out: NDArray[np.bool_]
    seconds: NDArray[np.float64]
    pitches: NDArray[np.int64]
    owners: NDArray[np.int64]

    def of(self, kind: str, held_out: bool = False) -> NDArray[np.int64]:
        """The programs of a kind that are trained on, or that are held out; ValueError for none."""
        programs = np.flatnonzero((self.kinds == kind) & (self.held_out == held_out))
        if not len(programs):
            kinds = ", ".join(dict.fromkeys(self.kinds.tolist()))
            raise ValueError(f"instrument must be one of {kinds}, got {kind!r}.")
        return programs

    def note(self, program: int, pitch: int) -> tuple[Samples, int]:
        """The note of a program nearest to a pitch [samples] at 16 kHz, and its own pitch."""
        own_pitches = self.pitches[self.owners == program]
        nearest = int(np.abs(own_pitches - pitch).argmin())
        length = round(float(self.seconds[program]) * BANK_RATE)
        begin = nearest * (length + round(GAP * BANK_RATE))
        return _program(program)[begin : begin + length], int(own_pitches[nearest])


@lru_cache(maxsize=1)
def note_bank() -> NoteBank:
    """The bundled notes. SavgError if they are missing or altered."""
    return NoteBank(**bundled_bank("notes.npz", SHA256))


@lru_cache(maxsize=64)
def _program(program: int) -> Samples:
    """All notes of a program, one after the other."""
    notes = note_bank()
    return decoded(notes.streams, notes.offsets, program)
