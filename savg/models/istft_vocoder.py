"""A small vocoder: log mel spectrograms of one channel to a waveform through a spectrum.

Blocks at the rate of mel frames predict magnitude and phase of every bin of a short-time spectrum,
whose inverse is the waveform; nothing runs at the rate of samples, so it costs a hundredth of BigVGAN.
The design is Vocos' (arXiv 2306.00814) with ConvNeXt blocks (2201.03545).

Shapes: B clips (or channels), M mel bands, F mel frames, K = n_fft / 2 + 1 bins, T = F · hop samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.audio.spectra import overlap_add
from savg.fields import Bands, Channels, Depth, Factor, Samples, check
from savg.hub import ModelFormat

__all__ = ["CONFIGS", "FORMAT", "IstftVocoder", "IstftVocoderConfig"]

LOUDEST = 8.0
"""Largest logarithm of a bin's magnitude: a full-scale sine has log(n_fft / 4) = 5.5 at most."""


@dataclass(frozen=True)
class IstftVocoderConfig:
    """Sizes of a vocoder.

    num_mels, n_fft, hop: of the mel spectrogram, so that its frames are those of the spectrum;
    width: channels of the blocks; depth: number of blocks; ratio: how many times a block is wider
    inside.
    """

    num_mels: Bands = 80
    n_fft: Samples = 1024
    hop: Samples = 256
    width: Channels = 256
    depth: Depth = 6
    ratio: Factor = 3

    def __post_init__(self) -> None:
        check(self)
        if self.n_fft % 2 or self.n_fft < 2 * self.hop or (self.n_fft - self.hop) % 2:
            raise ValueError(f"n_fft must be even and ≥ two hops of {self.hop}, got {self.n_fft}")


CONFIGS: dict[str, IstftVocoderConfig] = {
    "full": IstftVocoderConfig(width=512, depth=8),
    "demo": IstftVocoderConfig(),
    "tiny": IstftVocoderConfig(num_mels=6, width=12, depth=2),
}
"""By name; "full" has the size that Vocos publishes for mel spectrograms."""


class Block(nn.Module):
    """x plus a convolution over time of each channel and a perceptron over channels: [B, W, F]."""

    def __init__(self, width: int, hidden: int, scale: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, hidden)
        self.back = nn.Linear(hidden, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor) -> Tensor:
        update = self.norm(self.conv(x).transpose(1, 2))
        update = self.back(functional.gelu(self.wide(update))) * self.scale
        return x + update.transpose(1, 2)


class IstftVocoder(nn.Module):
    """Log mel spectrograms of one channel [B, M, F] to waveforms [B, 1, F · hop] in −1..1."""

    window: Tensor

    def __init__(self, config: IstftVocoderConfig) -> None:
        super().__init__()
        self.config = config
        bins = config.n_fft // 2 + 1
        self.begin = nn.Conv1d(config.num_mels, config.width, 7, padding=3)
        self.norm = nn.LayerNorm(config.width)
        self.blocks = nn.ModuleList(
            Block(config.width, config.ratio * config.width, 1 / config.depth)
            for _ in range(config.depth)
        )
        self.end = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, 2 * bins)
        window = torch.hann_window(config.n_fft, device="cpu")
        self.register_buffer("window", window, persistent=False)

    def spectrum(self, mel: Tensor) -> Tensor:
        """Complex spectra [B, K, F] of mel spectrograms [B, M, F]."""
        x = self.norm(self.begin(mel).transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        values = self.head(self.end(x.transpose(1, 2))).transpose(1, 2).float()
        magnitude, phase = values.chunk(2, dim=1)
        return torch.polar(magnitude.clamp(max=LOUDEST).exp(), phase)

    def waveform(self, spectrum: Tensor) -> Tensor:
        """Samples [B, T] of spectra [B, K, F]; frames start every hop from (hop − n_fft) / 2 on."""
        return overlap_add(spectrum, self.window.float(), self.config.hop)

    def forward(self, mel: Tensor) -> Tensor:
        if mel.ndim != 3 or mel.shape[1] != self.config.num_mels:
            raise ValueError(
                f"mel spectrograms must be [B, {self.config.num_mels}, F], got {list(mel.shape)}"
            )
        return self.waveform(self.spectrum(mel)).clamp(-1, 1)[:, None]


def from_published(published: Mapping[str, Any] | None = None) -> IstftVocoderConfig:
    """The configuration for its own arguments (nobody else publishes one); None: the full one."""
    return IstftVocoderConfig(**published) if published else CONFIGS["full"]


FORMAT = ModelFormat(
    kind="istft_vocoder",
    config=IstftVocoderConfig,
    build=IstftVocoder,
    from_published=from_published,
)
