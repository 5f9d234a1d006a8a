"""Audio as the images that AudioCLIP's network looks at: frames, a learned filter bank, decibels.

Frequency B-spline wavelets stand in for the Fourier transform: each bin is a complex band-pass filter
whose order, bandwidth and centre are learned (ESResNe(X)t-fbsp, arXiv 2104.11587). The bins are cut
into three bands of equal height, which become the colours of an image. Numbers are float32 in the
published order of operations, because rounding is part of the published results [code].

Shapes: N signals, T samples, F frames, R rows of a band.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

BANDS = 3
"""Bands of the spectrum, and colours of an image."""

LOWEST, HIGHEST = -32768.0, 32767.0
"""Sample values that the published network maps to −1 and 1."""

SILENCE = 1e-18
"""Power in the place of an exact zero, −180 dB."""

EPS = 1e-8


def published_scale(audio: Tensor) -> Tensor:
    """Samples as the published network scales them: 16-bit integers to −1..1.

    Audio that is in −1..1 already, as the published evaluator gives it [code], becomes about
    3.05e-5 · audio + 1.5e-5, in steps of 1/256 of full scale.
    """
    return (audio + -LOWEST) * 2.0 / (HIGHEST - LOWEST) - 1.0


def frames(audio: Tensor, window: Tensor, hop: int, size: int) -> Tensor:
    """Windowed frames [N, F, size] of signals [N, T], each in the middle of `size` samples.

    Zeros, half of them before and half behind, complete the last frame.
    """
    length, samples = len(window), audio.shape[-1]
    count = 1 + max(0, math.ceil((samples - length) / hop))
    missing = max(0, (count - 1) * hop + length - samples)
    padded = functional.pad(audio, (missing // 2, missing - missing // 2))
    before = (size - length) // 2
    cut = padded.unfold(-1, length, hop) * window
    return functional.pad(cut, (before, size - length - before))


class BandPassBank(nn.Module):
    """A bank of complex band-pass filters, one a bin: frames [N, F, size] to power [N, bins, F].

    Filter k over t in −π..π is √fb · sinc(fb · t / m)^m · exp(−i · fc · t): m is its order, fb its
    bandwidth, fc its centre. Where the sinc is negative its power is complex.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.zeros(bins))
        self.fb = nn.Parameter(torch.ones(bins))
        self.fc = nn.Parameter(torch.arange(bins, dtype=torch.float32))
        self.bias = nn.Parameter(torch.zeros(0))  # the published checkpoint has it, and no values

    def filters(self, size: int, bins: int) -> tuple[Tensor, Tensor]:
        """Real and imaginary part [bins, size] of the first `bins` filters."""
        t = math.pi * torch.linspace(-1.0, 1.0, size, device=self.m.device)[None] + EPS
        m, fb, fc = (value[:bins, None] for value in (self.m, self.fb, self.fc))
        at = fb * t / (m + EPS)
        sinc = torch.where(at == 0, torch.ones_like(at), torch.sin(at) / at)
        below = sinc < 0
        phase = math.pi * m
        magnitude = (sinc.abs() ** 2) ** (0.5 * m)
        real = magnitude * torch.where(below, torch.cos(phase), torch.ones_like(m))
        imaginary = magnitude * torch.where(below, torch.sin(phase), torch.zeros_like(m))
        cosine, sine = torch.cos(fc * t), -torch.sin(fc * t)
        scale, norm = fb.sqrt(), size**0.5
        return (
            scale * (real * cosine - imaginary * sine) / norm,
            scale * (real * sine + imaginary * cosine) / norm,
        )

    def forward(self, x: Tensor, bins: int | None = None) -> Tensor:
        """Power of the first `bins` filters (None: all)."""
        real, imaginary = self.filters(x.shape[-1], len(self.m) if bins is None else bins)
        power = functional.linear(x, real) ** 2 + functional.linear(x, imaginary) ** 2
        return power.transpose(-1, -2)


def decibels(power: Tensor) -> Tensor:
    """10 · log10 of power, −180 dB for an exact zero."""
    return torch.log10(torch.where(power > 0, power, torch.full_like(power, SILENCE))) * 10.0
