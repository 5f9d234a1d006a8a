"""From mel bands to spectra, and from spectra to audio.

Shapes: B signals, M mel bands, K = n_fft / 2 + 1 bins, F frames, T samples.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

MOMENTUM = 0.99
"""Of fast Griffin-Lim."""


def from_bands(target: Tensor, bands: Tensor, start: Tensor, updates: int) -> Tensor:
    """Non-negative spectra [B, K, F] whose bands [M, K] approach `target` [B, M, F].

    Multiplicative updates (Lee & Seung 2001) of the positive spectra `start` [B, K, F].
    """
    gram, projection = bands.T @ bands, bands.T @ target
    spectra = start
    for _ in range(updates):
        spectra = spectra * projection / (gram @ spectra).clamp_min(1e-9)
    return spectra


def overlap_add(spectrum: Tensor, window: Tensor, hop: int) -> Tensor:
    """The samples [B, F · hop] whose windowed frames come nearest to complex spectra [B, K, F].

    window: [n_fft]. Frame i begins at sample i · hop + (hop − n_fft) / 2.
    """
    n_fft, frames = len(window), spectrum.shape[-1]
    parts = torch.fft.irfft(spectrum, n_fft, dim=1) * window[:, None]
    total = (frames - 1) * hop + n_fft
    edge = (n_fft - hop) // 2

    def overlap(x: Tensor) -> Tensor:
        return functional.fold(x, (1, total), (1, n_fft), stride=(1, hop))[:, 0, 0]

    weight = overlap(window.square()[None, :, None].expand(1, -1, frames))
    return (overlap(parts) / weight.clamp_min(1e-6))[:, edge : total - edge]


def griffin_lim(
    magnitudes: Tensor,
    analyse: Callable[[Tensor], Tensor],
    synthesise: Callable[[Tensor], Tensor],
    iterations: int,
    floor: float = 1e-12,
) -> Tensor:
    """Audio [B, T] whose spectra have about these magnitudes [B, K, F]: fast Griffin-Lim.

    analyse: [B, T] → complex spectra [B, K, F]; synthesise: back; floor: magnitude below which no
    phase is read. Phases start from the same random ones for every signal, so that signals that
    differ by a factor come out as one waveform with that factor (Perraudin et al. 2013; torchaudio's
    starts from other random numbers for each signal and has centred frames only).
    """
    generator = torch.Generator().manual_seed(0)
    phases = torch.rand(magnitudes.shape[1:], generator=generator).to(magnitudes) * (2 * torch.pi)
    spectrum = magnitudes * torch.polar(torch.ones_like(phases), phases)
    before = torch.zeros_like(spectrum)
    for _ in range(iterations):
        estimate = analyse(synthesise(spectrum))
        ahead = estimate - before * (MOMENTUM / (1 + MOMENTUM))
        spectrum = magnitudes * ahead / ahead.abs().clamp_min(floor)
        before = estimate
    return synthesise(spectrum)
