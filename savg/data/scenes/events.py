"""Sounds of the other STARSS23 classes, synthesised: clapping, telephone, door, bell and the like.

Each synthesiser returns mono audio [samples] of a given length from a random generator, at a rate in
Hz; its level is set afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.instruments import tone_of

Array = NDArray[np.floating]
CLAPPING, TELEPHONE, LAUGHTER, DOMESTIC, FOOTSTEPS, DOOR, MUSIC = 2, 3, 4, 5, 6, 7, 8
WATER, BELL, KNOCK = 10, 11, 12


def synthesise_event(label: int, seed: int, samples: int, rate: int) -> NDArray[np.float32]:
    """A sound of a class as mono audio [samples], rms 0.1 over its length; ValueError for others."""
    if label not in SYNTHESISERS:
        raise ValueError(f"label must be one of {sorted(SYNTHESISERS)}, got {label}.")
    rng = np.random.default_rng([seed, label])
    audio = SYNTHESISERS[label](rng, samples, rate)
    fade = min(samples // 2, round(0.01 * rate))
    if fade:
        audio[-fade:] *= np.linspace(1, 0, fade)
    rms = float(np.sqrt(np.mean(np.square(audio)))) if samples else 0.0
    return (audio * (0.1 / max(rms, 1e-9))).astype(np.float32)


def _band(audio: Array, low: float, high: float, rate: int) -> Array:
    from scipy.signal import butter, sosfilt

    high = min(high, 0.45 * rate)
    return np.asarray(sosfilt(butter(2, (low, high), "bandpass", fs=rate, output="sos"), audio))


def _bursts(
    rng: np.random.Generator, samples: int, rate: int, period: float, decay: float, jitter: float
) -> Array:
    """Noise bursts about every `period` seconds that die away in `decay` seconds."""
    audio = np.zeros(samples)
    time = 0.0
    while round(time * rate) < samples:
        begin = round(time * rate)
        length = min(samples - begin, round(6 * decay * rate))
        burst = rng.standard_normal(length) * np.exp(-np.arange(length) / (decay * rate))
        audio[begin : begin + length] += rng.uniform(0.6, 1.0) * burst
        time += period * rng.uniform(1 - jitter, 1 + jitter)
    return audio


def _clapping(rng: np.random.Generator, samples: int, rate: int) -> Array:
    period = rng.uniform(0.19, 0.3)
    return _band(_bursts(rng, samples, rate, period, 0.012, 0.06), 700, 3500, rate)


def _knock(rng: np.random.Generator, samples: int, rate: int) -> Array:
    return _band(_bursts(rng, samples, rate, rng.uniform(0.2, 0.3), 0.02, 0.05), 180, 900, rate)


def _footsteps(rng: np.random.Generator, samples: int, rate: int) -> Array:
    audio = _bursts(rng, samples, rate, rng.uniform(0.48, 0.6), 0.025, 0.08)
    return _band(audio, 110, 500, rate) + 0.15 * _band(audio, 1500, 4000, rate)


def _telephone(rng: np.random.Generator, samples: int, rate: int) -> Array:
    t = np.arange(samples) / rate
    base = rng.uniform(700, 1100)
    warble = np.where((t * 18) % 1 < 0.5, base, 1.25 * base)
    ring = np.sin(2 * np.pi * np.cumsum(warble) / rate)
    return np.asarray((ring + 0.3 * ring**3) * ((t % 1.6) < 1.0))


def _laughter(rng: np.random.Generator, samples: int, rate: int) -> Array:
    """Falling "ha ha": a buzz through two formants, about five times a second."""
    t = np.arange(samples) / rate
    pulse = rng.uniform(4.2, 5.6)
    pitch = rng.uniform(150, 320) * (1.1 - 0.25 * ((t * pulse) % 1)) * (1 - 0.06 * t)
    phase = np.cumsum(pitch) / rate
    buzz = 2 * (phase % 1) - 1 + 0.25 * rng.standard_normal(samples)
    voiced = _band(buzz, 600, 1000, rate) + 0.6 * _band(buzz, 1100, 1700, rate)
    return voiced * np.clip(np.sin(2 * np.pi * pulse * t), 0, 1)


def _domestic(rng: np.random.Generator, samples: int, rate: int) -> Array:
    """A vacuum cleaner or a clatter of dishes."""
    if rng.random() < 0.5:
        t = np.arange(samples) / rate
        hum = sum(np.sin(2 * np.pi * k * 117 * t) / k for k in (1, 2, 3, 5))
        return 0.3 * hum + _band(rng.standard_normal(samples), 300, 5000, rate)
    return _band(_bursts(rng, samples, rate, 0.3, 0.05, 0.7), 1800, 6000, rate)


def _door(rng: np.random.Generator, samples: int, rate: int) -> Array:
    """A creak, then the door falls shut."""
    t = np.arange(samples) / rate
    shut = 0.7 * samples / rate
    phase = np.cumsum(60 + 50 * t + 20 * np.sin(9 * t)) / rate
    creak = _band(2 * (phase % 1) - 1, 500, 2500, rate) * (t < shut)
    slam = rng.standard_normal(samples) * np.exp(-np.clip(t - shut, 0, None) * 25) * (t >= shut)
    return 0.6 * creak + 2.5 * _band(slam, 60, 700, rate)


def _music(rng: np.random.Generator, samples: int, rate: int) -> Array:
    """Chords and a beat from a loudspeaker."""
    audio = np.zeros(samples)
    roots = rng.permutation([57, 60, 62, 55])
    beat = rng.uniform(0.4, 0.55)
    for index, begin in enumerate(np.arange(0, samples, round(beat * rate))):
        root = int(roots[index // 2 % 4])
        for kind, pitch in (("keyboard", root), ("keyboard", root + 7), ("drum", 2 * (index % 2))):
            note = tone_of(kind, pitch, rate)[: round(1.4 * beat * rate)]
            note = note[: samples - begin]
            audio[begin : begin + len(note)] += note
    return audio


def _water(rng: np.random.Generator, samples: int, rate: int) -> Array:
    flow = _band(rng.standard_normal(samples), 900, 7000, rate)
    return flow * (1 + 0.3 * _band(rng.standard_normal(samples), 4, 20, rate))


def _bell(rng: np.random.Generator, samples: int, rate: int) -> Array:
    t = (np.arange(samples) / rate) % 1.5
    base = rng.uniform(500, 1300)
    partials = (
        (0.5, 0.4, 1.5),
        (1.0, 1.0, 2.0),
        (1.2, 0.5, 3.0),
        (2.0, 0.6, 4.0),
        (2.76, 0.4, 6.0),
    )
    return np.asarray(
        sum(a * np.sin(2 * np.pi * base * r * t) * np.exp(-d * t) for r, a, d in partials)
    )


SYNTHESISERS: dict[int, Callable[[np.random.Generator, int, int], Array]] = {
    CLAPPING: _clapping,
    TELEPHONE: _telephone,
    LAUGHTER: _laughter,
    DOMESTIC: _domestic,
    FOOTSTEPS: _footsteps,
    DOOR: _door,
    MUSIC: _music,
    WATER: _water,
    BELL: _bell,
    KNOCK: _knock,
}
"""STARSS23 class → its synthesiser."""
