"""Stereo measures on noise with known delay, pan and coherence; SciPy and NumPy as oracles."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from savg.audio import stereo_measures as m
from savg.geometry import stereo_gains

RATE = 16_000
T = 5 * RATE


def noise(seed: int = 0, channels: int = 1, rate: int = RATE) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, 0.1, (channels, 5 * rate))


def delayed(x: NDArray[np.float64], samples: float) -> NDArray[np.float64]:
    """Delayed by any fraction of samples, in a circle."""
    turn = np.exp(-2j * np.pi * np.arange(len(x) // 2 + 1) * samples / len(x))
    return np.fft.irfft(np.fft.rfft(x) * turn, len(x))


def panned(gains: tuple[float, float], seed: int = 0) -> NDArray[np.float64]:
    return np.array(gains)[:, None] * noise(seed)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("us", [0.0, 10.0, 123.4, -500.0, 990.0, -37.0])
def test_itd_of_delayed_noise(rate: int, us: float) -> None:
    (x,) = noise(rate=rate)
    audio = np.stack([x, 0.3 * delayed(x, us * 1e-6 * rate)])  # left leads where us > 0
    measured, confidence = m.itd(m.cross_spectra(audio, rate))
    assert measured == pytest.approx(us, abs=0.3) and confidence > 0.95
    mirrored, _ = m.itd(m.cross_spectra(audio[::-1], rate))
    assert mirrored == pytest.approx(-us, abs=0.3)


def test_itd_agrees_with_the_direct_cross_correlation() -> None:
    audio = np.stack([noise()[0], np.roll(noise()[0], 7)]) + noise(3, 2) * 0.5
    full = np.correlate(audio[1, 100:4000], audio[0, 100:4000], "full")
    samples = int(np.argmax(full)) - 3899
    measured, confidence = m.itd(m.cross_spectra(audio, RATE))
    assert samples == 7 and measured == pytest.approx(7e6 / RATE, abs=1.5)
    assert confidence > 0.9


def test_unrelated_noise_has_no_confident_itd() -> None:
    heights = [m.itd(m.cross_spectra(noise(seed, 2), RATE))[1] for seed in range(20)]
    assert max(heights) < m.CONFIDENT / 1.5


def test_one_silent_channel_has_no_itd_and_the_largest_ild() -> None:
    audio = panned((1.0, 0.0))
    value, confidence = m.itd(m.cross_spectra(audio, RATE))
    assert np.isnan(value) and confidence == 0
    assert m.ild(audio, RATE) == m.LIMIT_DB and m.ild(audio[::-1], RATE) == -m.LIMIT_DB
    assert np.isnan(m.coherence(m.cross_spectra(audio, RATE)))


def test_ild_is_that_of_the_gains_in_every_band() -> None:
    audio = panned((1.0, 0.25))
    expected = 20 * np.log10(4)
    assert m.ild(audio, RATE) == pytest.approx(expected, abs=1e-9)
    bands = m.band_ild(m.cross_spectra(audio, RATE))
    np.testing.assert_allclose(bands, expected, atol=1e-9)


def test_ild_of_one_band_only() -> None:
    low = signal.sosfilt(signal.butter(8, 400, output="sos", fs=RATE), noise()[0])
    high = signal.sosfilt(signal.butter(8, 1200, "high", output="sos", fs=RATE), noise(1)[0])
    bands = m.band_ild(m.cross_spectra(np.stack([low + high, low + 0.1 * high]), RATE))
    np.testing.assert_allclose(bands[:2], 0, atol=0.2)  # 125 and 250 Hz
    np.testing.assert_allclose(bands[4:], 20, atol=0.2)  # 2 and 4 kHz
    slow = m.cross_spectra(noise(0, 2, 8000), 8000)
    assert np.isnan(m.band_ild(slow)).tolist() == [False] * 5 + [True]


def test_ild_counts_active_parts_only() -> None:
    audio = panned((1.0, 0.5))
    audio[:, T // 2 :] = panned((0.001, 0.004), 1)[:, T // 2 :]  # faint noise, the other way round
    assert m.ild(audio, RATE) == pytest.approx(20 * np.log10(2), abs=1e-3)
    tracked = m.tracks(audio, RATE)
    assert tracked.shape == (50, 3) and np.isnan(tracked[26:]).all()
    np.testing.assert_allclose(tracked[:24, 0], 20 * np.log10(2), atol=1e-9)


def test_tracks_follow_a_source_that_moves() -> None:
    azimuth = np.repeat(np.linspace(60, -60, 50), RATE // 10)
    audio = stereo_gains(azimuth) * noise()
    tracked = m.tracks(audio, RATE)
    left, right = stereo_gains(azimuth[:: RATE // 10])
    np.testing.assert_allclose(tracked[:, 0], 20 * np.log10(left / right), atol=1e-9)
    np.testing.assert_allclose(tracked[:, 1], (right - left) / (right + left), atol=1e-12)
    power = np.square(audio[:, : RATE // 10]).mean()
    assert tracked[0, 2] == pytest.approx(10 * np.log10(power))
    assert m.tracks(audio[:, : RATE // 10 * 7 + 3], RATE).shape == (8, 3)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_coherence_is_the_share_of_common_noise_squared_and_scipys(share: float) -> None:
    common, a, b = np.sqrt(share) * noise(0), *(np.sqrt(1 - share) * noise(s) for s in (1, 2))
    audio = np.concatenate([common + a, common + b])
    spectra = m.cross_spectra(audio, RATE)
    assert m.coherence(spectra) == pytest.approx(share**2, abs=0.02)
    np.testing.assert_allclose(m.band_coherence(spectra), share**2, atol=0.12)
    frequencies, squared = signal.coherence(*audio, RATE, "hann", 1024, noverlap=512, detrend=False)
    ours = np.square(np.abs(spectra.cross)) / (spectra.left * spectra.right)
    np.testing.assert_allclose(ours[1:], squared[1:], atol=0.02)
    assert frequencies == pytest.approx(spectra.frequencies)
    assert m.likeness(audio, RATE).correlation == pytest.approx(np.corrcoef(*audio)[0, 1], abs=1e-3)


def test_width_and_mono_level_have_closed_forms() -> None:
    equal, opposite, unrelated, hard = (
        m.likeness(audio, RATE)
        for audio in (panned((1, 1)), panned((1, -1)), noise(0, 2), panned((1, 0)))
    )
    assert [equal.width, opposite.width, hard.width] == pytest.approx([0, 1, 0.5])
    assert unrelated.width == pytest.approx(0.5, abs=0.01)
    assert equal.mono_db == pytest.approx(0) and hard.mono_db == pytest.approx(0)
    assert opposite.mono_db == -m.LIMIT_DB
    assert unrelated.mono_db == pytest.approx(10 * np.log10(0.5), abs=0.05)
    ten = m.likeness(panned((1.0, 0.1)), RATE)  # side 0.9, mid 1.1
    assert ten.width == pytest.approx(0.81 / (0.81 + 1.21)) and ten.mono_db == pytest.approx(0)
    assert np.isnan(hard.correlation) and equal.correlation == pytest.approx(1)
    mid, side = noise(0, 2).sum(axis=0), np.subtract(*noise(0, 2))
    energy = [float(x @ x) for x in (mid, side)]
    assert unrelated.width == pytest.approx(energy[1] / sum(energy))


@pytest.mark.parametrize(
    ("audio", "kind"),
    [
        (panned((1, 1)), "equal"),
        (panned((1, 1)) + 1e-4 * noise(1, 2), "equal"),
        (panned((1, 0.5)), "gain"),
        (panned((1, -1)), "opposite"),
        (panned((0.2, -0.5)), "opposite"),
        (panned((1, 1)) + 0.02 * noise(1, 2), "equal"),
        (panned((1, 1)) + 0.2 * noise(1, 2), ""),
        (panned((1.03, 0.97)), "gain"),
        (np.stack([noise()[0], np.roll(noise()[0], 3)]), ""),
        (panned((1, 0)), ""),
        (np.zeros((2, T)), ""),
    ],
)
def test_equal_channels_are_told(audio: NDArray[np.float64], kind: str) -> None:
    assert m.likeness(audio, RATE).kind == kind


def test_the_gain_and_the_weaker_component_are_numpys() -> None:
    audio = panned((1.0, 0.4)) + 0.05 * noise(2, 2)
    alike = m.likeness(audio, RATE)
    assert alike.gain == pytest.approx(float(np.linalg.lstsq(audio[:1].T, audio[1])[0][0]))
    values = np.linalg.svd(audio, compute_uv=False) ** 2
    assert alike.panned_db == pytest.approx(10 * np.log10(values[1] / values.sum()))


@pytest.mark.parametrize("samples", [0, 1, 100, T])
def test_silence_has_no_measure(samples: int) -> None:
    audio = np.zeros((2, samples))
    spectra = m.cross_spectra(audio, RATE)
    alike = m.likeness(audio, RATE)
    assert spectra.segments == 0 and np.isnan(m.ild(audio, RATE))
    assert np.isnan([m.coherence(spectra), m.itd(spectra)[0], *vars(alike).values()]).all()
    assert np.isnan(m.tracks(audio, RATE)).all() and np.isnan(m.band_ild(spectra)).all()


def test_a_few_samples_are_enough() -> None:
    audio = panned((1.0, 0.5))[:, :100]
    assert m.ild(audio, RATE) == pytest.approx(20 * np.log10(2))
    assert m.itd(m.cross_spectra(audio, RATE))[0] == pytest.approx(0, abs=1)
