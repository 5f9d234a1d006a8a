"""Onsets of audio: librosa's recorded ones, loops in double precision, clicks, published numbers."""

from __future__ import annotations

import numpy as np
import onsets_by_hand
import pytest
from onset_signals import clips, signals

from savg.audio.onsets import BLOCK, HOP, onset_signal, onset_strength, onset_times, strength_peaks
from tests.goldens import FOLDERS, case

PUBLISHED = next((f for f in FOLDERS if (f / "temporal_av_align.npz").is_file()), None)

GOLDEN = case("onsets")


def recorded(key: str) -> list[np.ndarray]:
    """The parts of an array of the golden file."""
    return np.split(GOLDEN[key], np.cumsum(GOLDEN[f"{key}_lengths"])[:-1])


def test_onsets_are_librosas() -> None:
    names = []
    expected = zip(recorded("frames"), recorded("strength"), strict=True)
    made = [*signals(), *clips()]
    for (name, pcm, rate), (frames, strength) in zip(made, expected, strict=True):
        audio = pcm / 2**15
        np.testing.assert_array_equal(
            onset_times(audio, rate), frames.astype(float) * 512 / 22_050, err_msg=name
        )
        # from other rates libsoxr's response is a little below 1, by 1e-3 where it begins to fall
        close = 1e-4 if rate in (22_050, 44_100) else 2e-3
        ours = onset_strength(onset_signal(audio, rate))
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, strength, atol=close * strength.max(), err_msg=name)
        names.append(name)
    assert len(names) == 64 and sum(map(len, recorded("frames"))) > 250


@pytest.mark.parametrize("seconds", [0.01, 1.3, BLOCK * HOP / 22_050 + 1])
def test_strengths_by_hand(seconds: float) -> None:
    rng = np.random.default_rng(int(seconds * 100))
    loudness = np.repeat(rng.choice([0, 0.001, 0.3], 20), -(-round(seconds * 22_050) // 20))
    signal = (rng.normal(0, 1, len(loudness)) * loudness).astype(np.float32)
    expected = onsets_by_hand.strength(signal)
    strength = onset_strength(signal)
    assert len(strength) == 1 + len(signal) // 512
    np.testing.assert_allclose(strength, expected, atol=1e-4 * max(expected.max(), 1))


def test_peaks_by_hand() -> None:
    rng, count = np.random.default_rng(0), 0
    for trial in range(200):
        values = rng.gamma(0.5, size=int(rng.integers(1, 40)))
        if trial % 2:
            values = np.round(values)  # many equal neighbours
        found = strength_peaks(values)
        assert found.tolist() == onsets_by_hand.peaks(values)
        count += len(found)
    assert count > 500
    assert strength_peaks(np.array([5.0, 0, 0, 0, 0, 0])).tolist() == [0]
    assert strength_peaks(np.array([0.0, 3, 3, 3, 0, 0, 0, 0, 0])).tolist() == [1, 3]
    assert strength_peaks(np.full(9, 0.3)).tolist() == []


def clicks(seconds: list[float], rate: int, length: float = 4.0) -> np.ndarray:
    """Decaying bursts at these seconds, quieter on the left."""
    rng = np.random.default_rng(0)
    audio = np.zeros((2, round(length * rate)), np.float32)
    burst = rng.normal(0, 0.3, rate // 20) * np.exp(-np.linspace(0, 5, rate // 20))
    for second in seconds:
        first = round(second * rate)
        audio[:, first : first + len(burst)] += burst * np.array([[0.3], [1.0]])
    return audio.clip(-1, 1)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_onsets_are_where_clicks_are(rate: int) -> None:
    wanted = [0.5, 1.25, 2.0, 3.3]
    heard = onset_times(clicks(wanted, rate), rate)
    assert len(heard) == 4 and np.abs(heard - wanted).max() < 0.05


def test_silence_and_nothing_have_no_onset() -> None:
    assert len(onset_times(np.zeros((2, 16_000), np.float32), 16_000)) == 0
    assert len(onset_times(np.zeros((2, 0), np.float32), 16_000)) == 0
    assert onset_times(np.full((2, 5), 0.3, np.float32), 16_000).dtype == np.float64


def test_channels_are_averaged_so_that_opposite_ones_cancel() -> None:
    audio = clicks([1.0, 2.0], 16_000)
    audio[0] = -audio[1]
    assert len(onset_times(audio, 16_000)) == 0
    np.testing.assert_array_equal(
        onset_signal(audio[::-1].copy(), 16_000), onset_signal(audio, 16_000)
    )


def test_samples_are_coded_in_16_bits() -> None:
    pcm = np.random.default_rng(1).integers(-(2**15), 2**15, (2, 4000)).astype(np.int16)
    exact = pcm.astype(np.float32) / 2**15
    noise = np.random.default_rng(2).uniform(-0.49, 0.49, pcm.shape).astype(np.float32) / 2**15
    mono = (exact[0] + exact[1]) / 2
    np.testing.assert_array_equal(onset_signal((exact + noise).clip(-1, 1), 22_050), mono)
    expected = onsets_by_hand.resampled(mono, 16_000)
    np.testing.assert_allclose(onset_signal(exact, 16_000), expected, atol=4e-4)


@pytest.mark.skipif(PUBLISHED is None, reason="the decoded audio is in no folder of golden cases")
@pytest.mark.parametrize("clip", [1, 2])
def test_published_onsets(clip: int) -> None:
    golden = case("temporal_av_align")
    pcm = golden[f"audio_pcm16_{clip}"].T.astype(np.float32) / 2**15
    signal = onset_signal(pcm, 16_000)
    assert len(signal) == golden[f"ylen_{clip}"]
    np.testing.assert_allclose(onset_times(pcm, 16_000), golden[f"onset_times_{clip}"], atol=1e-6)
