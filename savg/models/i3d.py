"""Inception I3D: what kind of action a video shows, as the logits of Kinetics-400's classes [S1, code].

The two-stream network's RGB half of "Quo Vadis, Action Recognition?" (arXiv 1705.07750), in the form in
which FVD is computed with PyTorch: convolutions and poolings padded as TensorFlow's SAME does, so that
the padding depends on the input's size. Parameters bear the published names.

Shapes: B videos, T frames, C channels. The network sees RGB in −1..1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.fields import Between, Channels, check
from savg.hub import ModelFormat

__all__ = ["FORMAT", "LEAST_FRAMES", "LEAST_SIDE", "SIDE", "I3d", "I3dConfig", "prepare"]

SIDE = 224
"""Height and width, in pixels, of what the published evaluators show the network."""

LEAST_FRAMES, LEAST_SIDE = 9, 193
"""Of a video that leaves the two time steps and 7×7 places that the last pooling takes."""

HEAD_POOL = (2, 7, 7)
"""Time steps and places over which the last pooling averages."""

_Triple = tuple[int, int, int]

_STEM = ((64, (7, 7, 7), (2, 2, 2)), (64, (1, 1, 1), (1, 1, 1)), (192, (3, 3, 3), (1, 1, 1)))
"""Channels, kernel and stride of the three first convolutions."""

_MIXED = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}
"""Channels of the branches b0, b1a, b1b, b2a, b2b, b3b of each inception block."""


@dataclass(frozen=True)
class I3dConfig:
    """Sizes of an I3D; the defaults are the published ones.

    width: factor on all channels but the classes, 1 but for small networks in tests.
    """

    num_classes: Annotated[int, Between(1, 10_000)] = 400
    in_channels: Channels = 3
    width: Annotated[float, Between(0.01, 4)] = 1.0

    def __post_init__(self) -> None:
        check(self)

    def scaled(self, channels: int) -> int:
        """Channels of a layer that has this many in the published network."""
        return max(1, round(channels * self.width))


def prepare(video: Tensor, side: int = SIDE) -> Tensor:
    """uint8 RGB videos [B, T, H, W, 3] as the network takes them: [B, 3, T, side, side] in −1..1.

    As the published evaluator does: the shorter side is resized to `side` (bilinear, not antialiased),
    the longer one to the next whole number of pixels in proportion, and the centre is cropped.
    """
    if video.ndim != 5 or video.shape[-1] != 3 or 0 in video.shape:
        raise ValueError(f"video must be [B, T, H, W, 3], got {list(video.shape)}")
    frames = video.flatten(0, 1).movedim(-1, 1).float().div_(255)
    height, width = frames.shape[-2:]
    scale = side / min(height, width)
    # In this order and in floating point: a side may come out one pixel longer than in whole numbers.
    size = (side, math.ceil(width * scale)) if height < width else (math.ceil(height * scale), side)
    frames = functional.interpolate(frames, size, mode="bilinear", align_corners=False)
    top, left = ((length - side) // 2 for length in size)
    frames = frames[..., top : top + side, left : left + side]
    return frames.sub_(0.5).mul_(2).unflatten(0, video.shape[:2]).transpose(1, 2)


def same_padding(lengths: torch.Size, kernel: _Triple, stride: _Triple) -> list[int]:
    """TensorFlow's SAME padding of the last three axes, in the order of `functional.pad`.

    The output has ⌈length / stride⌉ steps; of an odd number of zeros the larger half comes last.
    """
    padding: list[int] = []
    for length, k, s in zip(reversed(lengths), reversed(kernel), reversed(stride), strict=True):
        total = max((math.ceil(length / s) - 1) * s + k - length, 0)
        padding += [total // 2, total - total // 2]
    return padding


class Unit3d(nn.Module):
    """SAME convolution without bias, batch normalisation, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: _Triple = (1, 1, 1), stride: _Triple = (1, 1, 1)
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=1e-5)  # as the published evaluator has it

    def forward(self, x: Tensor) -> Tensor:
        padding = same_padding(x.shape[2:], self.kernel, self.stride)
        return functional.relu(self.bn(self.conv3d(functional.pad(x, padding))))


class SamePool3d(nn.Module):
    """SAME maximum pooling; what is padded are zeros, which never win against what a ReLU gives."""

    def __init__(self, kernel: _Triple, stride: _Triple) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        padding = same_padding(x.shape[2:], self.kernel, self.stride)
        return functional.max_pool3d(functional.pad(x, padding), self.kernel, self.stride)


class Mixed(nn.Module):
    """Inception block: four branches side by side in channels."""

    def __init__(self, inputs: int, outputs: tuple[int, ...]) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = outputs
        self.b0 = Unit3d(inputs, b0)
        self.b1a = Unit3d(inputs, b1a)
        self.b1b = Unit3d(b1a, b1b, (3, 3, 3))
        self.b2a = Unit3d(inputs, b2a)
        self.b2b = Unit3d(b2a, b2b, (3, 3, 3))
        self.b3a = SamePool3d((3, 3, 3), (1, 1, 1))
        self.b3b = Unit3d(inputs, b3b)
        self.outputs = b0 + b1b + b2b + b3b

    def forward(self, x: Tensor) -> Tensor:
        branches = (self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x)))
        return torch.cat(branches, dim=1)


class Logits(nn.Module):
    """The classifier, a 1×1×1 convolution with bias."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3d(x)


class I3d(nn.Module):
    """Videos [B, C, T, H, W] in −1..1 to logits [B, classes].

    The published network sees 224×224 pixels; T ≥ 9, H and W ≥ 193. Logits are averaged over the time
    steps (and places, in larger images) that remain.
    """

    def __init__(self, config: I3dConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.in_channels
        names = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")
        for name, (outputs, kernel, stride) in zip(names, _STEM, strict=True):
            self.add_module(name, Unit3d(channels, config.scaled(outputs), kernel, stride))
            channels = config.scaled(outputs)
        for name, widths in _MIXED.items():
            block = Mixed(channels, tuple(config.scaled(n) for n in widths))
            self.add_module(f"Mixed_{name}", block)
            channels = block.outputs
        self.logits = Logits(channels, config.num_classes)
        self.MaxPool3d_2a_3x3 = SamePool3d((1, 3, 3), (1, 2, 2))
        self.MaxPool3d_3a_3x3 = SamePool3d((1, 3, 3), (1, 2, 2))
        self.MaxPool3d_4a_3x3 = SamePool3d((3, 3, 3), (2, 2, 2))
        self.MaxPool3d_5a_2x2 = SamePool3d((2, 2, 2), (2, 2, 2))

    ORDER = (
        "Conv3d_1a_7x7",
        "MaxPool3d_2a_3x3",
        "Conv3d_2b_1x1",
        "Conv3d_2c_3x3",
        "MaxPool3d_3a_3x3",
        "Mixed_3b",
        "Mixed_3c",
        "MaxPool3d_4a_3x3",
        "Mixed_4b",
        "Mixed_4c",
        "Mixed_4d",
        "Mixed_4e",
        "Mixed_4f",
        "MaxPool3d_5a_2x2",
        "Mixed_5b",
        "Mixed_5c",
    )
    """The blocks, in the order in which a video passes them."""

    def forward(self, video: Tensor) -> Tensor:
        check_video(video, self.config)
        x = video
        for name in self.ORDER:
            x = getattr(self, name)(x)
        return self.logits(functional.avg_pool3d(x, HEAD_POOL, stride=1)).mean((2, 3, 4))


def check_video(video: Tensor, config: I3dConfig) -> None:
    """ValueError for videos that the network cannot take: [B, C, T ≥ 9, H ≥ 193, W ≥ 193]."""
    if video.ndim != 5 or video.shape[1] != config.in_channels:
        raise ValueError(
            f"video must be [B, {config.in_channels}, T, H, W], got {list(video.shape)}"
        )
    frames, *sides = video.shape[2:]
    if frames < LEAST_FRAMES or min(sides) < LEAST_SIDE:
        raise ValueError(
            f"I3D takes videos of ≥ {LEAST_FRAMES} frames of ≥ {LEAST_SIDE} pixels a side, got "
            f"{frames} frames of {sides[0]}×{sides[1]}"
        )


def from_published(published: Mapping[str, Any] | None = None) -> I3dConfig:
    """The configuration for the authors' constructor arguments; None: the released network."""
    arguments = dict(published or {})
    for name, value in {"spatial_squeeze": True, "final_endpoint": "Logits"}.items():
        if arguments.pop(name, value) != value:
            raise ValueError(f"{name} must be {value}")
    for name in ("name", "dropout_keep_prob"):  # without effect in evaluation mode
        arguments.pop(name, None)
    return I3dConfig(**arguments)


FORMAT = ModelFormat(
    kind="i3d",
    config=I3dConfig,
    build=I3d,
    from_published=from_published,
    wrappers=("state_dict",),
    card={"training": "Kinetics-400"},
)
