"""What the two channels of stereo audio say against each other: level, time, likeness, width.

Audio is float [2, T], row 0 left. Level and time differences are positive where the source is left: ILD
is left minus right in dB, ITD the microseconds by which left leads. Pan is (right − left) / (right +
left) of RMS levels, −1 left … +1 right. Only active parts count: those within `ACTIVE_DB` of the
loudest one. Everything is NaN for silence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.audio.levels import part_powers, power_pan

Audio = NDArray[np.floating]
Values = NDArray[np.float64]

ACTIVE_DB = 40.0
"""Decibels below the loudest part of a clip up to which a part counts."""

SILENCE_DB = -90.0
"""Level of both channels together, below full scale, up to which a part is silent."""

LIMIT_DB = 60.0
"""Level differences are within ±this; at that a channel is as good as silent."""

BANDS = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0)
"""Centres of octave bands in Hz."""

MAX_ITD_US = 1000.0
"""Microseconds of the largest time difference that is looked for."""

CONFIDENT = 0.3
"""Height of the GCC-PHAT peak from which a time difference counts; that of unrelated noise is 0.15."""

_SEGMENT_SECONDS = 0.064
_FINE = 8
"""Points of the cross-correlation a sample, between which a parabola is laid."""

_USED_DB = 60.0
"""Decibels below the strongest frequency up to which one counts for time differences."""

_LOWEST_HZ = 50.0


@dataclass(frozen=True, eq=False)
class CrossSpectra:
    """Welch's averages over the active segments of stereo audio.

    left, right: power [K] of the channels; cross: left · conj(right) [K]; frequencies: [K] in Hz;
    segments: number of active ones.
    """

    left: Values
    right: Values
    cross: NDArray[np.complex128]
    frequencies: Values
    segments: int

    def band(self, centre: float) -> NDArray[np.bool_]:
        """The frequencies of an octave band."""
        low, high = centre / np.sqrt(2), centre * np.sqrt(2)
        return (self.frequencies >= low) & (self.frequencies < high)


def active(powers: Values) -> NDArray[np.bool_]:
    """Which parts [N] of powers [2, N] count: none of silence."""
    both = powers.mean(axis=0)
    least = max(both.max(initial=0.0) / 10 ** (ACTIVE_DB / 10), 10 ** (SILENCE_DB / 10))
    return np.asarray(both >= least)


def level_difference(left: float, right: float) -> float:
    """ILD in dB of two powers, within ±`LIMIT_DB`; NaN where both are 0."""
    if not left + right > 0:
        return float("nan")
    least = max(left, right) / 10 ** (LIMIT_DB / 10)
    return float(10 * np.log10(max(left, least) / max(right, least)))


def ild(audio: Audio, rate: int) -> float:
    """ILD in dB over the active tenths of a second."""
    powers = part_powers(audio, rate, 10)
    left, right = powers[:, active(powers)].sum(axis=1)
    return level_difference(left, right)


def tracks(audio: Audio, rate: int, per_second: float = 10) -> Values:
    """ILD in dB, pan and level in dB below full scale [N, 3] of each 1/`per_second` second; NaN where
    nothing is active."""
    powers = part_powers(audio, rate, per_second)
    result = np.full((powers.shape[1], 3), np.nan)
    for i in np.flatnonzero(active(powers)):
        left, right = powers[:, i]
        result[i] = (
            level_difference(left, right),
            power_pan(left, right),
            10 * np.log10(powers[:, i].mean()),
        )
    return result


def cross_spectra(audio: Audio, rate: int) -> CrossSpectra:
    """Averages over half overlapping segments of about 64 ms (Hann)."""
    size = 2 ** round(np.log2(rate * _SEGMENT_SECONDS))
    padded = np.pad(audio, ((0, 0), (0, max(0, size - audio.shape[1])))).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)[:, :: size // 2]
    windows = windows[:, active(np.square(windows).mean(axis=2))]
    window = np.sin(np.pi * np.arange(size) / size) ** 2
    spectra = np.fft.rfft(windows * window, axis=2)
    count = windows.shape[1]
    power = np.square(np.abs(spectra)).sum(axis=1) / max(count, 1)
    cross = (spectra[0] * spectra[1].conj()).sum(axis=0) / max(count, 1)
    frequencies = np.arange(size // 2 + 1) * (rate / size)
    return CrossSpectra(power[0], power[1], cross, frequencies, count)


def band_ild(spectra: CrossSpectra) -> Values:
    """ILD in dB in each octave of `BANDS`; NaN above half the sample rate."""
    return np.array(
        [level_difference(spectra.left[b].sum(), spectra.right[b].sum()) for b in _bands(spectra)]
    )


def coherence(spectra: CrossSpectra) -> float:
    """Magnitude-squared coherence 0…1, each frequency weighted by the channels' geometric mean power.

    That of K segments of unrelated noise is about 1.1 / K, not 0. NaN for silence, also of one channel.
    """
    return _coherence(spectra, spectra.frequencies > 0)


def band_coherence(spectra: CrossSpectra) -> Values:
    """As `coherence`, in each octave of `BANDS`."""
    return np.array([_coherence(spectra, band) for band in _bands(spectra)])


def itd(spectra: CrossSpectra) -> tuple[float, float]:
    """ITD in µs by GCC-PHAT within ±`MAX_ITD_US`, and its confidence: the height of the peak, 1 for a
    pure delay. NaN and 0 for silence, also of one channel."""
    strength = np.sqrt(spectra.left * spectra.right)
    used = strength > strength.max(initial=0.0) / 10 ** (_USED_DB / 10)
    used &= (spectra.frequencies >= _LOWEST_HZ) & (np.abs(spectra.cross) > 0)
    if not used.any():
        return float("nan"), 0.0
    phases = np.where(used, spectra.cross / np.maximum(np.abs(spectra.cross), 1e-300), 0.0)
    rate = 2 * spectra.frequencies[-1]
    size = 2 * (len(phases) - 1) * _FINE
    # Lags where left leads come out negative.
    correlation = np.fft.irfft(phases, size)[::-1] * size / (2 * used.sum())
    reach = min(int(MAX_ITD_US * 1e-6 * rate * _FINE), size // 2 - 1)
    around = np.roll(correlation, reach + 1)[: 2 * reach + 1]
    best = int(np.argmax(around))
    height, shift = float(around[best]), 0.0
    if 0 < best < 2 * reach:
        before, after = around[best - 1], around[best + 1]
        shift = 0.5 * (before - after) / (before - 2 * height + after)
    return (best - reach + shift) / (rate * _FINE) * 1e6, float(np.clip(height, 0.0, 1.0))


@dataclass(frozen=True)
class Likeness:
    """How much the two channels are one signal, over active parts.

    correlation: −1…1 at no delay; width: energy of side over that of mid and side, 0 equal channels,
    ½ unrelated, 1 opposite; mono_db: level of the sum against that of channels in phase, 0 nothing is
    lost, −3 unrelated and equally loud, −`LIMIT_DB` all; difference_db: energy of left − right against
    that of both; panned_db: that of their weaker principal component, nothing where one channel is the
    other times a gain; gain: of right as left.
    """

    correlation: float
    width: float
    mono_db: float
    difference_db: float
    panned_db: float
    gain: float

    @property
    def kind(self) -> str:
        """What equal channels are: "equal", "gain" (up to a gain), "opposite" (up to a negative one),
        or "" for stereo."""
        if not (self.panned_db <= SAME_DB and np.isfinite(self.gain)):
            return ""
        if self.gain <= 0:
            return "opposite"
        level = abs(20 * np.log10(self.gain))
        return "equal" if self.difference_db <= SAME_DB and level <= SAME_LEVEL_DB else "gain"


SAME_DB = -25.0
"""Energy of the difference of two channels, against that of both, up to which they are the same: lossy
codecs at low rates leave as much of equal ones."""

SAME_LEVEL_DB = 0.2
"""Level difference up to which channels are the same; a dry source is 1° off the centre at 0.3 dB."""


def likeness(audio: Audio, rate: int) -> Likeness:
    """How alike the channels are; NaN for silence, no correlation and no gain with a silent channel."""
    powers = part_powers(audio, rate, 10)
    kept = _samples_of(active(powers), audio.shape[1], rate)
    left, right = np.asarray(audio, np.float64)[:, kept]
    ll, rr, lr = float(left @ left), float(right @ right), float(left @ right)
    total = ll + rr
    if not total > 0:
        return Likeness(*[float("nan")] * 6)
    geometric = np.sqrt(ll * rr)
    correlation = lr / geometric if geometric > 0 else float("nan")
    in_phase = (np.sqrt(ll) + np.sqrt(rr)) ** 2
    gain = lr / ll if ll > 0 and rr > 0 else float("nan")
    weaker = max((total - np.hypot(ll - rr, 2 * lr)) / 2, 0.0)
    return Likeness(
        float(np.clip(correlation, -1, 1)),
        float(np.clip((total - 2 * lr) / (2 * total), 0, 1)),
        _decibels((total + 2 * lr) / in_phase),
        _decibels((total - 2 * lr) / total, 200.0),
        _decibels(weaker / total, 200.0),
        gain,
    )


def _samples_of(parts: NDArray[np.bool_], samples: int, rate: int) -> NDArray[np.bool_]:
    """The samples of tenths of a second that are kept."""
    number = np.minimum(np.arange(samples) * 10 // rate, len(parts) - 1)
    return parts[number]


def _decibels(ratio: float, limit: float = LIMIT_DB) -> float:
    return float(10 * np.log10(max(ratio, 10 ** (-limit / 10))))


def _bands(spectra: CrossSpectra) -> list[NDArray[np.bool_]]:
    """Frequencies of each band; none of bands that reach above half the sample rate."""
    top = spectra.frequencies[-1]
    return [spectra.band(c) & (c * np.sqrt(2) <= top) for c in BANDS]


def _coherence(spectra: CrossSpectra, used: NDArray[np.bool_]) -> float:
    product = spectra.left * spectra.right
    used = used & (product > 0)
    weight = np.sqrt(product[used])
    if not weight.sum() > 0:
        return float("nan")
    squared = np.square(np.abs(spectra.cross[used])) / product[used]
    return float(np.clip(weight @ squared / weight.sum(), 0, 1))
