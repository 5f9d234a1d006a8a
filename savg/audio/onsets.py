"""Onsets of audio: when sounds begin, in seconds [code].

What librosa 0.11 finds with its defaults, as the published code uses it: on the mean of the channels
at 22,050 Hz, in frames of 512 samples (23 ms). The onset strength is the mean rise of 128 mel bands in
dB from one frame to the next (spectral flux: Böck and Widmer, "Maximum filter vibrato suppression for
onset detection", DAFx 2013, without the filter); onsets are its peaks above a moving mean (Böck, Krebs
and Schedl, "Evaluating the online capabilities of onset detection methods", ISMIR 2012).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from savg.audio.fourier_resample import fourier_resample
from savg.audio.mel import slaney_bands

ONSET_RATE = 22_050
"""Sample rate in Hz at which onsets are found."""

HOP = 512
"""Samples between two values of the onset strength."""

WINDOW = 2048
"""Samples of a window, centred on its value."""

BANDS = 128

FLOOR, RANGE = 1e-10, 80.0
"""Least power that counts, and dB below the loudest band of a clip at which silence begins."""

MEAN_FRAMES = 4
"""Frames before and after a peak whose mean it must exceed (0.1 s)."""

RISE = 0.07
"""By how much, in parts of the range of the whole strength."""

APART = 2
"""Least frames from one onset to the next (more than 0.03 s)."""

BLOCK = 256
"""Frames transformed at once, so that long audio takes little memory."""


def onset_signal(audio: NDArray[np.floating], sample_rate: int) -> NDArray[np.float32]:
    """Audio [channels, T] in −1..1 as the detector takes it: 16-bit samples, their mean, 22,050 Hz.

    The published reader gives 16-bit samples. Their rounding noise decides where little else does:
    without it a quiet passage of a real clip got a ninth onset.
    """
    coded = np.clip(np.rint(np.asarray(audio, np.float64) * 32768.0), -32768, 32767)
    mono = (coded / 32768.0).astype(np.float32).mean(axis=0)
    return fourier_resample(mono, sample_rate, ONSET_RATE)


@cache
def _window_and_bands() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hann's window [WINDOW], and the weight of each frequency in each band [WINDOW / 2 + 1, BANDS]."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    bands = slaney_bands(ONSET_RATE, WINDOW, BANDS, 0.0, ONSET_RATE / 2).numpy()
    return window.astype(np.float32), np.ascontiguousarray(bands.T)


def band_levels(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Levels in dB [1 + T // HOP, BANDS] of a signal [T] at ONSET_RATE, silent outside.

    The lowest is RANGE below the highest.
    """
    window, bands = _window_and_bands()
    padded = np.pad(signal, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.empty((len(frames), BANDS), np.float32)
    for first in range(0, len(frames), BLOCK):
        spectra = fft.rfft(frames[first : first + BLOCK] * window, axis=1)
        power[first : first + BLOCK] = (spectra.real**2 + spectra.imag**2) @ bands
    levels = 10.0 * np.log10(np.maximum(power, FLOOR))
    return np.maximum(levels, levels.max() - RANGE)


def onset_strength(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean rise in dB [1 + T // HOP] of the bands of a signal [T ≥ 1] at ONSET_RATE.

    Value i is the rise between frames i − 3 and i − 2: half a window later, since a window reaches a
    sound that much before its centre does.
    """
    levels = band_levels(signal)
    rises = np.maximum(np.diff(levels, axis=0), 0).mean(axis=1)
    return np.pad(rises, (1 + WINDOW // 2 // HOP, 0))[: len(levels)]


def strength_peaks(strength: NDArray[np.floating]) -> NDArray[np.intp]:
    """Frames of the onsets in an onset strength [F ≥ 1].

    A peak is no lower than the value before it, exceeds the mean of the MEAN_FRAMES before and after it
    (fewer at the ends) by RISE of the strength's range, and is APART from the onset before.
    """
    heights = np.asarray(strength, np.float64) - strength.min()
    if not heights.any():
        return np.zeros(0, np.intp)
    heights /= heights.max()
    frames = np.arange(len(heights))
    low = np.maximum(frames - MEAN_FRAMES, 0)
    high = np.minimum(frames + MEAN_FRAMES + 1, len(heights))
    sums = np.concatenate([[0.0], np.cumsum(heights)])
    means = (sums[high] - sums[low]) / (high - low)
    rising = np.diff(heights, prepend=0.0) >= 0
    onsets: list[int] = []
    for frame in np.flatnonzero(rising & (heights >= means + RISE)).tolist():
        if not onsets or frame - onsets[-1] >= APART:
            onsets.append(frame)
    return np.array(onsets, np.intp)


def onset_times(audio: NDArray[np.floating], sample_rate: int) -> NDArray[np.float64]:
    """Seconds of the onsets [N] of audio [channels, T] in −1..1; none in silence."""
    if audio.shape[1] == 0:
        return np.zeros(0)
    strength = onset_strength(onset_signal(audio, sample_rate))
    return strength_peaks(strength) * HOP / ONSET_RATE
