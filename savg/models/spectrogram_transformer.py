"""Synchformer's audio encoder: features of what is heard, 6 for 0.64 s of audio at 16 kHz.

An Audio Spectrogram Transformer over overlapping patches of a log-mel spectrogram; the tokens of one
time are then pooled over frequency by one more attention layer. Parameters bear the names of the
published checkpoint.
Sources: Synchformer (arXiv 2401.16423) and its public code and configuration, AST (2104.01778).

Shapes: N segments, T samples, F frames, M mel bands, f × t patches in frequency and time, D channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.fields import Between, Channels, Depth, Factor, Heads, check
from savg.models.synchformer import Summary

SAMPLE_RATE = 16_000

N_FFT, WINDOW, HOP = 1024, 400, 160
"""Of the spectrogram, in samples: windows of 25 ms every 10 ms."""

LOG_FLOOR = 1e-6
MEAN, DEVIATION = -4.2677393, 4.5689974
"""Of AudioSet's log-mel values; spectrograms are brought to (x − MEAN) / (2 · DEVIATION)."""

EPS = 1e-12


@dataclass(frozen=True)
class SpectrogramConfig:
    """Sizes of the encoder; the defaults are the published ones.

    bands, frames: of a segment's spectrogram; patch, stride: of its patches, in both directions.
    """

    bands: Annotated[int, Between(1, 1024)] = 128
    frames: Annotated[int, Between(1, 4096)] = 66
    patch: Annotated[int, Between(1, 1024)] = 16
    stride: Annotated[int, Between(1, 1024)] = 10
    embed_dim: Channels = 768
    depth: Depth = 12
    heads: Heads = 12
    mlp_ratio: Factor = 4

    def __post_init__(self) -> None:
        check(self)
        if min(self.bands, self.frames) < self.patch:
            raise ValueError(
                f"bands and frames must be ≥ patch {self.patch}, got {self.bands} and {self.frames}"
            )
        if self.embed_dim % self.heads:
            raise ValueError(
                f"embed_dim must be a multiple of {self.heads} heads, got {self.embed_dim}"
            )

    @property
    def heights(self) -> int:
        """Patches over frequency."""
        return (self.bands - self.patch) // self.stride + 1

    @property
    def times(self) -> int:
        """Patches over time: features of a segment."""
        return (self.frames - self.patch) // self.stride + 1


@lru_cache(maxsize=4)
def _mel(bands: int, device: torch.device) -> Any:
    from torchaudio.transforms import MelSpectrogram

    return MelSpectrogram(
        SAMPLE_RATE, n_fft=N_FFT, win_length=WINDOW, hop_length=HOP, n_mels=bands
    ).to(device)


def log_mel(segments: Tensor, config: SpectrogramConfig | None = None) -> Tensor:
    """Mono audio [..., T] in −1..1 at 16 kHz as the encoder takes it [..., frames, bands].

    Power in HTK mel bands, its logarithm, then zeros (not silence) up to the encoder's frames, then
    normalised: the order of the published code.
    """
    config = config or SpectrogramConfig()
    x = torch.log(_mel(config.bands, segments.device)(segments) + LOG_FLOOR)
    x = functional.pad(x, (0, max(config.frames - x.shape[-1], 0)))[..., : config.frames]
    return ((x - MEAN) / (2 * DEVIATION)).mT


class PatchEmbedding(nn.Module):
    """Overlapping patches of spectrograms [N, F, M] as tokens [N, f · t, D], frequency by frequency."""

    def __init__(self, config: SpectrogramConfig) -> None:
        super().__init__()
        self.projection = nn.Conv2d(1, config.embed_dim, config.patch, config.stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.projection(x.mT[:, None]).flatten(2).mT


class Embeddings(nn.Module):
    """Two summary tokens and the patches, with their places [N, 2 + f · t, D]."""

    def __init__(self, config: SpectrogramConfig) -> None:
        super().__init__()
        width = config.embed_dim
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.distillation_token = nn.Parameter(torch.zeros(1, 1, width))
        self.patch_embeddings = PatchEmbedding(config)
        places = config.heights * config.times + 2
        self.position_embeddings = nn.Parameter(torch.zeros(1, places, width))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch_embeddings(x)
        first = torch.cat((self.cls_token, self.distillation_token), dim=1)
        return torch.cat((first.expand(len(x), -1, -1), tokens), 1) + self.position_embeddings


class Dense(nn.Module):
    """A linear layer under the name `dense`."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x)


class SelfAttention(nn.Module):
    """Queries, keys and values of one layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class Attention(nn.Module):
    """Self-attention and its output layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.output = Dense(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.attention(x))


class Layer(nn.Module):
    """Attention, then a perceptron; each normalised before and added."""

    def __init__(self, config: SpectrogramConfig) -> None:
        super().__init__()
        width = config.embed_dim
        self.attention = Attention(width, config.heads)
        self.intermediate = Dense(width, config.mlp_ratio * width)
        self.output = Dense(config.mlp_ratio * width, width)
        self.layernorm_before = nn.LayerNorm(width, eps=EPS)
        self.layernorm_after = nn.LayerNorm(width, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.layernorm_before(x))
        return x + self.output(functional.gelu(self.intermediate(self.layernorm_after(x))))


class Layers(nn.Module):
    """The layers, one after another, under the name `layer`."""

    def __init__(self, config: SpectrogramConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.depth))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layer:
            x = layer(x)
        return x


class SpectrogramTransformer(nn.Module):
    """Spectrograms [N, F, M] to normalised tokens [N, 2 + f · t, D]."""

    def __init__(self, config: SpectrogramConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = Layers(config)
        self.layernorm = nn.LayerNorm(config.embed_dim, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.layernorm(self.encoder(self.embeddings(x)))


class AudioEncoder(nn.Module):
    """Spectrograms of segments [N, F, M] to features [N, t, D]."""

    def __init__(self, config: SpectrogramConfig) -> None:
        super().__init__()
        self.config = config
        self.ast = SpectrogramTransformer(config)
        width = config.embed_dim
        self.freq_attn_agg = Summary(width, config.heads, config.mlp_ratio * width)

    def forward(self, x: Tensor) -> Tensor:
        """ValueError for spectrograms of another shape."""
        config = self.config
        if x.ndim != 3 or tuple(x.shape[1:]) != (config.frames, config.bands):
            raise ValueError(f"x must be [N, {config.frames}, {config.bands}], got {list(x.shape)}")
        tokens = self.ast(x)[:, 2:].unflatten(1, (config.heights, config.times))
        pooled = self.freq_attn_agg(tokens.transpose(1, 2).flatten(0, 1))
        return pooled.unflatten(0, (-1, config.times))
