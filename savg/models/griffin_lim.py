"""A vocoder without weights: log mel spectrograms of one channel to a waveform by Griffin-Lim.

Mel bands become a non-negative spectrum by multiplicative updates (Lee & Seung 2001); phases start
from the same random ones for every input and converge in fast Griffin-Lim iterations (Perraudin et
al. 2013). Channels whose spectra differ by a factor give one waveform with that factor: a source that
is panned by its level stays one source.

Shapes: B clips (or channels), M mel bands, F mel frames, K = n_fft / 2 + 1 bins, T = F · hop samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.audio.spectra import from_bands, griffin_lim, overlap_add
from savg.fields import Bands, Between, check
from savg.hub import ModelFormat
from savg.models.mel import CONFIGS as MELS
from savg.models.mel import mel_bands

__all__ = ["CONFIGS", "FORMAT", "GriffinLim", "GriffinLimConfig"]

LOUDEST = 2.0
"""Largest log10 of a mel band: a full-scale sine has about 0.6."""


@dataclass(frozen=True)
class GriffinLimConfig:
    """mel: name of the published mel spectrogram; num_mels: its bands; iterations: of Griffin-Lim;
    updates: of the spectrum from its bands."""

    mel: str = "16k"
    num_mels: Bands = 80
    iterations: Annotated[int, Between(0, 1000)] = 32
    updates: Annotated[int, Between(1, 1000)] = 30

    def __post_init__(self) -> None:
        check(self)
        if self.mel not in MELS:
            raise ValueError(f"mel must be one of {', '.join(MELS)}, got {self.mel!r}")

    @property
    def hop(self) -> int:
        """Samples per mel frame."""
        return MELS[self.mel].hop_size


CONFIGS: dict[str, GriffinLimConfig] = {
    "full": GriffinLimConfig(),
    "demo": GriffinLimConfig(),
    "tiny": GriffinLimConfig(num_mels=6, iterations=2, updates=2),
}


class GriffinLim(nn.Module):
    """Log mel spectrograms of one channel [B, M, F] to waveforms [B, 1, F · hop] in −1..1."""

    bands: Tensor
    window: Tensor

    def __init__(self, config: GriffinLimConfig) -> None:
        super().__init__()
        self.config = config
        self.mel = replace(MELS[config.mel], num_mels=config.num_mels)
        if self.mel.norm_fn != "log10":
            raise ValueError(f"norm_fn of mel must be 'log10', got {self.mel.norm_fn!r}")
        with torch.device("cpu"):  # numbers, no weights: also where the network has no memory yet
            self.register_buffer("bands", mel_bands(self.mel))
            self.register_buffer("window", torch.hann_window(self.mel.win_size), persistent=False)

    def magnitudes(self, mel: Tensor) -> Tensor:
        """Non-negative spectra [B, K, F] with the mel bands [B, M, F]."""
        bands = self.bands.float()
        target = 10 ** mel.float().clamp(max=LOUDEST)
        start = bands.T @ (target / bands.sum(1).square().clamp_min(1e-9)[:, None]) + 1e-9
        return from_bands(target, bands, start, self.config.updates)

    def spectrum(self, audio: Tensor) -> Tensor:
        """Complex spectra [B, K, F] of audio [B, T], framed as the mel spectrogram is."""
        c = self.mel
        padded = functional.pad(audio, ((c.n_fft - c.hop_size) // 2,) * 2)
        return torch.stft(
            padded, c.n_fft, c.hop_size, c.win_size, self.window, center=False, return_complex=True
        )

    def waveform(self, spectrum: Tensor) -> Tensor:
        """Samples [B, T] whose frames are nearest to spectra [B, K, F] in least squares."""
        return overlap_add(spectrum, self.window, self.mel.hop_size)

    def forward(self, mel: Tensor) -> Tensor:
        if mel.ndim != 3 or mel.shape[1] != self.config.num_mels:
            raise ValueError(
                f"mel spectrograms must be [B, {self.config.num_mels}, F], got {list(mel.shape)}"
            )
        audio = griffin_lim(
            self.magnitudes(mel), self.spectrum, self.waveform, self.config.iterations
        )
        return audio.clamp(-1, 1)[:, None]


def from_published(published: Mapping[str, Any] | None = None) -> GriffinLimConfig:
    """The configuration for its own arguments (there are no weights); None: the full one."""
    return GriffinLimConfig(**published) if published else CONFIGS["full"]


FORMAT = ModelFormat(
    kind="griffin_lim", config=GriffinLimConfig, build=GriffinLim, from_published=from_published
)
