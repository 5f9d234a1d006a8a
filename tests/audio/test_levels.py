"""Levels against closed forms and plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from savg.audio.levels import FLOOR_DB, level_db, level_difference_db, levels_db, pan, power_pan


def noise(left: float, right: float) -> np.ndarray:
    wave = np.random.default_rng(0).standard_normal(48_000)
    return np.stack([left * wave, right * wave]).astype(np.float32)


def test_levels_are_rms_in_decibels_of_full_scale() -> None:
    square = np.where(np.arange(16_000) % 2, 1.0, -1.0)
    audio = np.stack([square, 0.1 * square])
    audio[1, 8000:] = 0.0
    levels = levels_db(audio.astype(np.float32), 16_000, 20)
    assert levels.shape == (2, 20)
    np.testing.assert_allclose(levels[0], 0.0, atol=1e-5)
    np.testing.assert_allclose(levels[1, :10], -20.0, atol=1e-5)
    np.testing.assert_array_equal(levels[1, 10:], FLOOR_DB)
    assert level_db(audio) == pytest.approx(10 * np.log10(0.5 + 0.01 / 4))
    assert level_db(np.zeros((2, 10))) == -120.0
    assert level_db(np.zeros((2, 10)), -60.0) == -60.0


def test_levels_agree_with_a_plain_loop_at_a_rate_that_does_not_divide() -> None:
    audio = np.random.default_rng(1).uniform(-1, 1, (2, 12_000)).astype(np.float32)
    levels = levels_db(audio, 16_000, 7)
    assert levels.shape == (2, 6)
    for i in range(6):
        part = audio[:, i * 16_000 // 7 : min((i + 1) * 16_000 // 7, 12_000)].astype(float)
        np.testing.assert_allclose(levels[:, i], 10 * np.log10((part**2).mean(axis=1)), atol=1e-6)


@pytest.mark.parametrize("samples, rate, count", [(5333, 3, 1), (10_667, 3, 2), (10_669, 3, 3)])
def test_lengths_that_were_rounded_to_samples(samples: int, rate: int, count: int) -> None:
    assert levels_db(np.ones((2, samples)), 16_000, rate).shape == (2, count)


def test_the_level_difference_is_left_minus_right() -> None:
    for decibels in (-6.0, 0.0, 1.5, 6.0):
        audio = noise(10 ** (decibels / 20), 1.0)
        assert level_difference_db(audio) == pytest.approx(decibels, abs=1e-5)
        bounded = level_difference_db(audio, bounded=True)
        assert bounded == pytest.approx(decibels, abs=0.15)
        assert bounded == pytest.approx(-level_difference_db(audio[::-1], bounded=True))
    assert level_difference_db(noise(1, 0)) > 150
    assert level_difference_db(noise(1, 0), bounded=True) == pytest.approx(20.0, abs=0.1)
    for bounded in (False, True):
        assert level_difference_db(np.zeros((2, 5)), bounded) == 0.0


@pytest.mark.parametrize(
    "left, right, expected", [(1, 1, 0.0), (0, 1, 1.0), (1, 0, -1.0), (1, 3, 0.5), (-3, 1, -0.5)]
)
def test_pan_is_the_balance_of_levels(left: float, right: float, expected: float) -> None:
    assert pan(noise(left, right)) == pytest.approx(expected, abs=1e-6)
    assert pan(noise(left, right)[::-1]) == pytest.approx(-expected, abs=1e-6)


def test_silence_has_no_pan() -> None:
    assert np.isnan(pan(np.zeros((2, 100), np.float32)))


def test_pan_of_a_signal_is_that_of_its_powers_and_silence_has_none() -> None:
    audio = np.random.default_rng(0).normal(0, [[0.3], [0.1]], (2, 4000))
    left, right = np.sqrt((audio**2).mean(axis=1))
    assert pan(audio) == pytest.approx((right - left) / (right + left))
    assert pan(audio) == power_pan(left**2, right**2)
    assert power_pan(0.0, 1.0) == 1.0 and power_pan(1.0, 0.0) == -1.0
    assert np.isnan(power_pan(0.0, 0.0)) and np.isnan(power_pan(1e-14, 1e-14))
    assert np.isnan(pan(np.full((2, 100), 1e-7)))
