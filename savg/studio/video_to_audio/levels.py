"""The level of audio over time, as the envelope editor draws it."""

from __future__ import annotations

import numpy as np

from savg.video import Soundtrack

RATE = 20
"""Levels a second."""

FLOOR = -60.0
"""Lowest level that is drawn, in dB of full scale; what is lower counts as silence."""


def levels_of(audio: Soundtrack) -> list[float]:
    """RMS levels in dB of full scale of the mono mix, RATE a second, at least FLOOR."""
    mono = audio.samples.mean(axis=0, dtype=np.float64)
    edges = np.arange(max(1, round(len(mono) * RATE / audio.rate)) + 1) * audio.rate / RATE
    parts = np.split(np.square(mono), edges[1:-1].astype(np.int64))
    power = np.array([part.mean() if part.size else 0.0 for part in parts])
    decibels = 10 * np.log10(np.maximum(power, 10 ** (FLOOR / 10)))
    return [round(float(level), 1) for level in decibels]
