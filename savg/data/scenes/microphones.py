"""What real Ambisonics microphones in real rooms do to sound, drawn at random.

In a living room most of the energy a few metres from a source is diffuse, so that the two channels of
a clip differ far less than the source's direction would make them; the microphone's first-order
channels lose directivity at both ends of the spectrum (regularised radial filters below, spatial
aliasing above; Rafaely, Fundamentals of Spherical Array Processing, 2015, ch. 4), its capsules are
calibrated within a decibel or so, and rooms hum. The room's part of the sound is the larger the lower
the frequency: walls absorb highs and sources send them forwards (Kuttruff, Room Acoustics, 2016). Other
people rustle and step while somebody plays: too soft to be an event, but from a direction of its own,
and where a voice or an instrument has no energy it is all there is. Channels are ACN/SN3D (W, Y, Z, X).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from savg.geometry import foa_gains

Array = NDArray[np.floating]
TAPS = 1024
"""Length of the filters that stand for a channel's response."""
TAIL_VARIANTS = 24
"""Diffuse tails of one length, of which a scene has one."""
RUSTLE_KNOT, RUSTLE_SWELL_DB = 0.12, 6.0
"""Seconds between, and spread in dB of, the changes of rustle's loudness."""
SILENT = -200.0
"""dB: no ambience."""


@dataclass(frozen=True)
class Microphones:
    """Errors of the four channels and the sound of the room around them; the default has none.

    late_db, early_db: level of the diffuse tail and of the first reflections above those of the drawn
    room; reverberation: factor on its reverberation time; damping: how much shorter highs (above 2 kHz)
    ring, 1 as long. gains_db, delays_us: errors of W, Y, Z, X in dB and microseconds. bass, aliasing:
    frequencies in Hz below and above which Y, Z and X fall by 6 dB an octave, 0 none. ripple_db: depth
    of the random unevenness of each channel over frequency. high_pass: Hz of a second-order filter, 0
    none; tilt: dB an octave around 1 kHz. noise_db, fan_db, hum_db: rms in dB of full scale of pink
    noise, of a fan and of hum with fundamental `mains` Hz; level_db: gain of it all. seed: of the rest.
    late_tilt: of the diffuse tail, in dB an octave around 1 kHz. rustle_db: rms in dB of full scale of
    somebody unseen or silent who rustles, at any azimuth and perhaps on the move.
    Raises ValueError for values that do not fit.
    """

    late_db: float = 0.0
    early_db: float = 0.0
    reverberation: float = 1.0
    damping: float = 1.0
    gains_db: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    delays_us: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    bass: float = 0.0
    aliasing: float = 0.0
    ripple_db: float = 0.0
    high_pass: float = 0.0
    tilt: float = 0.0
    noise_db: float = SILENT
    fan_db: float = SILENT
    hum_db: float = SILENT
    mains: float = 50.0
    level_db: float = 0.0
    seed: int = 0
    late_tilt: float = 0.0
    rustle_db: float = SILENT

    def __post_init__(self) -> None:
        positive = {"reverberation": self.reverberation, "damping": self.damping}
        for name, value in positive.items():
            if not value > 0:
                raise ValueError(f"{name} must be > 0, got {value:g}.")
        lengths = {"gains_db": self.gains_db, "delays_us": self.delays_us}
        for name, values in lengths.items():
            if len(values) != 4:
                raise ValueError(f"{name} must have 4 values, got {len(values)}.")
        for name in ("bass", "aliasing", "ripple_db", "high_pass"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be ≥ 0, got {getattr(self, name):g}.")

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Microphones:
        """Microphones of a plausible kind in a plausible room; the ranges are wide."""

        def errors(spread: float) -> tuple[float, float, float, float]:
            w, y, z, x = (float(v) for v in rng.normal(0, spread, 4))
            return w, y, z, x

        def often(share: float, low: float, high: float, otherwise: float) -> float:
            value = float(rng.uniform(low, high))
            return value if rng.random() < share else otherwise

        return cls(
            late_db=float(rng.uniform(0, 22)),
            early_db=float(rng.uniform(-3, 5)),
            reverberation=float(rng.uniform(0.8, 2.6)),
            damping=float(rng.uniform(0.4, 1.0)),
            gains_db=errors(0.8),
            delays_us=errors(8.0),
            bass=often(0.8, 40.0, 250.0, 0.0),
            aliasing=often(0.7, 3500.0, 9000.0, 0.0),
            ripple_db=float(rng.uniform(0.0, 2.0)),
            high_pass=often(0.5, 40.0, 180.0, 0.0),
            tilt=float(rng.uniform(-5.0, 1.5)),
            noise_db=often(0.9, -75.0, -45.0, SILENT),
            fan_db=often(0.3, -70.0, -45.0, SILENT),
            hum_db=often(0.3, -75.0, -48.0, SILENT),
            mains=50.0 if rng.random() < 0.5 else 60.0,
            level_db=float(rng.uniform(-15.0, 0.0)),
            seed=int(rng.integers(2**31)),
            late_tilt=float(rng.uniform(-2.5, 0.0)),
            rustle_db=often(0.6, -65.0, -38.0, SILENT),
        )


IDEAL = Microphones()
"""No errors, and the room as it was drawn."""


def as_recorded(audio: Array, microphones: Microphones, rate: int) -> NDArray[np.float32]:
    """FOA channels as such microphones record them, with the room's ambience.

    audio: the first 2 (W, Y) or all 4 channels [C, T] of the sound field; rate: Hz.
    """
    audio = np.asarray(audio, np.float32)
    if microphones == IDEAL:
        return audio
    if microphones.rustle_db > SILENT:
        audio = audio + _rustle(microphones, len(audio), audio.shape[1], rate)
    channels, samples = audio.shape
    size = fft.next_fast_len(samples + TAPS, real=True)
    spectra = fft.rfft(audio, size)
    spectra += _ambience(microphones, channels, size, rate)
    spectra *= _responses(microphones, channels, size, rate)
    return np.asarray(fft.irfft(spectra, size, overwrite_x=True)[:, :samples], np.float32)


def _responses(microphones: Microphones, channels: int, size: int, rate: int) -> NDArray:
    """Responses [C, size / 2 + 1] of the channels at the bins of a real FFT."""
    frequencies = fft.rfftfreq(TAPS, 1 / rate)
    f = np.maximum(frequencies, rate / TAPS / 2)
    shape = 10 ** (microphones.level_db / 20) * 10 ** (microphones.tilt * np.log2(f / 1000) / 20)
    if microphones.high_pass:
        s = 1j * f / microphones.high_pass
        shape = shape * s * s / (s * s + np.sqrt(2) * s + 1)
    directional = np.ones_like(f)
    if microphones.bass:
        directional /= np.sqrt(1 + (microphones.bass / f) ** 2)
    if microphones.aliasing:
        directional /= np.sqrt(1 + (f / microphones.aliasing) ** 2)
    rng = np.random.default_rng([microphones.seed, 5])
    octaves = np.linspace(0, np.log2(rate / 2 / 60), 12)
    taps = np.zeros((channels, size), np.float32)
    for channel in range(channels):
        ripple = np.interp(np.log2(f / 60), octaves, rng.standard_normal(12))
        gain = microphones.gains_db[channel] + 0.5 * microphones.ripple_db * ripple
        turn = np.exp(-2e-6j * np.pi * frequencies * microphones.delays_us[channel])
        response = shape * 10 ** (gain / 20) * turn * (directional if channel else 1)
        impulse = fft.irfft(response, TAPS)
        # The half before time 0 stands at the end of the circle.
        taps[channel, : TAPS // 2] = impulse[: TAPS // 2]
        taps[channel, -TAPS // 2 :] = impulse[TAPS // 2 :]
    return fft.rfft(taps)


def _ambience(
    microphones: Microphones, channels: int, size: int, rate: int
) -> NDArray[np.complex64]:
    """Real FFTs [C, size / 2 + 1] of the room's diffuse noise, fan and hum."""
    rng = np.random.default_rng([microphones.seed, 7])
    diffuse = np.array([1.0, *[np.sqrt(1 / 3)] * 3], np.float32)[:channels, None]
    f = np.maximum(fft.rfftfreq(size, 1 / rate), 20.0).astype(np.float32)
    power = np.zeros_like(f)
    if microphones.noise_db > SILENT:
        pink = 1 / f
        power += 10 ** (microphones.noise_db / 10) * pink / pink.sum()
    if microphones.fan_db > SILENT:
        fan = 1 / (1 + (f / rng.uniform(150, 500)) ** 3)
        power += 10 ** (microphones.fan_db / 10) * fan / fan.sum()
    noise = rng.standard_normal((channels, len(f), 2), np.float32).view(np.complex64)[..., 0]
    # A signal whose bins have the expected power |X|² = p · size² / 2 has the rms sqrt(Σ p).
    noise *= np.sqrt(power) * np.float32(size / 2) * diffuse
    if microphones.hum_db > SILENT:
        direction = np.array([1.0, *rng.uniform(-0.5, 0.5, 3)], np.float32)[:channels, None]
        noise += direction * fft.rfft(_hum(microphones, rng, size, rate))
    return noise


def _hum(
    microphones: Microphones, rng: np.random.Generator, samples: int, rate: int
) -> NDArray[np.float32]:
    """Six harmonics of the mains [samples]."""
    turn = np.float32(2 * np.pi * microphones.mains / rate) * np.arange(samples, dtype=np.float32)
    hum = np.zeros(samples, np.float32)
    for harmonic in range(1, 7):
        share, phase = rng.uniform(0.2, 1.0) / harmonic, rng.uniform(0, 2 * np.pi)
        hum += np.float32(share) * np.sin(harmonic * turn + np.float32(phase))
    return hum * np.float32(10 ** (microphones.hum_db / 20) / np.std(hum))


def _rustle(
    microphones: Microphones, channels: int, samples: int, rate: int
) -> NDArray[np.float32]:
    """Rustle of one person [channels, samples]: highs that come and go, half of them diffuse."""
    rng = np.random.default_rng([microphones.seed, 11])
    knots = np.arange(0, samples + RUSTLE_KNOT * rate, RUSTLE_KNOT * rate)
    at = np.arange(samples)
    swell = 10 ** (np.interp(at, knots, rng.normal(0, RUSTLE_SWELL_DB, len(knots))) / 20)
    # A walk of up to 40° a second, which is 1 m/s at 1.5 m; half of them stay.
    azimuth, turn = rng.uniform(-180, 180), rng.uniform(-40, 40) * (rng.random() < 0.5)
    gains = foa_gains(azimuth + turn * np.minimum(knots, samples) / rate, rng.uniform(-40, 10))
    direct = np.stack([np.interp(at, knots, gain) for gain in gains])
    f = fft.rfftfreq(samples, 1 / rate)
    low, high = rng.uniform(500, 3000), rng.uniform(3000, 12_000)
    shape = f * f / (low * low + f * f) / np.sqrt(1 + (f / high) ** 2)
    noise = rng.standard_normal((5, samples), np.float32) * swell
    noise = fft.irfft(fft.rfft(noise) * shape, samples)
    noise *= 10 ** (microphones.rustle_db / 20) / max(float(np.std(noise[0])), 1e-9)
    noise[2:] *= np.sqrt(1 / 3)
    both = np.sqrt(0.5) * (direct * noise[0] + noise[1:])
    return np.asarray(both[:channels], np.float32)


def diffuse_tail(microphones: Microphones, reverberation: float, rate: int) -> NDArray[np.float32]:
    """A decorrelated diffuse tail [4, samples]: energy 1 in W, a third of it in Y, Z and X.

    reverberation: of the room (s), before the microphones' factor; highs ring shorter by `damping`.
    """
    seconds = np.round(reverberation * microphones.reverberation, 1)
    damped = np.round(seconds * microphones.damping, 1)
    # Rounded, as the seconds are, so that few tails serve many scenes.
    tilt = np.round(2 * microphones.late_tilt) / 2
    return _tail(microphones.seed % TAIL_VARIANTS, max(seconds, 0.1), max(damped, 0.1), tilt, rate)


@lru_cache(maxsize=256)
def _tail(
    variant: int, seconds: float, damped: float, tilt: float, rate: int
) -> NDArray[np.float32]:
    rng = np.random.default_rng([variant, 41])
    length = round(0.8 * seconds * rate)
    time = np.arange(length) / rate
    noise = rng.standard_normal((4, length))
    size = fft.next_fast_len(length, real=True)
    f = fft.rfftfreq(size, 1 / rate)
    share = 1 / (1 + (f / 2000) ** 4)
    if tilt:
        colour = 10 ** (tilt * np.log2(np.maximum(f, 60.0) / 1000) / 20)
        noise = fft.irfft(fft.rfft(noise, size) * colour, size)[:, :length]
    low = fft.irfft(fft.rfft(noise, size) * share, size)[:, :length]
    tail = low * 10 ** (-3 * time / seconds) + (noise - low) * 10 ** (-3 * time / damped)
    tail[:, : round(0.012 * rate)] = 0
    tail[1:] *= np.sqrt(1 / 3)
    return (tail / np.sqrt(np.square(tail[0]).sum())).astype(np.float32)
