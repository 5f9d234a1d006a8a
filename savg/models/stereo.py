"""Stereo through mono networks: each channel by itself, their latents side by side [S2].

Shapes: B clips, 2 channels (0 left), C latent channels, L latents, M mel bands, F mel frames, T
samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class StereoVocoder(Protocol):
    """A vocoder that hears both channels at once."""

    def stereo(self, mel: Tensor) -> Tensor:
        """Audio [B, 2, T] in −1..1 of mel spectrograms [B, 2, M, F], 0 left."""
        ...


def waveforms(vocoder: Callable[[Tensor], Tensor], mel: Tensor) -> Tensor:
    """Audio [B, channels, T] of mel spectrograms [B, channels, M, F].

    Both channels come from one excitation where the vocoder can do that, else each by itself.
    """
    if mel.shape[1] == 2 and isinstance(vocoder, StereoVocoder):
        return vocoder.stereo(mel)
    return per_channel(vocoder, mel)[:, :, 0]


def per_channel(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`network` on every channel of x[B, channels, …] as if it were a clip: [B, channels, …]."""
    return network(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def join_latents(latents: Tensor) -> Tensor:
    """VAE latents of the channels [B, 2, C, L] as the flow network's [B, L, 2C], left first."""
    return latents.flatten(1, 2).transpose(1, 2)


def split_latents(joined: Tensor, channels: int = 2) -> Tensor:
    """The flow network's latents [B, L, 2C] as the VAE's [B, 2, C, L], inverse of `join_latents`."""
    if joined.shape[-1] % channels:
        raise ValueError(f"latent channels must be divisible by {channels}, got {joined.shape[-1]}")
    return joined.transpose(1, 2).unflatten(1, (channels, -1))


def to_stereo(mono: Tensor, channels: int = 2) -> Tensor:
    """Mono audio [B, 1, T] on all channels [B, channels, T]: the baseline without direction."""
    return torch.cat([mono] * channels, dim=1)
