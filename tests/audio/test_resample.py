"""Resampling against sines and torchaudio's resampler."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchaudio

from savg.audio.resample import resample


@pytest.mark.parametrize("rate, new_rate", [(16_000, 24_000), (48_000, 16_000), (44_100, 48_000)])
def test_tones_keep_level_and_phase(rate: int, new_rate: int) -> None:
    t, new_t = np.arange(rate) / rate, np.arange(new_rate) / new_rate
    audio = np.stack([np.sin(2 * np.pi * 440 * t), 0.1 * np.sin(2 * np.pi * 2000 * t)])
    resampled = resample(audio.astype(np.float32), rate, new_rate)
    assert resampled.shape == (2, new_rate) and resampled.dtype == np.float32
    expected = np.stack([np.sin(2 * np.pi * 440 * new_t), 0.1 * np.sin(2 * np.pi * 2000 * new_t)])
    inside = slice(new_rate // 20, -new_rate // 20)
    np.testing.assert_allclose(resampled[:, inside], expected[:, inside], atol=2e-3)
    reference = torchaudio.functional.resample(torch.from_numpy(audio), rate, new_rate).numpy()
    np.testing.assert_allclose(resampled[:, inside], reference[:, inside], atol=3e-3)


def test_lengths_are_rounded_up_and_equal_rates_change_nothing() -> None:
    audio = np.ones((2, 1001), np.float64)
    assert resample(audio, 48_000, 16_000).shape == (2, 334)
    assert resample(audio, 48_000, 16_000).dtype == np.float64
    assert resample(audio, 16_000, 16_000) is audio
