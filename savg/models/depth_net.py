"""A small network from an image to its depth, trained on the furnished scenes, which know theirs.

Images are halved three times and enlarged twice, each time beside what was seen at that size. Shapes:
N images, h×w pixels, multiples of 8; depths are of half the image's height and width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.fields import Between, Channels, Items, check
from savg.hub import ModelFormat

__all__ = ["CONFIGS", "FORMAT", "DepthConfig", "DepthNet"]

Side = Annotated[int, Between(8, 4096)]

NEAREST, FARTHEST = 0.1, 100.0
"""Metres between which depths are predicted."""


@dataclass(frozen=True)
class DepthConfig:
    """channels: after each halving, multiples of 4; blocks: residual ones at each size; input_size:
    (height, width) of the image in pixels, multiples of 8."""

    channels: Annotated[tuple[Channels, ...], Items(3, 3)] = (24, 40, 64)
    blocks: Annotated[int, Between(1, 16)] = 1
    input_size: tuple[Side, Side] = (72, 128)

    def __post_init__(self) -> None:
        check(self)
        if any(count % 4 for count in self.channels):
            raise ValueError(f"channels must be multiples of 4, got {self.channels}")
        if any(n % 8 for n in self.input_size):
            raise ValueError(f"input_size must be two multiples of 8, got {self.input_size}")


CONFIGS: dict[str, DepthConfig] = {
    "full": DepthConfig(channels=(48, 96, 160), blocks=2, input_size=(144, 256)),
    "demo": DepthConfig(),
    "tiny": DepthConfig(channels=(4, 4, 8), input_size=(16, 24)),
}


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3×3 convolution, normalised over groups of channels, with a SiLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.GroupNorm(min(8, outputs // 2), outputs),
        nn.SiLU(),
    )


class Residual(nn.Module):
    """The input plus two convolutions of it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(convolution(width, width), nn.Conv2d(width, width, 3, 1, 1))
        nn.init.zeros_(self.layers[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class DepthNet(nn.Module):
    """Images [N, 3, h, w] in 0..1 to the logarithm of depth in metres [N, h / 2, w / 2].

    ValueError for another number of channels, or sides that are no multiples of 8.
    """

    def __init__(self, config: DepthConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.channels
        self.down = nn.ModuleList(
            nn.Sequential(convolution(a, b, stride=2), *(Residual(b) for _ in range(config.blocks)))
            for a, b in zip((3, *widths), widths, strict=False)
        )
        self.up = nn.ModuleList(convolution(widths[i + 1] + widths[i], widths[i]) for i in (1, 0))
        self.head = nn.Conv2d(widths[0], 1, 3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[1] != 3 or any(n % 8 for n in images.shape[2:]):
            raise ValueError(
                f"images must be [N, 3, h, w] of multiples of 8, got {list(images.shape)}"
            )
        x, seen = images * 2 - 1, []
        for level in self.down:
            x = level(x)
            seen.append(x)
        for level, beside in zip(self.up, reversed(seen[:-1]), strict=True):
            larger = functional.interpolate(x, beside.shape[2:], mode="bilinear")
            x = level(torch.cat((larger, beside), dim=1))
        low, high = math.log(NEAREST), math.log(FARTHEST)
        return low + (high - low) * torch.sigmoid(self.head(x)[:, 0])


def from_published(published: Mapping[str, Any] | None = None) -> DepthConfig:
    """The configuration of these settings; nobody has published such a network."""
    return DepthConfig(**(published or {}))


FORMAT = ModelFormat(
    kind="depth", config=DepthConfig, build=DepthNet, from_published=from_published
)
