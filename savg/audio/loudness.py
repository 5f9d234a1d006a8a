"""Loudness of stereo audio at 48 kHz, by which all clips of a study get one level.

Audio is float [2, samples] in −1..1. Loudness is ITU-R BS.1770-4's integrated loudness in LUFS; peaks
are in dB relative to full scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from savg.audio.resample import resample

RATE = 48_000
"""The rate for which the standard gives its filters, and at which clips are presented."""

_K_WEIGHTING = np.array(
    [
        [
            1.53512485958697,
            -2.69169618940638,
            1.19839281085285,
            1.0,
            -1.69065929318241,
            0.73248077421585,
        ],
        [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621],
    ]
)
"""The standard's two stages: the head as a high shelf, and a high-pass (tables 1 and 2)."""

_BLOCK, _STEP = 0.4, 0.1
"""Seconds of a gating block and between the starts of two."""

_SILENCE = -60.0


def integrated_loudness(audio: NDArray[np.floating]) -> float:
    """Integrated loudness in LUFS, gated at −70 LUFS and 10 LU below the mean; −inf for silence.

    Audio shorter than a gating block counts as one block.
    """
    from scipy.signal import sosfilt

    block = min(round(_BLOCK * RATE), audio.shape[1])
    if not block:
        return float("-inf")
    weighted = sosfilt(_K_WEIGHTING, np.asarray(audio, np.float64), axis=1)
    energy = np.concatenate([[0.0], np.cumsum((weighted**2).sum(axis=0))])
    starts = np.arange(0, weighted.shape[1] - block + 1, round(_STEP * RATE))
    power = (energy[starts + block] - energy[starts]) / block
    power = power[power > 10 ** ((-70 + 0.691) / 10)]
    if not power.size:
        return float("-inf")
    power = power[power > 0.1 * power.mean()]
    return float(-0.691 + 10 * np.log10(power.mean()))


def true_peak(audio: NDArray[np.floating]) -> float:
    """Peak of either channel between samples too (4 times oversampled), in dB; −inf for silence."""
    finer = resample(np.asarray(audio, np.float64), RATE, 4 * RATE)
    peak = float(np.abs(finer).max(initial=0))
    return 20 * float(np.log10(peak)) if peak > 0 else float("-inf")


def common_gain(
    loudness: NDArray[np.floating], peaks: NDArray[np.floating], target: float
) -> float:
    """The one gain in dB that brings the median loudness to `target` LUFS, every peak below −1 dB."""
    audible = np.asarray(loudness)[np.isfinite(loudness)]
    if not audible.size:
        return 0.0
    highest = float(np.max(np.asarray(peaks)[np.isfinite(peaks)]))
    return min(target - float(np.median(audible)), -1.0 - highest)


def quieter_by(first: NDArray[np.floating], second: NDArray[np.floating]) -> tuple[float, float]:
    """The attenuations in dB at which two stereo signals [2, T] are equally loud.

    Only the louder one is attenuated, both of its channels alike; below −60 LUFS a signal counts as
    silence, and nothing is brought to its level.
    """
    loudness = integrated_loudness(first), integrated_loudness(second)
    if min(loudness) < _SILENCE:
        return 0.0, 0.0
    difference = loudness[0] - loudness[1]
    return max(0.0, round(difference, 2)), max(0.0, round(-difference, 2))
