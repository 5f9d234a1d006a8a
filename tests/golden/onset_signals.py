"""Short signals and clips whose onsets are recorded in onsets.npz, the same on every machine.

Each is 16-bit stereo [2, T] with its sample rate in Hz, made from its name.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"

RATES = (16_000, 22_050, 44_100, 48_000)


def clicks(rng: np.random.Generator, rate: int, samples: int) -> np.ndarray:
    """Decaying bursts at random places, as loud as one another within 20 dB."""
    audio = rng.normal(0, 1e-4, (2, samples))
    for first in rng.integers(0, samples, 5):
        length = min(rate // 20, samples - first)
        burst = rng.normal(0, 0.3, rate // 20) * np.exp(-np.linspace(0, 6, rate // 20))
        audio[:, first : first + length] += burst[:length] * rng.uniform(0.1, 1.0, (2, 1))
    return audio


def tones(rng: np.random.Generator, rate: int, samples: int) -> np.ndarray:
    """Notes of three harmonics one after the other, each dying away."""
    audio, first = np.zeros((2, samples)), 0
    while first < samples:
        length = min(int(rng.integers(rate // 8, rate // 2)), samples - first)
        time = np.arange(length) / rate
        hertz = rng.uniform(100, 2000)
        note = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in (1, 2, 3))
        audio[:, first : first + length] = note * np.exp(-4 * time) * rng.uniform(0.02, 0.4, (2, 1))
        first += length
    return audio


def noise_bursts(rng: np.random.Generator, rate: int, samples: int) -> np.ndarray:
    """Noise that is switched between levels from silence to loud."""
    levels = rng.choice([0.0, 0.003, 0.03, 0.3], 8).repeat(-(-samples // 8))[:samples]
    return rng.normal(0, 1, (2, samples)) * levels


def chirps(rng: np.random.Generator, rate: int, samples: int) -> np.ndarray:
    """A tone that rises or falls, interrupted now and then."""
    time = np.arange(samples) / rate
    low, high = rng.uniform(100, 7000, 2)
    phase = 2 * np.pi * (low * time + (high - low) * time**2 * rate / (2 * samples))
    gate = rng.choice([0.0, 1.0], 6, p=[0.3, 0.7]).repeat(-(-samples // 6))[:samples]
    return np.sin(phase) * gate * rng.uniform(0.05, 0.9, (2, 1))


def voices(rng: np.random.Generator, rate: int, samples: int) -> np.ndarray:
    """As of speech: pulses and breath through two formants, in syllables, over room noise."""
    audio, first = np.zeros(samples), int(rng.integers(0, rate // 4))
    while first < samples:
        length = min(int(rng.integers(rate // 10, rate // 4)), samples - first)
        excitation = 0.02 * rng.normal(0, 1, length)
        if rng.random() < 0.7:
            excitation[:: int(rate / rng.uniform(90, 250))] += 1.0
        for hertz in (rng.uniform(300, 800), rng.uniform(900, 2500)):
            radius = np.exp(-np.pi * 100 / rate)
            poles = [1.0, -2 * radius * np.cos(2 * np.pi * hertz / rate), radius**2]
            excitation = lfilter([1 - radius], poles, excitation)
        syllable = excitation * np.hanning(length)
        audio[first : first + length] = syllable / max(np.abs(syllable).max(), 1e-9)
        first += length + int(rng.integers(0, rate // 5))
    return 0.3 * audio + rng.normal(0, 10 ** rng.uniform(-4, -2), (2, samples))


def steady_noise(rng: np.random.Generator, rate: int, samples: int) -> np.ndarray:
    """Nothing begins but the clip itself: chance alone decides."""
    return rng.normal(0, rng.uniform(0.001, 0.2), (2, samples))


KINDS: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "clicks": clicks,
    "tones": tones,
    "noise_bursts": noise_bursts,
    "chirps": chirps,
    "voices": voices,
    "steady_noise": steady_noise,
}


def coded(audio: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(audio * 2**15), -(2**15), 2**15 - 1).astype(np.int16)


def made(kind: str, number: int, rate: int) -> np.ndarray:
    """One signal of a kind, of 0.8 to 2 s."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(f"{kind} {number} {rate}".encode())))
    return coded(KINDS[kind](rng, rate, int(rng.uniform(0.8, 2.0) * rate)))


def signals() -> Iterator[tuple[str, np.ndarray, int]]:
    """Name, 16-bit samples [2, T] and sample rate of every signal but the clips."""
    for kind in KINDS:
        for number in range(8):
            rate = RATES[number % len(RATES)]
            yield f"{kind}_{number}", made(kind, number, rate), rate
    for samples in (1, 5, 400, 2048):
        audio = np.random.Generator(np.random.PCG64(samples)).normal(0, 0.2, (2, samples))
        yield f"short_{samples}", coded(audio), 16_000
    for rate in RATES[:2]:
        yield f"silence_{rate}", coded(np.zeros((2, rate))), rate
        yield f"constant_{rate}", coded(np.full((2, rate), 0.3)), rate
        late = np.zeros((2, rate))
        late[:, rate // 2] = 1.0
        yield f"impulse_{rate}", coded(late), rate
        time = np.arange(rate) / rate
        yield f"tone_{rate}", coded(np.stack([0.5 * np.sin(2e3 * np.pi * time)] * 2)), rate


def noise(rate: int) -> np.ndarray:
    """A little noise [320] of its own for each rate, for the resampling alone."""
    return np.random.Generator(np.random.PCG64(rate)).normal(0, 0.2, 320).astype(np.float32)


def clips() -> Iterator[tuple[str, np.ndarray, int]]:
    """The bundled example clips, decoded."""
    from savg.clip import Clip

    for path in sorted(EXAMPLES.glob("*.mp4")):
        clip = Clip.read(path)
        yield path.stem, coded(clip.audio), clip.format.sample_rate
