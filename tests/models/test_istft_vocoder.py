"""The spectral vocoder: its inverse transform against a plain one, shapes, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from savg.models.istft_vocoder import CONFIGS, IstftVocoder, IstftVocoderConfig


def frames_of(signal: torch.Tensor, n_fft: int, hop: int) -> torch.Tensor:
    """Windowed spectra of zero-padded frames, one by one."""
    edge = (n_fft - hop) // 2
    padded = torch.nn.functional.pad(signal, (edge, edge))
    window = torch.hann_window(n_fft)
    count = signal.shape[-1] // hop
    parts = [torch.fft.rfft(padded[:, i * hop : i * hop + n_fft] * window) for i in range(count)]
    return torch.stack(parts, dim=-1)


@pytest.mark.parametrize(("n_fft", "hop"), [(1024, 256), (64, 16), (48, 20)])
def test_the_waveform_of_a_signals_spectrum_is_the_signal(n_fft: int, hop: int) -> None:
    model = IstftVocoder(IstftVocoderConfig(num_mels=4, n_fft=n_fft, hop=hop, width=4, depth=1))
    signal = 0.3 * torch.randn(2, 20 * hop, generator=torch.Generator().manual_seed(0))
    waveform = model.waveform(frames_of(signal, n_fft, hop))
    assert waveform.shape == signal.shape
    inner = slice(hop, -hop)
    torch.testing.assert_close(waveform[:, inner], signal[:, inner], atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_shapes_range_and_channels_are_independent() -> None:
    torch.manual_seed(0)
    model = IstftVocoder(CONFIGS["tiny"]).eval()
    mel = torch.randn(3, 6, 17)
    audio = model(mel)
    assert audio.shape == (3, 1, 17 * 256) and float(audio.abs().max()) <= 1
    torch.testing.assert_close(model(mel[1:2]), audio[1:2], atol=1e-5, rtol=1e-4)
    assert float(model(100 * mel).abs().max()) <= 1


def test_every_parameter_has_a_gradient() -> None:
    torch.manual_seed(0)
    model = IstftVocoder(CONFIGS["tiny"])
    model(torch.randn(1, 6, 8)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_impossible_sizes_and_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="two hops of 256, got 256"):
        IstftVocoderConfig(n_fft=256)
    with pytest.raises(ValueError, match="depth must be ≥ 1, got 0"):
        IstftVocoderConfig(depth=0)
    with pytest.raises(ValueError, match=r"\[B, 6, F\], got \[1, 5, 8\]"):
        IstftVocoder(CONFIGS["tiny"])(torch.zeros(1, 5, 8))
