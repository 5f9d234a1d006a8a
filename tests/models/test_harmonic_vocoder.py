"""The vocoder with a source: pulses, filters, pitch, and what comes out in one channel and in two."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from savg.hub import Card, load_component, save_component
from savg.models.harmonic_vocoder import (
    CONFIGS,
    HarmonicVocoder,
    HarmonicVocoderConfig,
    minimum_phase,
    pulse_train,
)
from savg.models.mel import MelSpectrogram


@pytest.fixture(scope="module")
def model() -> HarmonicVocoder:
    """Random weights, filters among them."""
    torch.manual_seed(0)
    model = HarmonicVocoder(CONFIGS["tiny"]).eval().requires_grad_(False)
    torch.nn.init.normal_(model.gains.weight, std=0.1)
    return model


def spectrograms(count: int, frames: int = 20) -> torch.Tensor:
    """Random log mel spectrograms [count, 6, frames] of audible levels."""
    return torch.randn(count, 6, frames, generator=torch.Generator().manual_seed(1)) * 0.3 - 1.5


def test_pulses_are_the_sum_of_all_harmonics() -> None:
    hertz = torch.tensor([[220.0] * 8, [1000.0] * 8])
    pulses = pulse_train(hertz, 256, 16_000)
    time = torch.arange(1, 8 * 256 + 1, dtype=torch.float64) / 16_000
    for row, pitch, whole, last in ((0, 220, 35, 8000 / 220 - 36), (1, 1000, 7, 0.0)):
        waves = [torch.cos(2 * math.pi * pitch * k * time) for k in range(1, whole + 2)]
        expected = sum(waves[:-1]) + last * waves[-1]
        torch.testing.assert_close(pulses[row].double(), expected, atol=2e-2, rtol=1e-3)


def test_filters_have_their_gains_and_answer_at_once() -> None:
    gain = torch.randn(1, 129, 3, generator=torch.Generator().manual_seed(0))
    filters = minimum_phase(gain, 256)
    torch.testing.assert_close(filters.abs().log(), gain, atol=1e-4, rtol=1e-4)
    smooth = torch.cos(torch.linspace(0, math.pi, 129))[None, :, None]
    response = torch.fft.irfft(minimum_phase(smooth, 256), 256, dim=1)[0, :, 0]
    assert float(response[:128].square().sum() / response.square().sum()) > 0.999


def test_the_pitch_is_the_mean_around_the_likeliest() -> None:
    model = HarmonicVocoder(replace(CONFIGS["tiny"], pitches=241))
    logits = torch.full((1, 241, 2), -20.0)
    logits[0, 96, 0] = 0.0
    logits[0, 96:98, 1] = 0.0
    first, between = model.hertz(logits)[0].tolist()
    assert first == pytest.approx(220, rel=1e-3)
    assert between == pytest.approx(220 * 2 ** (0.5 / 48), rel=1e-3)


def test_shapes_range_and_clips_are_independent(model: HarmonicVocoder) -> None:
    mel = spectrograms(6).unflatten(0, (3, 2))
    audio = model.stereo(mel)
    assert audio.shape == (3, 2, 20 * 256) and float(audio.abs().max()) <= 1
    torch.testing.assert_close(model.stereo(mel[1:2]), audio[1:2], atol=1e-3, rtol=1e-2)
    alone = model(mel[:, 0])
    assert alone.shape == (3, 1, 20 * 256) and float(model(100 * mel[:, 0]).abs().max()) <= 1


def test_mono_stays_mono_and_a_pan_one_source(model: HarmonicVocoder) -> None:
    mel = spectrograms(1)
    equal = model.stereo(torch.stack((mel, mel), dim=1))[0]
    torch.testing.assert_close(equal[0], equal[1], atol=1e-6, rtol=1e-5)
    left, right = model.stereo(torch.stack((mel, mel - 0.3), dim=1))[0]
    assert float(20 * torch.log10(left.norm() / right.norm())) == pytest.approx(6, abs=0.3)
    assert float((left * right).sum() / (left.norm() * right.norm())) > 0.99


def test_silence_stays_silence(model: HarmonicVocoder) -> None:
    silence = MelSpectrogram(model.mel)(torch.zeros(1, 2, 5120))
    assert float(model.stereo(silence).abs().max()) < 1e-3
    assert float(model(silence[:, 0]).abs().max()) < 1e-3


def test_it_is_stored_as_a_component(model: HarmonicVocoder, tmp_path: Path) -> None:
    save_component(model, tmp_path / "vocoder", "harmonic_vocoder", Card("MIT", "random"))
    reloaded, _ = load_component(tmp_path / "vocoder", "harmonic_vocoder")
    mel = spectrograms(2)
    assert reloaded.config == CONFIGS["tiny"]
    torch.testing.assert_close(reloaded(mel), model(mel), atol=1e-3, rtol=1e-2)


def test_impossible_settings_and_inputs_are_refused(model: HarmonicVocoder) -> None:
    with pytest.raises(ValueError, match="one of 16k, 44k, got '8k'"):
        HarmonicVocoderConfig(mel="8k")
    with pytest.raises(ValueError, match=r"increasing pitches in Hz, got 100\.0 and 100\.0"):
        HarmonicVocoderConfig(lowest=100.0, highest=100.0)
    with pytest.raises(ValueError, match=r"must be \[B, 6, F\], got \[1, 5, 8\]"):
        model(torch.zeros(1, 5, 8))
    with pytest.raises(ValueError, match=r"must be \[B, 2, 6, F\], got \[1, 1, 6, 8\]"):
        model.stereo(torch.zeros(1, 1, 6, 8))
