"""I3D for inference: batch normalisation folded, channels last, fewer passes over memory.

Computes what `savg.models.i3d` computes, up to rounding. In bfloat16 the first convolution, 7×7×7 with
stride 2 over three channels, becomes one of 4×4×4 with stride 1 over the 24 values of each 2×2×2 cell,
which matrix units can do; in float32 it stays as it is, with a third fewer multiplications. ReLU comes
after pooling, where fewer values are left.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.models.i3d import (
    HEAD_POOL,
    I3d,
    Mixed,
    SamePool3d,
    Unit3d,
    check_video,
    same_padding,
)

_LAYOUT = torch.channels_last_3d
_TAPS, _STEP = 7, 2
"""Kernel and stride of the first convolution."""


def _folded(unit: Unit3d) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution with its batch normalisation in evaluation mode, float32."""
    bn = unit.bn
    assert bn.running_mean is not None and bn.running_var is not None
    gain = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    kernel = unit.conv3d.weight * gain[:, None, None, None, None]
    return kernel, bn.bias - bn.running_mean * gain


class FastConv(nn.Module):
    """A SAME convolution of odd kernel and stride 1, without its ReLU."""

    weight: Tensor
    bias: Tensor

    def __init__(self, kernel: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self.padding = tuple(length // 2 for length in kernel.shape[2:])
        self.register_buffer("weight", kernel.to(dtype).contiguous(memory_format=_LAYOUT))
        self.register_buffer("bias", bias.to(dtype))

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv3d(x, self.weight, self.bias, padding=self.padding)


class FoldedStem(nn.Module):
    """The first convolution as published, without its ReLU; videos [B, C, T, H, W]."""

    weight: Tensor
    bias: Tensor

    def __init__(self, unit: Unit3d) -> None:
        super().__init__()
        kernel, bias = _folded(unit)
        self.register_buffer("weight", kernel)
        self.register_buffer("bias", bias)

    def forward(self, video: Tensor) -> Tensor:
        padding = same_padding(video.shape[2:], (_TAPS,) * 3, (_STEP,) * 3)
        x = functional.conv3d(functional.pad(video, padding), self.weight, self.bias, _STEP)
        return x.contiguous(memory_format=_LAYOUT)


class FastStem(nn.Module):
    """The first convolution, over cells of 2×2×2 pixels, without its ReLU; videos [B, C, T, H, W]."""

    weight: Tensor
    bias: Tensor

    def __init__(self, unit: Unit3d, dtype: torch.dtype) -> None:
        super().__init__()
        kernel, bias = _folded(unit)
        taps = functional.pad(kernel, (0, 1) * 3)  # to whole cells
        cells = taps.unflatten(4, (-1, _STEP)).unflatten(3, (-1, _STEP)).unflatten(2, (-1, _STEP))
        weight = cells.permute(0, 3, 5, 7, 1, 2, 4, 6).flatten(1, 4)
        self.register_buffer("weight", weight.to(dtype).contiguous(memory_format=_LAYOUT))
        self.register_buffer("bias", bias.to(dtype))

    def forward(self, video: Tensor) -> Tensor:
        x = video.to(self.weight.dtype).permute(0, 2, 3, 4, 1)
        padding = same_padding(video.shape[2:], (_TAPS,) * 3, (_STEP,) * 3)
        for place, length in zip((4, 2, 0), video.shape[2:], strict=True):
            cells = math.ceil(length / _STEP) + self.weight.shape[-1] - 1
            padding[place + 1] = _STEP * cells - length - padding[place]
        x = functional.pad(x, [0, 0, *padding])
        x = x.unflatten(3, (-1, _STEP)).unflatten(2, (-1, _STEP)).unflatten(1, (-1, _STEP))
        x = x.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4).permute(0, 4, 1, 2, 3)
        return functional.conv3d(x, self.weight, self.bias)


class FastPool(nn.Module):
    """SAME maximum pooling followed by a ReLU, which takes the place of the padded zeros."""

    def __init__(self, pool: SamePool3d) -> None:
        super().__init__()
        self.kernel, self.stride = pool.kernel, pool.stride

    def forward(self, x: Tensor) -> Tensor:
        front = same_padding(x.shape[2:], self.kernel, self.stride)[-2::-2]
        # the odd one of the padding comes last, as the incomplete window of a rounded-up length
        pooled = functional.max_pool3d(x, self.kernel, self.stride, front, ceil_mode=True)
        return pooled.relu_()


def neighbourhood_max(x: Tensor) -> Tensor:
    """Largest value of each 3×3×3 neighbourhood, stride 1; x [B, C, T, H, W] is nowhere negative.

    One axis after another, over whole rows of channels: half the time of `max_pool3d`.
    """
    x = x.permute(0, 2, 3, 4, 1)
    for axis in (3, 2, 1):
        padded = functional.pad(x, [*[0, 0] * (4 - axis), 1, 1])
        before, here, after = (padded.narrow(axis, i, x.shape[axis]) for i in range(3))
        x = torch.maximum(torch.maximum(before, here), after)
    return x.permute(0, 4, 1, 2, 3)


class FastMixed(nn.Module):
    """Inception block; the three convolutions of kernel 1 that see its input are one."""

    def __init__(self, block: Mixed, dtype: torch.dtype) -> None:
        super().__init__()
        heads = [_folded(unit) for unit in (block.b0, block.b1a, block.b2a)]
        self.widths = [len(bias) for _, bias in heads]
        kernels, biases = zip(*heads, strict=True)
        self.head = FastConv(torch.cat(kernels), torch.cat(biases), dtype)
        self.b1b, self.b2b, self.b3b = (
            FastConv(*_folded(unit), dtype) for unit in (block.b1b, block.b2b, block.b3b)
        )

    def forward(self, x: Tensor) -> Tensor:
        b0, b1, b2 = self.head(x).relu_().split(self.widths, dim=1)
        branches = (b0, self.b1b(b1), self.b2b(b2), self.b3b(neighbourhood_max(x)))
        return torch.cat(branches, dim=1).relu_()


class FastI3d(nn.Module):
    """An `I3d` for inference: the same videos [B, C, T, H, W] to the same logits [B, classes], float32.

    dtype: of everything but the last pooling and the classifier.
    """

    def __init__(self, model: I3d, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        self.config = model.config
        self.logits = model.logits
        names = list(model.ORDER)
        layers: list[nn.Module] = []
        for name, following in zip(names, [*names[1:], ""], strict=True):
            part = getattr(model, name)
            if isinstance(part, Mixed):
                layers.append(FastMixed(part, dtype))
            elif isinstance(part, SamePool3d):
                layers.append(FastPool(part))
            else:
                layers.append(_first_or_later(part, dtype))
                if not isinstance(getattr(model, following), SamePool3d):
                    layers.append(nn.ReLU(inplace=True))
        self.layers = nn.Sequential(*layers)

    @torch.inference_mode()
    def forward(self, video: Tensor) -> Tensor:
        check_video(video, self.config)
        x = self.layers(video).float()
        return self.logits(functional.avg_pool3d(x, HEAD_POOL, stride=1)).mean((2, 3, 4))


def _first_or_later(unit: Unit3d, dtype: torch.dtype) -> nn.Module:
    if unit.stride == (_STEP,) * 3:
        return FoldedStem(unit) if dtype == torch.float32 else FastStem(unit, dtype)
    return FastConv(*_folded(unit), dtype)
