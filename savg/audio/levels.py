"""Levels of stereo audio: over a clip, over time, and of one channel against the other.

Audio is float [2, samples] in −1..1, row 0 left. Levels are RMS in dB below full scale, where a square
wave of ±1 has 0 dB; level differences are left minus right, positive where left is louder.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.floating]

FLOOR_DB = -80.0
"""Levels over time are never below this."""

SILENCE = 1e-6
"""RMS of both channels together up to which audio has no pan."""

_SHARE = 0.01
"""Of the louder channel's power, added to both: level differences stay within about ±20 dB."""


def level_db(audio: Audio, floor_db: float = -120.0) -> float:
    """Level of all channels together, never below `floor_db`."""
    power = float(np.mean(np.square(audio, dtype=np.float64)))
    return float(10.0 * np.log10(max(power, 10.0 ** (floor_db / 10.0))))


def levels_db(audio: Audio, sample_rate: int, rate: int) -> NDArray[np.float64]:
    """Level [2, N] of each channel in each 1/`rate` second, never below FLOOR_DB.

    N as of `part_powers`.
    """
    powers = part_powers(audio, sample_rate, rate)
    return np.maximum(10.0 * np.log10(np.maximum(powers, 1e-12)), FLOOR_DB)


def part_powers(audio: Audio, sample_rate: int, rate: float) -> NDArray[np.float64]:
    """Mean power [2, N] of each channel in each 1/`rate` second.

    N = seconds · rate, rounded up, at least 1; half a sample more or less, as rounded lengths have,
    does not count.
    """
    samples = audio.shape[1]
    count = max(1, int(np.ceil((samples - 0.5) * rate / sample_rate)))
    edges = np.minimum(np.arange(count + 1) * sample_rate // rate, samples).astype(np.int64)
    sums = np.zeros((2, samples + 1))
    np.cumsum(np.square(audio, dtype=np.float64), axis=1, out=sums[:, 1:])
    return np.maximum(np.diff(sums[:, edges], axis=1), 0.0) / np.maximum(np.diff(edges), 1)


def level_difference_db(audio: Audio, bounded: bool = False) -> float:
    """Left minus right level; 0 for silence.

    bounded: stay within about ±20 dB, beyond which audio is wholly at one ear.
    """
    power = np.mean(np.square(np.asarray(audio, float)), axis=-1)
    power = power + (_SHARE * power.max() if bounded and power.any() else 1e-18)
    return float(10.0 * np.log10(power[0] / power[1]))


def pan(audio: Audio) -> float:
    """`power_pan` of a signal [2, T]; NaN for silence."""
    left, right = np.square(audio.astype(np.float64)).mean(axis=1)
    return power_pan(float(left), float(right))


def power_pan(left: float, right: float) -> float:
    """(right − left) / (right + left) of the RMS levels of two powers, −1 left … +1 right; NaN for
    silence, whose levels add up to at most `SILENCE`."""
    a, b = np.sqrt(left), np.sqrt(right)
    return float((b - a) / (b + a)) if a + b > SILENCE else float("nan")
