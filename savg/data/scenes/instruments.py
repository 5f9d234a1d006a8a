"""Notes of sampled instruments, float32 at unit-like level. Times in seconds, pitches MIDI.

Between two pitches of the bank of notes the nearer one is resampled.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.note_bank import note_bank
from savg.data.scenes.recorded import BANK_RATE
from savg.data.scenes.scene import Note

Samples = NDArray[np.float32]
RING = {"guitar": 0.12, "violin": 0.06, "keyboard": 0.1, "drum": 0.4, "xylophone": 0.3}
"""Seconds that a note rings on after its length."""


def play(instrument: str, notes: tuple[Note, ...], rate: int, samples: int) -> Samples:
    """The notes as mono audio [samples], normalised to rms 0.1."""
    audio = np.zeros(samples, np.float32)
    ring = RING[instrument]
    for note in notes:
        begin = round(note.start * rate)
        program = None if note.program < 0 else note.program
        tone = tone_of(instrument, note.pitch, rate, program)
        length = min(round((note.length + ring) * rate), samples - begin, len(tone))
        if length <= 0:
            continue
        tone = tone[:length] * np.float32(note.strength)
        fade = min(round(ring * rate), length)
        tone[length - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        audio[begin : begin + length] += tone
    rms = float(np.sqrt(np.mean(np.square(audio))))
    return audio * np.float32(0.1 / max(rms, 1e-6))


def tone_of(instrument: str, pitch: int, rate: int, program: int | None = None) -> Samples:
    """One note [samples] of an instrument's program (its first without one), peak 1; a fresh array."""
    if program is None:
        program = int(note_bank().of(instrument)[0])
    return _tone(program, pitch, rate).copy()


@lru_cache(maxsize=1024)
def _tone(program: int, pitch: int, rate: int) -> Samples:
    from scipy.interpolate import CubicSpline

    samples, own_pitch = note_bank().note(program, pitch)
    step = 2 ** ((pitch - own_pitch) / 12) * BANK_RATE / rate
    if step != 1:
        at = np.arange(int((len(samples) - 1) / step) + 1) * step
        samples = CubicSpline(np.arange(len(samples)), samples)(at)
    return (samples / np.abs(samples).max()).astype(np.float32)
