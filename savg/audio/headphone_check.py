"""Signals that tell headphones and two good ears from loudspeakers and one.

Audio is float32 [2, samples] at 48 kHz, channel 0 left, to be sent as WAV or FLAC (lossy codecs weaken
the interaural cue). Huggins pitch: Milne et al. 2020, three intervals of white noise, one with the
phase of a band around 600 Hz inverted (180°) in the right ear. Loudness of anti-phase tones: Woods et
al. 2017, three 200 Hz tones, one 6 dB softer, another in opposite phase at the two ears, which cancels
over loudspeakers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from savg.audio.loudness import RATE, integrated_loudness

Audio = NDArray[np.float32]

CENTRE_HZ, BAND = 600.0, 0.06
"""The Huggins band: 600 Hz ± 6 %."""

TONE_HZ, SOFTER_DB = 200.0, -6.0
INTERVAL, PAUSE, RAMP = 1.0, 0.5, 0.1
"""Seconds of an interval, between two, and of a raised-cosine ramp."""


def channel_bursts(side: str, rng: np.random.Generator) -> Audio:
    """Three noise bursts at the left, at the right, or in both ears alike (centre)."""
    burst = _ramped(_speech_noise(round(0.3 * RATE), rng), 0.02)
    pause = np.zeros(round(0.15 * RATE))
    wave = 0.1 * np.concatenate([burst, pause, burst, pause, burst])
    return np.stack([wave * (side != "right"), wave * (side != "left")]).astype(np.float32)


def speech_noise_at(rng: np.random.Generator, loudness: float, seconds: float = 10.0) -> Audio:
    """Noise with the long-term spectrum of speech, alike in both ears, of a loudness in LUFS."""
    wave = np.tile(_ramped(_speech_noise(round(seconds * RATE), rng), 0.5), (2, 1))
    gain = 10 ** ((loudness - integrated_loudness(0.05 * wave)) / 20)
    return np.clip(0.05 * gain * wave, -1.0, 1.0).astype(np.float32)


def huggins_noise(rng: np.random.Generator, pitch: bool) -> Audio:
    """One interval of white noise, the right ear's phase inverted (180°) in the band for a pitch."""
    samples = round(INTERVAL * RATE)
    left = 0.1 * rng.standard_normal(samples)
    right = left
    if pitch:
        spectrum = np.fft.rfft(left)
        hertz = np.fft.rfftfreq(samples, 1 / RATE)
        spectrum[np.abs(hertz - CENTRE_HZ) <= BAND * CENTRE_HZ] *= -1.0
        right = np.fft.irfft(spectrum, samples)
    return _ramped(np.stack([left, right]), RAMP).clip(-1, 1).astype(np.float32)


def huggins_trial(target: int, rng: np.random.Generator) -> Audio:
    """Three intervals of which number `target` (1, 2 or 3) has the faint pitch."""
    return _spaced([huggins_noise(rng, pitch=i == target) for i in (1, 2, 3)])


def antiphase_tone(kind: str) -> Audio:
    """A tone: "plain", "softer" by 6 dB, or "opposite" in the two ears."""
    time = np.arange(round(INTERVAL * RATE)) / RATE
    wave = _ramped(0.25 * np.sin(2 * np.pi * TONE_HZ * time), RAMP)
    if kind == "softer":
        wave = wave * 10 ** (SOFTER_DB / 20)
    return np.stack([wave, -wave if kind == "opposite" else wave]).astype(np.float32)


def antiphase_trial(order: Sequence[str]) -> Audio:
    """Three tones in this order; the right answer is the softer one."""
    return _spaced([antiphase_tone(kind) for kind in order])


def _speech_noise(samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of unit RMS that falls by 6 dB an octave from 500 Hz on, without rumble or hiss."""
    from scipy.signal import butter, sosfilt

    noise = rng.standard_normal(samples + RATE)
    for order, hertz, kind in ((1, 500.0, "lowpass"), (2, 100.0, "highpass"), (4, 8e3, "lowpass")):
        noise = sosfilt(butter(order, hertz, kind, fs=RATE, output="sos"), noise)
    noise = noise[RATE:]
    return noise / np.sqrt(np.mean(noise**2))


def _ramped(wave: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """Audio [..., samples] with raised-cosine ramps at both ends."""
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(round(seconds * RATE)) / round(seconds * RATE))
    shape = np.ones(wave.shape[-1])
    shape[: len(rise)] *= rise
    shape[-len(rise) :] *= rise[::-1]
    return wave * shape


def _spaced(intervals: Sequence[Audio]) -> Audio:
    pause = np.zeros((2, round(PAUSE * RATE)), np.float32)
    parts = [part for interval in intervals for part in (interval, pause)]
    return np.concatenate(parts[:-1], axis=1)
