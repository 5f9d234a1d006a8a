"""Sharp resampling: libsoxr's recorded samples, SciPy's polyphase filter, tones in and out of band."""

from __future__ import annotations

import numpy as np
import onsets_by_hand
import pytest
from onset_signals import RATES, noise

from savg.audio.fourier_resample import fourier_resample
from tests.goldens import case


def test_samples_are_those_of_libsoxr() -> None:
    golden = case("onsets")
    parts = np.split(golden["resampled"], np.cumsum(golden["resampled_lengths"])[:-1])
    for rate, expected in zip(RATES, parts, strict=True):
        resampled = fourier_resample(noise(rate), rate, 22_050)
        assert resampled.dtype == np.float32
        close = 5e-5 if rate == 44_100 else 4e-3  # see the responses in the module's docstring
        np.testing.assert_allclose(resampled, expected, atol=close, err_msg=str(rate))


@pytest.mark.parametrize(
    "rate,new_rate", [(16_000, 22_050), (48_000, 22_050), (22_050, 8000), (8000, 22_050)]
)
def test_a_polyphase_filter_gives_the_same(rate: int, new_rate: int) -> None:
    audio = np.random.default_rng(0).normal(0, 0.2, 999).astype(np.float32)
    resampled = fourier_resample(audio, rate, new_rate)
    assert len(resampled) == -(-999 * new_rate // rate)
    expected = onsets_by_hand.resampled(audio, rate, new_rate)
    np.testing.assert_allclose(resampled, expected, atol=1e-4)


@pytest.mark.parametrize("rate,new_rate", [(16_000, 22_050), (44_100, 16_000)])
def test_tones_below_the_fade_stay_and_those_above_are_gone(rate: int, new_rate: int) -> None:
    half = min(rate, new_rate) / 2
    time, new_time = np.arange(rate) / rate, np.arange(new_rate) / new_rate
    inside = slice(new_rate // 10, -new_rate // 10)
    for part, level in ((0.02, 1), (0.9, 1), (1.02, 0)):
        if part * half > rate / 2:
            continue
        tone = np.sin(2 * np.pi * part * half * time).astype(np.float32)
        expected = level * np.sin(2 * np.pi * part * half * new_time)
        resampled = fourier_resample(tone, rate, new_rate)
        np.testing.assert_allclose(resampled[inside], expected[inside], atol=3e-6)


def test_equal_rates_change_nothing_and_short_audio_keeps_its_length() -> None:
    audio = np.ones(5, np.float32)
    assert fourier_resample(audio, 22_050, 22_050) is audio
    assert fourier_resample(audio, 16_000, 22_050).shape == (7,)
    assert fourier_resample(audio, 192_000, 22_050).shape == (1,)
