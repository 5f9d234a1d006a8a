"""The fast path of the U-Nets: channels last, fused and reordered operations.

Tensors are contiguous, so that every change between sequences, frames and convolution inputs is a
view. It computes what the plain path computes, and reorders what commutes exactly: averaging before a
pointwise-in-space or cell-aligned convolution, repetition after everything that acts on single
positions. Measured gains are in benchmarks/.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from savg.models.device_tables import device_table
from savg.models.fused_norm import norm_act
from savg.models.unet_ops import Operations


@device_table
def window_table(frames: int, step: int, length: int, window: int) -> Tensor:
    """Positions of the window at each starting frame, int64 [2·frames, window·step], round the end.

    A shift s of the window is the slice of rows s … s+frames−1: no index is computed in an evaluation.
    """
    start = torch.arange(2 * frames)[:, None] * step
    return (start + torch.arange(window * step)) % length


def linear(x: Tensor, layer: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> Tensor:
    """A convolution of kernel 1 over the last axis of x[..., C]."""
    weight, bias = layer.weight.flatten(1), layer.bias
    if torch.is_grad_enabled() or x.device.type != "cpu":
        return F.linear(x, weight, bias)
    # oneDNN's convolution adds the bias for free; the matrix product first fills its result with it.
    image = x.reshape(1, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)
    y = F.conv2d(image, weight[:, :, None, None], bias).permute(0, 2, 3, 1)
    return y.reshape(*x.shape[:-1], -1)


def _heads(x: Tensor, heads: int) -> Tensor:
    """[N, L, C] → view [N, heads, L, C/heads]."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


MAX_BATCH = 65_535
"""Sequences that CUDA's attention kernels take at once: an axis of their grid."""


def _fused_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of [N, heads, L, C] by PyTorch's kernels, in as many calls as they need."""
    if len(q) <= MAX_BATCH:
        return F.scaled_dot_product_attention(q, k, v)
    parts = zip(*(x.split(MAX_BATCH) for x in (q, k, v)), strict=True)
    return torch.cat([F.scaled_dot_product_attention(*part) for part in parts])


def _attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Attention of sequences [N, L, C] → [N, L, C]."""
    q, k, v = _heads(q, heads), _heads(k, heads), _heads(v, heads)
    if q.device.type == "cpu" and torch.is_grad_enabled():
        y = _matrix_attention(q, k, v)
    else:
        y = _fused_attention(q, k, v)
    return y.transpose(1, 2).flatten(2)


def _matrix_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention by whole matrices: its backward pass on a CPU is several times SDPA's speed."""
    with torch.autocast(q.device.type, enabled=False):
        weights = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        return weights.softmax(dim=-1) @ v


def _windows(x: Tensor, frames: int, window: int, shift: int) -> Tensor:
    """The window of each frame: [B, L, C] → [B·frames, window·(L // frames), C].

    Whole frames are rolled, which is cheap to differentiate; a length that is no multiple of the
    frames needs a look-up, because the published windows then wrap inside a frame.
    """
    b, length, c = x.shape
    step = length // frames
    if step * frames == length:
        y = x.unflatten(1, (frames, step))
        parts = [y.roll(-((shift + i) % frames), 1) if shift + i else y for i in range(window)]
        return torch.cat(parts, dim=2).flatten(0, 1)
    rows = window_table(x.device, frames, step, length, window)[shift : shift + frames]
    return x.index_select(1, rows.flatten()).reshape(b * frames, window * step, c)


class Fast(Operations):
    """Operations on channels-last tensors."""

    reorders = True

    def enter(self, x: Tensor) -> Tensor:
        return x.movedim(-3 if x.ndim > 3 else 1, -1).contiguous()

    def leave(self, x: Tensor) -> Tensor:
        return x.movedim(-1, -3 if x.ndim > 3 else 1).contiguous()

    def concatenate(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a, b], dim=-1)

    def add(self, x: Tensor, bias: Tensor) -> Tensor:
        return x + bias.view(-1, *(1,) * (x.ndim - 2), bias.shape[-1]).to(x.dtype)

    def norm(
        self,
        x: Tensor,
        layer: nn.GroupNorm,
        act: bool = False,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> Tensor:
        gain, offset = layer.weight.float()[None], layer.bias.float()[None]
        if scale is not None and shift is not None:
            gain, offset = gain * (1 + scale.float()), offset * (1 + scale.float()) + shift.float()
        y = x.reshape(x.shape[0], -1, x.shape[-1])
        return norm_act(y, gain, offset, layer.num_groups, layer.eps, act).view(x.shape)

    def conv2d(self, x: Tensor, layer: nn.Conv2d) -> Tensor:
        if layer.kernel_size == (1, 1):
            return linear(x, layer)
        images = (x.flatten(0, 1) if x.ndim == 5 else x).permute(0, 3, 1, 2)
        padding = layer.kernel_size[0] // 2
        y = F.conv2d(images, layer.weight, layer.bias, layer.stride, padding)
        y = y.permute(0, 2, 3, 1)
        return (y.unflatten(0, x.shape[:2]) if x.ndim == 5 else y).contiguous()

    def conv3d(self, x: Tensor, layer: nn.Conv3d) -> Tensor:
        if layer.kernel_size == (1, 1, 1):
            return linear(x, layer)
        padding = layer.kernel_size[0] // 2
        if not torch.is_grad_enabled() or x.device.type != "cpu":
            y = F.conv3d(x.permute(0, 4, 1, 2, 3), layer.weight, layer.bias, padding=padding)
            return y.permute(0, 2, 3, 4, 1).contiguous()
        # On a CPU, oneDNN's gradient of a 3-D weight is slow, and NaN in bfloat16 for the released
        # network's shapes: the frames under the kernel become channels of a 2-D convolution.
        frames, depth = x.shape[1], layer.weight.shape[2]
        padded = F.pad(x, (0, 0, 0, 0, 0, 0, padding, padding))
        stacked = torch.cat([padded[:, i : i + frames] for i in range(depth)], dim=-1)
        weight = layer.weight.transpose(1, 2).flatten(1, 2)
        images = stacked.flatten(0, 1).permute(0, 3, 1, 2)
        y = F.conv2d(images, weight, layer.bias, padding=padding)
        return y.permute(0, 2, 3, 1).unflatten(0, x.shape[:2]).contiguous()

    def conv_time(self, x: Tensor, layer: nn.Conv1d) -> Tensor:
        y = x.flatten(2, 3).permute(0, 3, 1, 2)
        padding = (layer.kernel_size[0] // 2, 0)
        y = F.conv2d(y, layer.weight.unsqueeze(3), layer.bias, padding=padding)
        return y.permute(0, 2, 3, 1).contiguous().reshape(x.shape)

    def conv1d(self, x: Tensor, layer: nn.Conv1d, dilation: int | None = None) -> Tensor:
        if layer.kernel_size == (1,):
            return linear(x, layer)
        dilation = dilation or layer.dilation[0]
        y = x.unsqueeze(1).permute(0, 3, 1, 2)
        padding = (0, dilation * (layer.kernel_size[0] // 2))
        weight = layer.weight.unsqueeze(2)
        y = F.conv2d(y, weight, layer.bias, padding=padding, dilation=(1, dilation))
        return y.permute(0, 2, 3, 1).squeeze(1).contiguous()

    def downsample(self, x: Tensor) -> Tensor:
        if x.ndim == 3:
            y = F.avg_pool2d(x.unsqueeze(1).permute(0, 3, 1, 2), (1, 4))
            return y.permute(0, 2, 3, 1)[:, 0]
        images = x.flatten(0, 1) if x.ndim == 5 else x
        y = F.avg_pool2d(images.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        return y.unflatten(0, x.shape[:2]) if x.ndim == 5 else y

    def upsample(self, x: Tensor) -> Tensor:
        if x.ndim == 3:
            return x.unsqueeze(2).expand(-1, -1, 4, -1).reshape(len(x), -1, x.shape[-1])
        if x.ndim == 4:
            y = F.interpolate(x.permute(0, 3, 1, 2), scale_factor=2.0)
            return y.permute(0, 2, 3, 1)
        b, f, h, w, c = x.shape
        y = x[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 2, -1)
        return y.reshape(b, f, 2 * h, 2 * w, c)

    def over_pixels(self, x: Tensor, layer: Callable[[Tensor, Operations], Tensor]) -> Tensor:
        y = x.flatten(0, 1) if x.ndim == 5 else x
        return layer(y.flatten(1, 2), self).reshape(x.shape)

    def over_frames(self, x: Tensor, layer: Callable[[Tensor, Operations], Tensor]) -> Tensor:
        b, f, h, w, c = x.shape
        y = x.flatten(2, 3).transpose(1, 2).reshape(b * h * w, f, c)
        y = layer(y, self).reshape(b, h * w, f, c)
        return y.transpose(1, 2).reshape(x.shape)

    def sequence(self, video: Tensor) -> Tensor:
        return video.flatten(1, 3)

    def video(self, sequence: Tensor, shape: torch.Size) -> Tensor:
        return sequence.reshape(shape)

    def attend(self, qkv: Tensor, heads: int, interleaved: bool = False) -> Tensor:
        if not interleaved:
            q, k, v = qkv.chunk(3, dim=-1)
            return _attend(q, k, v, heads)
        q, k, v = qkv.unflatten(-1, (heads, 3, -1)).permute(3, 0, 2, 1, 4)
        return _fused_attention(q, k, v).transpose(1, 2).flatten(2)

    def attend_windows(
        self, video: Tensor, audio: Tensor, frames: int, heads: int, window: int, shift: int
    ) -> tuple[Tensor, Tensor]:
        b, f, c, length = len(video), frames, video.shape[2] // 3, audio.shape[1]
        pixels, step = video.shape[1] // f, length // f
        vq, v_kv = video.split([c, 2 * c], dim=-1)
        aq, a_kv = audio.split([c, 2 * c], dim=-1)
        if window == f and step * f == length:
            (ak, av), (vk, vv) = a_kv.chunk(2, dim=-1), v_kv.chunk(2, dim=-1)
            return _attend(vq, ak, av, heads), _attend(aq, vk, vv, heads)
        k, v = _windows(a_kv, f, window, shift).chunk(2, dim=-1)
        y = _attend(vq.reshape(b * f, pixels, c), k, v, heads)
        k, v = _windows(v_kv, f, window, shift).chunk(2, dim=-1)
        z = _attend(aq[:, : f * step].reshape(b * f, step, c), k, v, heads)
        z = z.reshape(b, f * step, c)
        if f * step < length:
            k, v = (x.unflatten(0, (b, f))[:, -1] for x in (k, v))
            z = torch.cat([z, _attend(aq[:, f * step :], k, v, heads)], dim=1)
        return y.reshape(b, f * pixels, c), z


FAST = Fast()
