"""VGGish: embeddings of 128 values for each 0.96 s of audio at 16 kHz.

A VGG network over log-mel spectrograms, trained on the tags of videos ("CNN architectures for
large-scale audio classification", arXiv 1609.09430); the backbone of the first Fréchet audio distance
(arXiv 1812.08466). Parameters bear the names of the checkpoint of torchvggish; the principal components
and 8-bit steps that AudioSet's released embeddings went through are left out.

Shapes: N examples of 96 frames (every 10 ms) and 64 mel bands, T samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from savg.audio.mel import htk_triangles
from savg.fields import Between, Channels, check
from savg.hub import ModelFormat, State

__all__ = ["CONFIGS", "FORMAT", "Vggish", "VggishConfig", "examples", "log_mel"]

SAMPLE_RATE = 16_000
WINDOW, HOP, FFT = 400, 160, 512
"""Samples of a frame (25 ms), from one to the next (10 ms), and of its transform."""
BANDS, LOWEST, HIGHEST = 64, 125.0, 7500.0
"""Mel bands, and their ends in Hz."""
OFFSET = 0.01
"""Added to the amplitude in a band before its logarithm."""
FRAMES = 96
"""Frames of an example; the next one begins where it ends."""
SHORTEST = WINDOW + (FRAMES - 1) * HOP
"""Samples of the shortest audio that makes an example, 0.975 s."""
POOLED = 2**4
"""Frames and bands that the convolutions make one of."""


@dataclass(frozen=True)
class VggishConfig:
    """Sizes of the network; the defaults are the published ones.

    width: channels of the first convolution; hidden: of the two fully connected layers; embedding:
    values for an example.
    """

    width: Annotated[int, Between(1, 1024)] = 64
    hidden: Channels = 4096
    embedding: Channels = 128

    def __post_init__(self) -> None:
        check(self)


CONFIGS: dict[str, VggishConfig] = {
    "full": VggishConfig(),
    "tiny": VggishConfig(width=4, hidden=16, embedding=6),
}
"""By name; "full" is the published network."""


def log_mel(audio: Tensor) -> Tensor:
    """log(amplitude + 0.01) in mel bands [B, frames, 64] of audio [B, T] at 16 kHz in −1..1.

    Periodic Hann window; the first frame begins with the audio, and samples that fill none are left.
    Bands are triangles on the mel scale, 1 at their centre. Audio under 25 ms has no frame.
    """
    if audio.ndim != 2:
        raise ValueError(f"audio must be [B, T], got {list(audio.shape)}")
    if audio.shape[1] < WINDOW:
        return audio.new_zeros(len(audio), 0, BANDS)
    window = torch.hann_window(WINDOW, dtype=audio.dtype, device=audio.device)
    amplitude = torch.fft.rfft(audio.unfold(1, WINDOW, HOP) * window, FFT).abs()
    table = torch.from_numpy(htk_triangles(SAMPLE_RATE, FFT, BANDS, LOWEST, HIGHEST))
    return torch.log(amplitude @ table.to(amplitude).T + OFFSET)


def examples(audio: Tensor) -> Tensor:
    """Examples [B, E, 96, 64] of audio [B, T] at 16 kHz in −1..1, one after another.

    As published, frames that fill no example are left out: E is 0 for audio under 0.975 s.
    """
    bands = log_mel(audio)
    count = bands.shape[1] // FRAMES
    return bands[:, : count * FRAMES].unflatten(1, (count, FRAMES))


class Vggish(nn.Module):
    """Examples [N, 96, 64] to embeddings [N, embedding]."""

    def __init__(self, config: VggishConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        layers: list[nn.Module] = []
        inputs = 1
        for stage in ((1,), (2,), (4, 4), (8, 8)):
            for factor in stage:
                layers += [nn.Conv2d(inputs, factor * width, 3, padding=1), nn.ReLU(inplace=True)]
                inputs = factor * width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        flat = inputs * (FRAMES // POOLED) * (BANDS // POOLED)
        self.embeddings = nn.Sequential(
            nn.Linear(flat, config.hidden),
            nn.ReLU(inplace=True),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(inplace=True),
            nn.Linear(config.hidden, config.embedding),
            nn.ReLU(inplace=True),
        )

    def forward(self, batch: Tensor) -> Tensor:
        """Embeddings after the last rectifier, as torchvggish gives them."""
        return self.embeddings[-1](self.embed(batch))

    def embed(self, batch: Tensor) -> Tensor:
        """Embeddings before the last rectifier, as Fréchet audio distances take them."""
        if batch.ndim != 3 or batch.shape[1:] != (FRAMES, BANDS):
            raise ValueError(f"examples must be [N, {FRAMES}, {BANDS}], got {list(batch.shape)}")
        x = self.features(batch[:, None]).permute(0, 2, 3, 1)  # weights are for channels last
        return self.embeddings[:-1](x.flatten(1))


def from_published(published: Mapping[str, Any] | None = None) -> VggishConfig:
    """The configuration for sizes by our names (None: the released ones; the authors have none)."""
    names = VggishConfig.__dataclass_fields__
    return VggishConfig(**{k: v for k, v in (published or {}).items() if k in names})


def rename(state: State) -> State:
    """The network without the principal components that may be stored beside it."""
    return {key: value for key, value in state.items() if not key.startswith("pproc.")}


FORMAT = ModelFormat(
    kind="vggish",
    config=VggishConfig,
    build=Vggish,
    from_published=from_published,
    wrappers=("state_dict", "model_state_dict"),
    rename=rename,
)
