"""Onsets again, in double precision: SciPy's filters and transforms, and plain loops."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import scipy.signal

RATE, HOP, WINDOW, BANDS = 22_050, 512, 2048, 128


def sharp_filter(rate: int, new_rate: int) -> np.ndarray:
    """Taps at the common multiple of both rates: a sinc that ends with the lower half rate."""
    ratio = Fraction(new_rate, rate)
    step = max(ratio.numerator, ratio.denominator)
    return scipy.signal.firwin(2 * 97 * step + 1, 0.95687 / step, window=("kaiser", 13.0))


def resampled(mono: np.ndarray, rate: int, new_rate: int = RATE) -> np.ndarray:
    """By a polyphase filter."""
    if rate == new_rate:
        return np.asarray(mono, np.float64)
    ratio, taps = Fraction(new_rate, rate), sharp_filter(rate, new_rate)
    audio = np.asarray(mono, np.float64)
    return scipy.signal.resample_poly(audio, ratio.numerator, ratio.denominator, window=taps)


def hertz(mel: float) -> float:
    """Of Slaney's scale: 15 steps to 1000 Hz, then 27 for each factor of 6.4."""
    return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def strength(signal: np.ndarray) -> np.ndarray:
    """The onset strength of a signal at RATE."""
    top = 15 + 27 * np.log(RATE / 2 / 1000) / np.log(6.4)
    edges = [hertz(mel) for mel in np.linspace(0, top, BANDS + 2)]
    bins = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    padded = np.pad(np.asarray(signal, np.float64), WINDOW // 2)
    window = scipy.signal.get_window("hann", WINDOW)
    _, _, spectra = scipy.signal.stft(
        padded, RATE, window, WINDOW, WINDOW - HOP, boundary=None, padded=False
    )
    power = np.abs(spectra * window.sum()) ** 2
    levels = np.empty((BANDS, power.shape[1]))
    for band in range(BANDS):
        low, centre, high = edges[band : band + 3]
        triangle = np.interp(bins, [low, centre, high], [0, 1, 0]) * 2 / (high - low)
        levels[band] = 10 * np.log10(np.maximum(triangle @ power, 1e-10))
    levels = levels.clip(min=levels.max() - 80)
    values = [0.0, 0.0, 0.0]
    for frame in range(1, levels.shape[1]):
        values.append(float((levels[:, frame] - levels[:, frame - 1]).clip(min=0).mean()))
    return np.array(values[: levels.shape[1]])


def peaks(values: np.ndarray) -> list[int]:
    """Frames of the onsets in an onset strength."""
    values = np.asarray(values, np.float64) - min(values)
    found: list[int] = []
    if max(values) == 0:
        return found
    values = values / max(values)
    for frame, value in enumerate(values):
        around = values[max(frame - 4, 0) : frame + 5]
        before = values[max(frame - 1, 0)]
        late_enough = not found or frame - found[-1] > 1
        if late_enough and value >= before and value >= around.mean() + 0.07:
            found.append(frame)
    return found
