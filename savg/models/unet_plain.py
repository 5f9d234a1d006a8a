"""The plain path of the U-Nets: channels first, one operation after the other.

Kept as the reference that the fast path is tested and timed against.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from savg.models.unet_ops import Operations


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Softmax attention of channels-first sequences [N, C, L] in `heads` heads."""
    n, c, length = q.shape
    q, k, v = (x.reshape(n * heads, c // heads, -1) for x in (q, k, v))
    weights = (q.transpose(1, 2) @ k) * (c // heads) ** -0.5
    out = v @ weights.softmax(dim=-1).transpose(1, 2)
    return out.reshape(n, c, length)


def _channel_axis(x: Tensor) -> int:
    return 2 if x.ndim == 5 else 1


def _at_every_position(values: Tensor, x: Tensor) -> Tensor:
    """values[B, C] with axes of length 1 where x has positions."""
    shape = [1] * x.ndim
    shape[0], shape[_channel_axis(x)] = values.shape
    return values.reshape(shape)


class Plain(Operations):
    """Operations on channels-first tensors."""

    reorders = False

    def enter(self, x: Tensor) -> Tensor:
        return x

    def leave(self, x: Tensor) -> Tensor:
        return x.contiguous()

    def concatenate(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a, b], dim=_channel_axis(a))

    def add(self, x: Tensor, bias: Tensor) -> Tensor:
        return x + _at_every_position(bias, x).to(x.dtype)

    def norm(
        self,
        x: Tensor,
        layer: nn.GroupNorm,
        act: bool = False,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> Tensor:
        weight, bias = layer.weight.float(), layer.bias.float()
        y = x.transpose(1, 2) if x.ndim == 5 else x
        y = F.group_norm(y.float(), layer.num_groups, weight, bias, layer.eps)
        y = (y.transpose(1, 2) if x.ndim == 5 else y).to(x.dtype)
        if scale is not None and shift is not None:
            y = y * (1 + _at_every_position(scale, x)) + _at_every_position(shift, x)
        return F.silu(y) if act else y

    def conv2d(self, x: Tensor, layer: nn.Conv2d) -> Tensor:
        if x.ndim == 4:
            return layer(x)
        return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])

    def conv3d(self, x: Tensor, layer: nn.Conv3d) -> Tensor:
        return layer(x.transpose(1, 2)).transpose(1, 2)

    def conv_time(self, x: Tensor, layer: nn.Conv1d) -> Tensor:
        b, f, c, h, w = x.shape
        y = x.reshape(b, f, c, h * w).permute(0, 3, 2, 1).flatten(0, 1)
        return layer(y).reshape(b, h, w, -1, f).permute(0, 4, 3, 1, 2)

    def conv1d(self, x: Tensor, layer: nn.Conv1d, dilation: int | None = None) -> Tensor:
        dilation = dilation or layer.dilation[0]
        padding = dilation * (layer.kernel_size[0] // 2)
        return F.conv1d(x, layer.weight, layer.bias, padding=padding, dilation=dilation)

    def downsample(self, x: Tensor) -> Tensor:
        if x.ndim == 3:
            return F.avg_pool1d(x, 4)
        if x.ndim == 4:
            return F.avg_pool2d(x, 2)
        return F.avg_pool2d(x.flatten(0, 1), 2).unflatten(0, x.shape[:2])

    def upsample(self, x: Tensor) -> Tensor:
        if x.ndim == 3:
            return F.interpolate(x, scale_factor=4.0)
        if x.ndim == 4:
            return F.interpolate(x, scale_factor=2.0)
        return F.interpolate(x.flatten(0, 1), scale_factor=2.0).unflatten(0, x.shape[:2])

    def over_pixels(self, x: Tensor, layer: Callable[[Tensor, Operations], Tensor]) -> Tensor:
        y = x.flatten(0, 1) if x.ndim == 5 else x
        return layer(y.flatten(2), self).reshape(x.shape)

    def over_frames(self, x: Tensor, layer: Callable[[Tensor, Operations], Tensor]) -> Tensor:
        b, f, c, h, w = x.shape
        y = layer(x.permute(0, 3, 4, 2, 1).reshape(b * h * w, c, f), self)
        return y.reshape(b, h, w, c, f).permute(0, 4, 3, 1, 2)

    def sequence(self, video: Tensor) -> Tensor:
        return video.transpose(1, 2).flatten(2)

    def video(self, sequence: Tensor, shape: torch.Size) -> Tensor:
        b, f, c, h, w = shape
        return sequence.reshape(b, c, f, h, w).transpose(1, 2)

    def attend(self, qkv: Tensor, heads: int, interleaved: bool = False) -> Tensor:
        if not interleaved:
            q, k, v = qkv.chunk(3, dim=1)
            return attend(q, k, v, heads)
        n, c, length = qkv.shape
        q, k, v = qkv.reshape(n * heads, 3, c // (3 * heads), length).unbind(1)
        return attend(q, k, v, 1).reshape(n, c // 3, length)

    def attend_windows(
        self, video: Tensor, audio: Tensor, frames: int, heads: int, window: int, shift: int
    ) -> tuple[Tensor, Tensor]:
        pixels, length = video.shape[2] // frames, audio.shape[2]
        step = length // frames
        vq, vk, vv = video.chunk(3, dim=1)
        aq, ak, av = audio.chunk(3, dim=1)
        video_parts, audio_parts = [], []
        for i in range(frames):
            first = i + shift
            columns = torch.arange(first * step, (first + window) * step, device=audio.device)
            columns = columns % length
            q = vq[:, :, i * pixels : (i + 1) * pixels]
            video_parts.append(attend(q, ak[:, :, columns], av[:, :, columns], heads))
            columns = torch.arange(first * pixels, (first + window) * pixels, device=audio.device)
            columns = columns % (frames * pixels)
            q = aq[:, :, i * step : (i + 1) * step if i < frames - 1 else length]
            audio_parts.append(attend(q, vk[:, :, columns], vv[:, :, columns], heads))
        return torch.cat(video_parts, dim=2), torch.cat(audio_parts, dim=2)


PLAIN = Plain()
