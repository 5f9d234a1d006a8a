"""The vocoder without weights: spectra come back, channels keep their levels and their agreement."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from savg.hub import Card, load_component, save_component
from savg.models.griffin_lim import CONFIGS, GriffinLim, GriffinLimConfig
from savg.models.mel import CONFIGS as MELS
from savg.models.mel import MelSpectrogram


def tones(count: int = 1) -> torch.Tensor:
    """Sounds [count, 16384] of a few harmonics that come and go, and a little noise."""
    generator = torch.Generator().manual_seed(0)
    t = torch.arange(16_384) / 16_000
    rows = []
    for i in range(count):
        tone = sum(torch.sin(2 * torch.pi * (180 + 40 * i) * k * t) / k for k in range(1, 6))
        swell = 0.5 + 0.5 * torch.sin(2 * torch.pi * 3 * t)
        rows.append(0.1 * swell * tone + 1e-3 * torch.randn(len(t), generator=generator))
    return torch.stack(rows)


@torch.no_grad()
def test_frames_are_those_of_the_mel_spectrogram() -> None:
    model = GriffinLim(CONFIGS["full"])
    audio = tones()
    spectrum = model.spectrum(audio)
    mel = MelSpectrogram(MELS["16k"])(audio)
    assert spectrum.shape == (1, 513, mel.shape[-1])
    direct = torch.log10((model.bands @ spectrum.abs()).clamp_min(1e-5))
    inner = slice(2, -2)  # the mel spectrogram reflects at the ends
    torch.testing.assert_close(direct[..., inner], mel[..., inner], atol=0.05, rtol=0.05)
    back = model.waveform(spectrum)
    torch.testing.assert_close(back[:, 256:-256], audio[:, 256:-256], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_spectrogram_comes_back() -> None:
    model, spectrogram = GriffinLim(CONFIGS["full"]), MelSpectrogram(MELS["16k"])
    audio = tones(2)
    mel = spectrogram(audio)
    generated = model(mel)
    assert generated.shape == (2, 1, audio.shape[1]) and float(generated.abs().max()) <= 1
    audible = mel > mel.amax() - 2  # within 40 dB of the loudest
    error = (spectrogram(generated[:, 0]) - mel)[audible].abs().mean()
    assert float(error) < 0.1
    assert float(generated[:, 0].std() / audio.std()) == pytest.approx(1, abs=0.15)
    torch.testing.assert_close(model(mel[1:]), generated[1:], atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_a_channel_of_half_the_level_is_half_the_waveform() -> None:
    model, spectrogram = GriffinLim(CONFIGS["full"]), MelSpectrogram(MELS["16k"])
    left = tones()
    generated = model(spectrogram(torch.cat((left, left / 2))))[:, 0]
    a, b = generated[0] - generated[0].mean(), generated[1] - generated[1].mean()
    assert float((a * b).sum() / (a.norm() * b.norm())) > 0.98
    assert float(20 * torch.log10(a.norm() / b.norm())) == pytest.approx(6.02, abs=0.3)


def test_it_is_stored_as_a_component(tmp_path: Path) -> None:
    model = GriffinLim(CONFIGS["tiny"])
    save_component(model, tmp_path / "vocoder", "griffin_lim", Card("MIT", "a formula"))
    reloaded, _ = load_component(tmp_path / "vocoder", "griffin_lim")
    mel = torch.randn(1, 6, 9)
    assert reloaded.config == CONFIGS["tiny"] and torch.equal(reloaded(mel), model(mel))


def test_impossible_settings_and_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="one of 16k, 44k, got '8k'"):
        GriffinLimConfig(mel="8k")
    with pytest.raises(ValueError, match="updates must be ≥ 1, got 0"):
        GriffinLimConfig(updates=0)
    with pytest.raises(ValueError, match="iterations must be ≥ 0, got -1"):
        GriffinLimConfig(iterations=-1)
    with pytest.raises(ValueError, match="norm_fn of mel must be 'log10', got 'log'"):
        GriffinLim(GriffinLimConfig(mel="44k", num_mels=128))
    with pytest.raises(ValueError, match=r"\[B, 6, F\], got \[1, 5, 8\]"):
        GriffinLim(CONFIGS["tiny"])(torch.zeros(1, 5, 8))
