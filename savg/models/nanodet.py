"""NanoDet-g: a small anchor-free detector of COCO's 80 classes in single images.

The network that RangiLyu/nanodet calls NanoDet-g (Apache-2.0): plain 3×3 convolutions in cross-stage
partial blocks, a path aggregation neck without weights of its own, one head a scale for classes and
box. Batch normalisation is part of the convolutions. Input: BGR, normalised as `normalise` does.
Decoding and suppression: `savg.models.nanodet_boxes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.fields import Between, Channels, Items, check
from savg.hub import ModelFormat

MEAN = (103.53, 116.28, 123.675)
DEVIATION = (57.375, 57.12, 58.395)
"""Of COCO's images, BGR, in 0..255."""

SLOPE = 0.1
"""Of the leaky rectifiers below 0."""

InputSide = Annotated[int, Between(32, 4096)]
"""In pixels."""


@dataclass(frozen=True)
class NanodetConfig:
    """Sizes of a NanoDet-g; the defaults are the published ones, trained on COCO.

    stem: channels after the first convolution; each further stage has twice as many. depths: residual
    blocks of the four stages. neck: channels of the neck and the heads. bins: distances from a location
    to a side of a box, 0 … bins − 1 strides. input_size: (height, width) of the network's input in
    pixels, multiples of 32. picture_only: the input is the picture alone, without the black rows of a
    clip's square frame. Class 0 is a person.
    """

    num_classes: Annotated[int, Between(1, 10_000)] = 80
    stem: Channels = 32
    depths: Annotated[tuple[Annotated[int, Between(1, 64)], ...], Items(4, 4)] = (1, 2, 2, 3)
    neck: Channels = 128
    bins: Annotated[int, Between(2, 1000)] = 11
    input_size: tuple[InputSide, InputSide] = (256, 416)
    picture_only: bool = True

    def __post_init__(self) -> None:
        check(self)
        if self.stem % 2:
            raise ValueError(f"stem must be even, got {self.stem}")
        if any(n % 32 for n in self.input_size):
            raise ValueError(f"input_size must be two multiples of 32, got {self.input_size}")


CONFIGS: dict[str, NanodetConfig] = {
    "full": NanodetConfig(),
    "test": NanodetConfig(num_classes=3, stem=4, depths=(1, 1, 1, 1), neck=8, input_size=(64, 96)),
}
"""Configurations by name."""


STRIDES = (8, 16, 32)
"""Input pixels between the locations of each level."""


class Level(NamedTuple):
    """Raw predictions at one stride: class logits [N, C, h, w], sides' logits [N, 4·bins, h, w]."""

    classes: Tensor
    sides: Tensor


class ConvAct(nn.Module):
    """3×3 convolution with bias, leaky rectifier."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu_(self.conv(x), SLOPE)


class Residual(nn.Module):
    """Two convolutions of half the channels, side by side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = ConvAct(width, width // 2)
        self.second = ConvAct(width // 2, width // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return torch.cat((self.second(x), x), dim=1)


class Stage(nn.Module):
    """Cross-stage partial block: `width` channels in, twice as many out."""

    def __init__(self, width: int, depth: int, stride: int) -> None:
        super().__init__()
        self.enter = ConvAct(width, width, stride)
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(depth)))
        self.leave = ConvAct(width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        return torch.cat((self.leave(self.blocks(x)), x), dim=1)


class Head(nn.Module):
    """Classes and sides at one scale."""

    def __init__(self, config: NanodetConfig) -> None:
        super().__init__()
        self.split = [config.num_classes, 4 * config.bins]
        self.shared = ConvAct(config.neck, config.neck)
        self.predict = nn.Conv2d(config.neck, sum(self.split), 1)

    def forward(self, x: Tensor) -> Level:
        return Level(*self.predict(self.shared(x)).split(self.split, dim=1))


class Nanodet(nn.Module):
    """NanoDet-g: images [N, 3, H, W] to raw predictions at strides 8, 16 and 32.

    Images are BGR as `normalise` returns them, H and W multiples of 32.
    """

    def __init__(self, config: NanodetConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.stem * 2**i for i in range(5)]
        self.stem = ConvAct(3, config.stem, stride=2)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = nn.ModuleList(
            Stage(width, depth, 1 if i == 0 else 2)
            for i, (width, depth) in enumerate(zip(widths[:4], config.depths, strict=True))
        )
        self.laterals = nn.ModuleList(nn.Conv2d(w, config.neck, 1) for w in widths[2:])
        self.heads = nn.ModuleList(Head(config) for _ in STRIDES)

    def forward(self, images: Tensor) -> tuple[Level, ...]:
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] % 32 or images.shape[3] % 32:
            raise ValueError(
                f"images must be [N, 3, H, W] with H and W multiples of 32, got {list(images.shape)}"
            )
        scales = aggregate([lateral(x) for lateral, x in self._features(images)])
        return tuple(head(x) for head, x in zip(self.heads, scales, strict=True))

    def _features(self, images: Tensor) -> Iterator[tuple[nn.Module, Tensor]]:
        """Each lateral convolution with the features that it takes, at strides 8, 16 and 32."""
        x = self.stages[0](self.pool(self.stem(images)))
        for lateral, stage in zip(self.laterals, self.stages[1:], strict=True):
            x = stage(x)
            yield lateral, x


def aggregate(scales: list[Tensor]) -> tuple[Tensor, ...]:
    """Features of three scales, fine to coarse, each with those of the others added: coarse to fine,
    then fine to coarse. Bilinear, which at half the size is the mean of each 2×2 square."""
    fine, middle, coarse = scales
    middle = middle + functional.interpolate(coarse, scale_factor=2, mode="bilinear")
    fine = fine + functional.interpolate(middle, scale_factor=2, mode="bilinear")
    middle = middle + functional.avg_pool2d(fine, 2)
    return fine, middle, coarse + functional.avg_pool2d(middle, 2)


def normalise(images: Tensor) -> Tensor:
    """Images [N, 3, H, W] BGR in 0..255, of any number format, as the network takes them: float32."""
    images = images.float()
    mean, deviation = (images.new_tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
    return (images - mean) / deviation


def from_published(published: Mapping[str, Any] | None = None) -> NanodetConfig:
    """The configuration for the published network, which has no other size."""
    if published:
        raise ValueError(f"nanodet is published in one size, got {sorted(published)[0]!r}")
    return NanodetConfig()


FORMAT = ModelFormat(
    kind="nanodet",
    config=NanodetConfig,
    build=Nanodet,
    from_published=from_published,
    card={"licence": "Apache-2.0", "origin": "RangiLyu/nanodet NanoDet-g, trained on COCO"},
)
