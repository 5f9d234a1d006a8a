"""The diffuse sound of a room, imitated: what is neither left nor right.

Shapes: B signals, T samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

TAIL_SECONDS = 0.12
GAP_SECONDS = 0.005


def reverberation(audio: Tensor, rate: int) -> Tensor:
    """Audio [B, T] convolved with noise that decays within 120 ms, orthogonal to the audio.

    rate: samples a second. The noise is the same at every call.
    """
    import torch

    tail = round(TAIL_SECONDS * rate)
    response = torch.randn(tail, generator=torch.Generator().manual_seed(1))
    response *= torch.exp(torch.arange(tail) / (-tail / 4))
    response[: round(GAP_SECONDS * rate)] = 0.0
    response = (response / response.norm().clamp_min(1e-9)).to(audio.device)
    size = 1 << (audio.shape[-1] + tail).bit_length()
    spectrum = torch.fft.rfft(audio, size) * torch.fft.rfft(response, size)
    diffuse = torch.fft.irfft(spectrum, size)[..., : audio.shape[-1]]
    share = (diffuse * audio).sum(-1) / audio.square().sum(-1).clamp_min(1e-9)
    return diffuse - share[..., None] * audio
