"""Notes of synthesised instruments, float32 at unit-like level. Times in seconds, pitches MIDI."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.scene import Note

Samples = NDArray[np.float32]
RING = {"guitar": 0.12, "violin": 0.06, "keyboard": 0.1, "drum": 0.4}
"""Seconds that a note rings on after its length."""
LONGEST = 1.6


def play(instrument: str, notes: tuple[Note, ...], rate: int, samples: int) -> Samples:
    """The notes as mono audio [samples], normalised to rms 0.1."""
    audio = np.zeros(samples, np.float32)
    ring = RING[instrument]
    for note in notes:
        begin = round(note.start * rate)
        length = min(round((note.length + ring) * rate), samples - begin, round(LONGEST * rate))
        if length <= 0:
            continue
        tone = tone_of(instrument, note.pitch, rate)[:length] * np.float32(note.strength)
        fade = min(round(ring * rate), length)
        tone[length - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        audio[begin : begin + length] += tone
    rms = float(np.sqrt(np.mean(np.square(audio))))
    return audio * np.float32(0.1 / max(rms, 1e-6))


@lru_cache(maxsize=512)
def _tone(instrument: str, pitch: int, rate: int) -> Samples:
    makers = {"guitar": _plucked, "violin": _bowed, "keyboard": _struck}
    if instrument == "drum":
        tone = _drum(pitch, rate)
    else:
        tone = makers[instrument](440.0 * 2 ** ((pitch - 69) / 12), rate)
    return (tone / np.abs(tone).max()).astype(np.float32)


def tone_of(instrument: str, pitch: int, rate: int) -> Samples:
    """One note of LONGEST seconds [samples], peak 1; a fresh array."""
    return _tone(instrument, pitch, rate).copy()


def _time(rate: int) -> NDArray[np.float64]:
    return np.arange(round(LONGEST * rate)) / rate


def _plucked(frequency: float, rate: int) -> NDArray[np.float64]:
    """Karplus-Strong string: noise in a delay line that is low-pass filtered at each pass."""
    period = rate / frequency - 0.5
    full, part = int(period), period - int(period)
    rng = np.random.default_rng(round(frequency * 100))
    line = rng.uniform(-1, 1, full + 1)
    line = np.convolve(line, [0.25, 0.5, 0.25], mode="same")
    total = round(LONGEST * rate)
    audio = np.zeros(total + full + 2)
    audio[: full + 1] = line - line.mean()
    loss = 10 ** (-3 / (frequency * 1.5))
    weights = loss * np.array([0.5 * part, 0.5, 0.5 * (1 - part)])
    for begin in range(full + 2, total, full):
        end = min(begin + full, total)
        taps = [audio[begin - full - 2 + k : end - full - 2 + k] for k in range(3)]
        audio[begin:end] = sum(w * t for w, t in zip(weights, taps, strict=True))
    return audio[:total]


def _bowed(frequency: float, rate: int) -> NDArray[np.float64]:
    """Bowed string: harmonics with vibrato that grows, a soft attack and a little bow noise."""
    t = _time(rate)
    vibrato = 0.006 * np.minimum(t / 0.4, 1) * np.sin(2 * np.pi * 5.6 * t)
    phase = 2 * np.pi * frequency * np.cumsum(1 + vibrato) / rate
    audio = np.zeros_like(t)
    for k in range(1, 13):
        if k * frequency < 0.46 * rate:
            body = 1 + 1.2 * np.exp(-(((k * frequency - 1100) / 500) ** 2))
            audio += body / k**1.15 * np.sin(k * phase + 0.3 * k * k)
    rng = np.random.default_rng(round(frequency * 100))
    noise = np.convolve(rng.normal(0, 1, len(t)), [0.5, 0, -0.5], mode="same")
    return (audio + 0.05 * noise) * np.minimum(t / 0.06, 1)


def _struck(frequency: float, rate: int) -> NDArray[np.float64]:
    """Piano-like: slightly stretched harmonics, high ones dying sooner, a hammer knock."""
    t = _time(rate)
    audio = np.zeros_like(t)
    for k in range(1, 11):
        partial = k * frequency * np.sqrt(1 + 3e-4 * k * k)
        if partial < 0.46 * rate:
            decay = np.exp(-t * (1.4 + 0.7 * k))
            audio += decay / k**1.3 * np.sin(2 * np.pi * partial * t + 0.7 * k)
    rng = np.random.default_rng(round(frequency * 100))
    knock = rng.normal(0, 1, len(t)) * np.exp(-t * 180) * 0.25
    return (audio + knock) * np.minimum(t / 0.003, 1)


def _drum(kind: int, rate: int) -> NDArray[np.float64]:
    """0 a low drum, 1 a mid drum, 2 a snare."""
    t = _time(rate)
    rng = np.random.default_rng(kind)
    base = (85.0, 140.0, 190.0)[kind]
    phase = 2 * np.pi * np.cumsum(base * (1 + 0.9 * np.exp(-t * 40))) / rate
    body = np.sin(phase) * np.exp(-t * (7, 9, 14)[kind])
    body += 0.4 * np.sin(1.59 * phase) * np.exp(-t * 16)
    noise = rng.normal(0, 1, len(t))
    rattle = noise * (np.exp(-t * 70) * 0.5 + (0.5 if kind == 2 else 0.08) * np.exp(-t * 11))
    return body + rattle
