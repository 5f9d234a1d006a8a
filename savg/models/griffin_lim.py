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

from torch import Tensor

from savg.audio.spectra import griffin_lim
from savg.fields import Bands, Between, check
from savg.hub import ModelFormat
from savg.models.mel import CONFIGS as MELS
from savg.models.mel_inversion import Inversion, check_mel

__all__ = ["CONFIGS", "FORMAT", "GriffinLim", "GriffinLimConfig"]


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


class GriffinLim(Inversion):
    """Log mel spectrograms of one channel [B, M, F] to waveforms [B, 1, F · hop] in −1..1."""

    def __init__(self, config: GriffinLimConfig) -> None:
        mel = replace(MELS[config.mel], num_mels=config.num_mels)
        super().__init__(mel, config.updates, stored=True)
        self.config = config

    def excitation(self, mel: Tensor) -> Tensor:
        """Audio [B, T] of mel spectrograms [B, M, F], not limited."""
        iterations = self.config.iterations
        return griffin_lim(self.magnitudes(mel), self.spectrum, self.waveform, iterations)

    def forward(self, mel: Tensor) -> Tensor:
        check_mel(mel, self.config.num_mels)
        return self.excitation(mel).clamp(-1, 1)[:, None]

    def stereo(self, mel: Tensor) -> Tensor:
        """Audio [B, 2, T] in −1..1 of mel spectrograms [B, 2, M, F], 0 left."""
        check_mel(mel, self.config.num_mels, 2)
        return self.two_channels(self.excitation, mel)


def from_published(published: Mapping[str, Any] | None = None) -> GriffinLimConfig:
    """The configuration for its own arguments (there are no weights); None: the full one."""
    return GriffinLimConfig(**published) if published else CONFIGS["full"]


FORMAT = ModelFormat(
    kind="griffin_lim", config=GriffinLimConfig, build=GriffinLim, from_published=from_published
)
