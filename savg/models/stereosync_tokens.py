"""Tokens that condition StereoSync: boxes of a tracked person, depth maps and an audio embedding [S3].

Each coordinate of each frame's box goes through a number conditioner of its sequence (x0, y0, x1, y1),
as Stable Audio embeds seconds, and becomes a token of its own; a depth map's embedding and that of the
audio are projected. B batch, F frames, M depth maps, W width of the tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from savg.fields import Between, Channels, check

Count = Annotated[int, Between(1, 10_000)]

COORDINATES = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True)
class TokenConfig:
    """Sizes of StereoSync's conditions; the defaults are the published ones, 2 s at 30 frames a second.

    width: of a token, as the transformer takes them. frames: boxes of a window; least, most: range of
    their coordinates in pixels, beyond which they are clamped. fourier: features of a number. maps:
    depth maps of a window; depth_width, audio_width: values of the embedding of a map, and of audio.
    """

    width: Channels = 768
    frames: Count = 60
    least: Annotated[float, Between(-1e6, 1e6)] = 0.0
    most: Annotated[float, Between(-1e6, 1e6)] = 256.0
    fourier: Annotated[int, Between(2, 4096)] = 256
    maps: Count = 8
    depth_width: Channels = 768
    audio_width: Channels = 512

    def __post_init__(self) -> None:
        check(self)
        if self.fourier % 2:
            raise ValueError(f"fourier must be even, got {self.fourier}")
        if not self.least < self.most:
            raise ValueError(f"least must be below most, {self.most}, got {self.least}")

    @property
    def tokens(self) -> int:
        """Tokens of a window."""
        return len(COORDINATES) * self.frames + self.maps + 1


CONFIGS: dict[str, TokenConfig] = {
    "full": TokenConfig(),
    "demo": TokenConfig(width=64, frames=20, fourier=32, maps=1, depth_width=16, audio_width=96),
    "tiny": TokenConfig(width=16, frames=4, fourier=8, maps=2, depth_width=6, audio_width=5),
}


class FourierFeatures(nn.Module):
    """Numbers u [...] as [..., 1 + count]: u, then sin(2π u w) and cos(2π u w) of learned w."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(count // 2))

    def forward(self, numbers: Tensor) -> Tensor:
        u = numbers[..., None]
        angle = 2 * math.pi * u * self.weights
        return torch.cat([u, angle.sin(), angle.cos()], dim=-1)


class NumberConditioner(nn.Module):
    """Numbers [...] as tokens [..., width]: clamped, scaled to 0..1, Fourier features, a linear layer.

    Parameters bear Stable Audio's names. least, most: range of the numbers.
    """

    def __init__(
        self, width: int, least: float = 0.0, most: float = 512.0, fourier: int = 256
    ) -> None:
        super().__init__()
        self.least, self.most = least, most
        self.embedder = nn.Module()
        self.embedder.embedding = nn.Sequential(
            FourierFeatures(fourier), nn.Linear(fourier + 1, width)
        )

    def forward(self, numbers: Tensor) -> Tensor:
        weight = self.embedder.embedding[1].weight  # type: ignore[union-attr, index]
        share = (numbers.clamp(self.least, self.most) - self.least) / (self.most - self.least)
        tokens: Tensor = self.embedder.embedding(share.to(weight))  # type: ignore[operator, arg-type]
        return tokens


class ConditionTokens(nn.Module):
    """StereoSync's conditions as one sequence of tokens [B, tokens, W], for cross-attention.

    A condition that is withheld (None, or NaN for some clips of a batch), and the boxes of frames
    without one, are tokens of zeros.
    """

    def __init__(self, config: TokenConfig) -> None:
        super().__init__()
        self.config = config
        c = config
        self.boxes = nn.ModuleDict(
            {name: NumberConditioner(c.width, c.least, c.most, c.fourier) for name in COORDINATES}
        )
        self.depth = nn.Linear(c.depth_width, c.width)
        self.audio = nn.Linear(c.audio_width, c.width)

    def forward(
        self,
        boxes: Tensor | None = None,
        depth: Tensor | None = None,
        audio: Tensor | None = None,
        batch: int = 1,
    ) -> Tensor:
        """The tokens: four sequences of the boxes, then the maps, then the audio.

        Args:
            boxes: corners in pixels [B, F, 4]; NaN in frames without a box.
            depth: embeddings of depth maps [B, M, depth_width]; NaN for maps that are withheld.
            audio: an embedding [B, audio_width]; NaN where it is withheld.
            batch: B where nothing is given.

        Raises:
            ValueError: another shape.
        """
        c = self.config
        given = [one for one in (boxes, depth, audio) if one is not None]
        batch = len(given[0]) if given else batch
        for name, value, shape in (
            ("boxes", boxes, (batch, c.frames, 4)),
            ("depth", depth, (batch, c.maps, c.depth_width)),
            ("audio", audio, (batch, c.audio_width)),
        ):
            if value is not None and tuple(value.shape) != shape:
                raise ValueError(f"{name} must have shape {shape}, got {tuple(value.shape)}.")
        zeros = self.depth.weight.new_zeros
        parts = [
            self._sequences(boxes) if boxes is not None else zeros(batch, 4 * c.frames, c.width),
            _projected(self.depth, depth) if depth is not None else zeros(batch, c.maps, c.width),
            _projected(self.audio, audio)[:, None]
            if audio is not None
            else zeros(batch, 1, c.width),
        ]
        return torch.cat(parts, dim=1)

    def _sequences(self, boxes: Tensor) -> Tensor:
        known = _known(boxes)
        numbers = boxes.nan_to_num().unbind(dim=-1)
        tokens = [
            embed(one) * known for embed, one in zip(self.boxes.values(), numbers, strict=True)
        ]
        return torch.cat(tokens, dim=1)


def _known(values: Tensor) -> Tensor:
    """Where no value along the last axis is NaN, bool [..., 1]."""
    return ~values.isnan().any(dim=-1, keepdim=True)


def _projected(layer: nn.Linear, values: Tensor) -> Tensor:
    """Embeddings through a linear layer; zeros where they are withheld."""
    return layer(values.nan_to_num().to(layer.weight)) * _known(values)
