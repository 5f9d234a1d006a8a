"""From bands to spectra to audio, against PyTorch's inverse transform and on spectra of real audio."""

from __future__ import annotations

import torch

from savg.audio.spectra import from_bands, griffin_lim, overlap_add

N_FFT, HOP = 64, 16


def frames_of(audio: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    padded = torch.nn.functional.pad(audio, ((N_FFT - HOP) // 2,) * 2)
    return torch.stft(padded, N_FFT, HOP, window=window, center=False, return_complex=True)


def test_overlapping_frames_give_the_samples_back() -> None:
    audio = torch.randn(2, 30 * HOP, dtype=torch.float64)
    window = torch.hann_window(N_FFT, dtype=torch.float64)
    spectrum = frames_of(audio, window)
    assert spectrum.shape == (2, N_FFT // 2 + 1, 30)
    torch.testing.assert_close(overlap_add(spectrum, window, HOP), audio)


def test_overlapping_agrees_with_pytorch_on_spectra_of_no_audio() -> None:
    window = torch.hann_window(N_FFT, dtype=torch.float64)
    spectrum = torch.randn(1, N_FFT // 2 + 1, 30, dtype=torch.complex128)
    expected = torch.istft(spectrum, N_FFT, HOP, window=window, center=True)
    result = overlap_add(spectrum, window, HOP)[:, HOP // 2 :]  # centred frames begin that later
    inside = slice(N_FFT, expected.shape[1] - N_FFT)
    torch.testing.assert_close(result[:, inside], expected[:, inside])


def test_spectra_have_the_requested_bands() -> None:
    bands = torch.rand(6, 20, dtype=torch.float64)
    target = bands @ torch.rand(1, 20, 5, dtype=torch.float64)
    result = from_bands(target, bands, torch.ones(1, 20, 5, dtype=torch.float64), 3000)
    assert (result >= 0).all()
    torch.testing.assert_close(bands @ result, target, rtol=0.01, atol=0)


def test_iterations_bring_magnitudes_nearer_and_a_factor_stays_a_factor() -> None:
    window = torch.hann_window(N_FFT)
    t = torch.arange(60 * HOP) / 1000
    audio = torch.sin(2 * torch.pi * 90 * t * (1 + 0.1 * t))
    signals = torch.stack([audio, 0.25 * audio])
    magnitudes = frames_of(signals, window).abs()

    def error(iterations: int) -> float:
        result = griffin_lim(
            magnitudes,
            lambda x: frames_of(x, window),
            lambda x: overlap_add(x, window, HOP),
            iterations,
        )
        torch.testing.assert_close(0.25 * result[0], result[1], atol=1e-4, rtol=1e-3)
        return float((frames_of(result, window).abs() - magnitudes).norm() / magnitudes.norm())

    assert error(60) < 0.25 * error(0)
