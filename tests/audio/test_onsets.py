"""Onsets of audio: places of clicks, silence, and the published numbers of real clips."""

from __future__ import annotations

import sys

import librosa
import numpy as np
import pytest

from savg.audio.onsets import onset_signal, onset_times
from savg.errors import SavgError
from tests.goldens import FOLDERS, case

PUBLISHED = next((f for f in FOLDERS if (f / "temporal_av_align.npz").is_file()), None)


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
    mono = librosa.to_mono(exact)
    np.testing.assert_array_equal(onset_signal((exact + noise).clip(-1, 1), 22_050), mono)
    resampled = librosa.resample(mono, orig_sr=16_000, target_sr=22_050)
    np.testing.assert_array_equal(onset_signal(exact, 16_000), resampled)


@pytest.mark.skipif(PUBLISHED is None, reason="the decoded audio is in no folder of golden cases")
@pytest.mark.parametrize("clip", [1, 2])
def test_published_onsets(clip: int) -> None:
    golden = case("temporal_av_align")
    pcm = golden[f"audio_pcm16_{clip}"].T.astype(np.float32) / 2**15
    signal = onset_signal(pcm, 16_000)
    assert len(signal) == golden[f"ylen_{clip}"]
    np.testing.assert_allclose(onset_times(pcm, 16_000), golden[f"onset_times_{clip}"], atol=1e-6)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(SavgError, match=r"Finding onsets needs librosa"):
        onset_times(np.zeros((2, 10), np.float32), 16_000)
