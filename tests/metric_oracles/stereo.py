"""Oracles of the stereo measures: SciPy's spectra, plain sums, phases added up one lag at a time.

The clips of `metric_items` are noise throughout, so that every part of them is active.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
from metric_items import REFERENCE_CLIPS
from scipy import signal

from metric_oracles.basic import pan
from savg.clip import Clip
from savg.metrics.base import Item

RATE = 16_000
WELCH = {"fs": RATE, "window": "hann", "nperseg": 1024, "noverlap": 512, "detrend": False}


def channels(item: Item) -> np.ndarray:
    assert item.clip is not None
    return item.clip.audio.astype(float)


def ild(audio: np.ndarray) -> float:
    return 20 * math.log10(np.linalg.norm(audio[0]) / np.linalg.norm(audio[1]))


def itd(item: Item) -> float:
    """Microseconds of the largest sum of phases over lags of an eighth of a sample."""
    frequencies, cross = signal.csd(*channels(item)[::-1], **WELCH)
    phases = np.angle(cross[frequencies >= 50])
    lags = np.arange(-128, 129) / 8 / RATE
    sums = [np.cos(phases - 2 * np.pi * frequencies[frequencies >= 50] * t).sum() for t in lags]
    k = int(np.argmax(sums))
    curve = np.polynomial.Polynomial.fit([-1, 0, 1], sums[k - 1 : k + 2], 2)
    return float((lags[k] + curve.deriv().roots()[0] / 8 / RATE) * 1e6)


def coherence(item: Item) -> float:
    left, right = channels(item)
    _, squared = signal.coherence(left, right, **WELCH)
    power = [signal.welch(x, scaling="spectrum", **WELCH)[1] for x in (left, right)]
    weight = np.sqrt(power[0] * power[1])
    weight[-1] *= 2  # SciPy halves neither the first nor the last of a one-sided spectrum
    return float(np.average(squared[1:], weights=weight[1:]))


def width(item: Item) -> float:
    left, right = channels(item)
    mid, side = np.var((left + right) / 2), np.var((left - right) / 2)
    return float(side / (mid + side))


def mono(item: Item) -> float:
    left, right = channels(item)
    whole = np.linalg.norm(left) + np.linalg.norm(right)
    return 20 * math.log10(np.linalg.norm(left + right) / whole)


def equal(item: Item) -> bool:
    return np.array_equal(*channels(item))


def track(clip: Clip) -> list[np.ndarray]:
    return np.split(clip.audio.astype(float), 50, axis=1)


def error(items: Sequence[Item], of: Callable[[np.ndarray], float]) -> float:
    means = []
    for item in items:
        assert item.clip is not None
        other = REFERENCE_CLIPS[int(item.name.split()[-1])]
        parts = zip(track(item.clip), track(other), strict=True)
        means.append(statistics.fmean(abs(of(a) - of(b)) for a, b in parts))
    return statistics.fmean(means)


def part_pan(audio: np.ndarray) -> float:
    left, right = (math.sqrt(float(x @ x)) for x in audio)
    return (right - left) / (right + left)


ORACLES: dict[str, Callable[[Sequence[Item]], float]] = {
    "ild": lambda items: statistics.fmean(abs(ild(channels(item))) for item in items),
    "itd": lambda items: statistics.fmean(abs(itd(item)) for item in items),
    "coherence": lambda items: statistics.fmean(map(coherence, items)),
    "width": lambda items: statistics.fmean(map(width, items)),
    "balance": lambda items: statistics.fmean(map(pan, items)),
    "mono_compatibility": lambda items: statistics.fmean(map(mono, items)),
    "fake_stereo": lambda items: statistics.fmean(map(equal, items)),
    "ild_error": lambda items: error(items, lambda a: max(-20.0, min(20.0, ild(a)))),
    "pan_error": lambda items: error(items, part_pan),
}
