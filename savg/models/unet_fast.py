"""The fast evaluation path of the coupled U-Net: channels last, fused and reordered operations.

Video is [B, F, H, W, C] and sound [B, T, C], contiguous, so that every change between sequences,
pictures and convolution inputs is a view. It computes what the plain path computes, and reorders
what commutes exactly: averaging before a pointwise-in-space or cell-aligned convolution, repetition
after everything that acts on single positions. Measured gains are in benchmarks/.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from savg.models.fused_norm import norm_act
from savg.models.unet_layers import (
    AudioConv,
    CrossAttention,
    ResBlock,
    SelfAttention,
    VideoConv,
)


@lru_cache(maxsize=64)
def window_table(frames: int, step: int, length: int, window: int, device: str) -> Tensor:
    """Positions seen from each starting frame, int64 [2·frames · window·step], counted round the end.

    A shift s of the window is the slice of rows s … s+frames−1: no index is computed in an evaluation.
    """
    start = torch.arange(2 * frames)[:, None] * step
    return ((start + torch.arange(window * step)) % length).to(device)


def linear(x: Tensor, conv: Any) -> Tensor:
    """A convolution of kernel 1 over the last axis of x[..., C]."""
    weight, bias = conv.weight.flatten(1), conv.bias
    if torch.is_grad_enabled() or x.device.type != "cpu":
        return F.linear(x, weight, bias)
    # oneDNN's convolution adds the bias for free; the matrix product first fills its result with it.
    picture = x.reshape(1, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)
    y = F.conv2d(picture, weight[:, :, None, None], bias).permute(0, 2, 3, 1)
    return y.reshape(*x.shape[:-1], -1)


def _heads(x: Tensor, heads: int) -> Tensor:
    """[N, L, C] → view [N, heads, L, C/heads]."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Attention of sequences [N, L, C] → [N, L, C]."""
    q, k, v = _heads(q, heads), _heads(k, heads), _heads(v, heads)
    if q.device.type == "cpu" and torch.is_grad_enabled():
        y = _matrix_attention(q, k, v)
    else:
        y = F.scaled_dot_product_attention(q, k, v)
    return y.transpose(1, 2).flatten(2)


def _matrix_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention by whole matrices: its backward pass on a CPU is several times SDPA's speed."""
    with torch.autocast(q.device.type, enabled=False):
        weights = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        return weights.softmax(dim=-1) @ v


def _windows(x: Tensor, frames: int, window: int, shift: int) -> Tensor:
    """What each frame sees: [B, L, C] → [B·frames, window·(L // frames), C].

    Whole frames are rolled, which is cheap to differentiate; a length that is no multiple of the
    frames needs a look-up, because the published windows then wrap inside a frame.
    """
    b, length, c = x.shape
    step = length // frames
    if step * frames == length:
        y = x.unflatten(1, (frames, step))
        parts = [y.roll(-((shift + i) % frames), 1) if shift + i else y for i in range(window)]
        return torch.cat(parts, dim=2).flatten(0, 1)
    rows = window_table(frames, step, length, window, str(x.device))[shift : shift + frames]
    return x.index_select(1, rows.flatten()).reshape(b * frames, window * step, c)


class Fast:
    """Operations on channels-last tensors."""

    def enter(self, x: Tensor) -> Tensor:
        return (x.permute(0, 1, 3, 4, 2) if x.ndim == 5 else x.transpose(1, 2)).contiguous()

    def leave(self, x: Tensor) -> Tensor:
        return (x.permute(0, 1, 4, 2, 3) if x.ndim == 5 else x.transpose(1, 2)).contiguous()

    def concatenate(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a, b], dim=-1)

    def norm(
        self,
        x: Tensor,
        norm: Any,
        act: bool = False,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> Tensor:
        """Group normalisation over all but the first axis, ·(1 + scale[B, C]) + shift[B, C], SiLU."""
        layer = norm.GroupNorm
        gain, offset = layer.weight.float()[None], layer.bias.float()[None]
        if scale is not None and shift is not None:
            gain, offset = gain * (1 + scale.float()), offset * (1 + scale.float()) + shift.float()
        y = x.reshape(x.shape[0], -1, x.shape[-1])
        return norm_act(y, gain, offset, layer.num_groups, layer.eps, act).view(x.shape)

    def output(self, x: Tensor, layers: nn.Sequential) -> Tensor:
        """Normalisation, SiLU and the network's last convolution."""
        return self.conv(self.norm(x, layers[0], act=True), layers[2])

    def conv(self, x: Tensor, conv: nn.Module) -> Tensor:
        """A video or audio convolution."""
        if isinstance(conv, AudioConv):
            return self._audio_conv(x, conv, conv.dilation)
        assert isinstance(conv, VideoConv)
        if conv.kind != "3d":
            return self._temporal(self._spatial(x, conv), conv)
        if conv.kernel == 1:
            return linear(x, conv.video_conv)
        return self._conv3d(x, conv.video_conv, conv.kernel // 2)

    def _conv3d(self, x: Tensor, layer: Any, padding: int) -> Tensor:
        if not torch.is_grad_enabled() or x.device.type != "cpu":
            y = F.conv3d(x.permute(0, 4, 1, 2, 3), layer.weight, layer.bias, padding=padding)
            return y.permute(0, 2, 3, 4, 1).contiguous()
        # On a CPU, oneDNN's gradient of a 3-D weight is slow, and NaN in bfloat16 for the released
        # network's shapes: the frames under the kernel become channels of a 2-D convolution.
        frames, depth = x.shape[1], layer.weight.shape[2]
        padded = F.pad(x, (0, 0, 0, 0, 0, 0, padding, padding))
        stacked = torch.cat([padded[:, i : i + frames] for i in range(depth)], dim=-1)
        weight = layer.weight.transpose(1, 2).flatten(1, 2)
        picture = stacked.flatten(0, 1).permute(0, 3, 1, 2)
        y = F.conv2d(picture, weight, layer.bias, padding=padding)
        return y.permute(0, 2, 3, 1).unflatten(0, x.shape[:2]).contiguous()

    def _audio_conv(self, x: Tensor, conv: AudioConv, dilation: int) -> Tensor:
        weight, bias = conv.audio_conv.weight, conv.audio_conv.bias
        if conv.kernel == 1:
            return linear(x, conv.audio_conv)
        y = x.unsqueeze(1).permute(0, 3, 1, 2)
        padding = dilation * (conv.kernel // 2)
        y = F.conv2d(y, weight.unsqueeze(2), bias, padding=(0, padding), dilation=(1, dilation))
        return y.permute(0, 2, 3, 1).squeeze(1).contiguous()

    def _spatial(self, x: Tensor, conv: VideoConv) -> Tensor:
        layer = conv.video_conv_spatial
        y = x.flatten(0, 1).permute(0, 3, 1, 2)
        y = F.conv2d(y, layer.weight, layer.bias, padding=conv.kernel // 2)
        return y.permute(0, 2, 3, 1).unflatten(0, x.shape[:2]).contiguous()

    def _temporal(self, x: Tensor, conv: VideoConv) -> Tensor:
        layer = conv.video_conv_temporal
        y = x.flatten(2, 3).permute(0, 3, 1, 2)
        y = F.conv2d(y, layer.weight.unsqueeze(3), layer.bias, padding=(conv.kernel // 2, 0))
        return y.permute(0, 2, 3, 1).contiguous().reshape(x.shape)

    def resample(self, x: Tensor, how: str) -> Tensor:
        """The picture by 2, the sound by 4: mean of the cell ("down") or repeated ("up")."""
        b, c = x.shape[0], x.shape[-1]
        if x.ndim == 3 and how == "down":
            return F.avg_pool2d(x.unsqueeze(1).permute(0, 3, 1, 2), (1, 4)).permute(0, 2, 3, 1)[
                :, 0
            ]
        if x.ndim == 3:
            return x.unsqueeze(2).expand(-1, -1, 4, -1).reshape(b, -1, c)
        f, h, w = x.shape[1:4]
        if how == "down":
            y = F.avg_pool2d(x.flatten(0, 1).permute(0, 3, 1, 2), 2)
            return y.permute(0, 2, 3, 1).unflatten(0, (b, f))
        y = x[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 2, -1)
        return y.reshape(b, f, 2 * h, 2 * w, c)

    def _conv_down(self, x: Tensor, conv: nn.Module) -> Tensor:
        """`resample(conv(x), "down")`, with what commutes with the mean done at the lower rate."""
        if isinstance(conv, AudioConv) and conv.dilation % 4 == 0 and x.shape[1] % 4 == 0:
            return self._audio_conv(self.resample(x, "down"), conv, conv.dilation // 4)
        if isinstance(conv, VideoConv) and conv.kind != "3d":
            return self._temporal(self.resample(self._spatial(x, conv), "down"), conv)
        return self.resample(self.conv(x, conv), "down")

    def residual(
        self, x: Tensor, inner: nn.Sequential, outer: nn.Sequential, skip: nn.Module | None,
        embedding: Tensor, block: ResBlock,
    ) -> Tensor:  # fmt: skip
        """One modality's half of a residual block; embedding [B, outputs or 2·outputs]."""
        h = self.norm(x, inner[0], act=True)
        if block.resample == "down":
            h, x = self._conv_down(h, inner[2]), self.resample(x, "down")
        else:
            h = self.conv(h, inner[2])
        if block.scale_shift:
            scale, shift = embedding.chunk(2, dim=1)
            h = self.norm(h, outer[0], True, scale, shift)
        else:
            h = h + embedding.view(-1, *(1,) * (x.ndim - 2), embedding.shape[-1])
            h = self.norm(h, outer[0], act=True)
        h = self.conv(outer[2](h), outer[3])
        h = h + (x if skip is None else self.conv(x, skip))
        return self.resample(h, "up") if block.resample == "up" else h

    def _self_attention(self, x: Tensor, block: SelfAttention) -> Tensor:
        q, k, v = linear(self.norm(x, block.norm), block.qkv).chunk(3, dim=-1)
        return x + linear(_attend(q, k, v, block.heads), block.proj_out)

    def attend_space(self, x: Tensor, block: SelfAttention) -> Tensor:
        """Attention among the pixels of each frame."""
        return self._self_attention(x.flatten(0, 1).flatten(1, 2), block).reshape(x.shape)

    def attend_time(self, x: Tensor, block: SelfAttention) -> Tensor:
        """Attention among the frames of each pixel."""
        b, f, h, w, c = x.shape
        y = x.flatten(2, 3).transpose(1, 2).reshape(b * h * w, f, c)
        y = self._self_attention(y, block).reshape(b, h * w, f, c)
        return y.transpose(1, 2).reshape(x.shape)

    def attend_sound(self, x: Tensor, block: SelfAttention) -> Tensor:
        """Attention among all positions of the sound."""
        return self._self_attention(x, block)

    def cross(
        self, video: Tensor, audio: Tensor, block: CrossAttention, shift: int
    ) -> tuple[Tensor, Tensor]:
        """Windowed attention between the modalities, all frames of the batch at once."""
        b, f, h, w, c = video.shape
        pixels, length = h * w, audio.shape[1]
        step = length // f
        v_qkv = linear(self.norm(video, block.v_norm), block.v_qkv).reshape(b, f * pixels, 3 * c)
        a_qkv = linear(self.norm(audio, block.a_norm), block.a_qkv)
        vq, v_kv = v_qkv.split([c, 2 * c], dim=-1)
        aq, a_kv = a_qkv.split([c, 2 * c], dim=-1)
        if block.window == f and step * f == length:
            (ak, av), (vk, vv) = a_kv.chunk(2, dim=-1), v_kv.chunk(2, dim=-1)
            y, z = _attend(vq, ak, av, block.heads), _attend(aq, vk, vv, block.heads)
        else:
            k, v = _windows(a_kv, f, block.window, shift).chunk(2, dim=-1)
            y = _attend(vq.reshape(b * f, pixels, c), k, v, block.heads)
            k, v = _windows(v_kv, f, block.window, shift).chunk(2, dim=-1)
            z = _attend(aq[:, : f * step].reshape(b * f, step, c), k, v, block.heads)
            z = z.reshape(b, f * step, c)
            if f * step < length:
                k, v = (x.unflatten(0, (b, f))[:, -1] for x in (k, v))
                z = torch.cat([z, _attend(aq[:, f * step :], k, v, block.heads)], dim=1)
        return (
            video + self.conv(y.reshape(video.shape), block.video_proj_out),
            audio + self.conv(z, block.audio_proj_out),
        )
