"""The plain evaluation path of the coupled U-Net: channels first, one operation after the other.

Kept as the reference that the fast path is tested and timed against. Video is [B, F, C, H, W] and
sound [B, C, T].
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from savg.models.unet_layers import (
    AudioConv,
    CrossAttention,
    ResBlock,
    SelfAttention,
    VideoConv,
)


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Softmax attention of channels-first sequences [N, C, L] in `heads` heads."""
    n, c, length = q.shape
    q, k, v = (x.reshape(n * heads, c // heads, -1) for x in (q, k, v))
    weights = (q.transpose(1, 2) @ k) * (c // heads) ** -0.5
    out = v @ weights.softmax(dim=-1).transpose(1, 2)
    return out.reshape(n, c, length)


class Plain:
    """Operations on channels-first tensors."""

    def enter(self, x: Tensor) -> Tensor:
        return x

    def leave(self, x: Tensor) -> Tensor:
        return x

    def concatenate(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a, b], dim=-3 if a.ndim == 5 else 1)

    def norm(self, x: Tensor, norm: Any) -> Tensor:
        """Group normalisation with float32 statistics."""
        group_norm = norm.GroupNorm
        weight, bias = group_norm.weight.float(), group_norm.bias.float()
        y = x.transpose(1, 2) if x.ndim == 5 else x
        y = F.group_norm(y.float(), group_norm.num_groups, weight, bias, group_norm.eps)
        return (y.transpose(1, 2) if x.ndim == 5 else y).to(x.dtype)

    def output(self, x: Tensor, layers: nn.Sequential) -> Tensor:
        """Normalisation, SiLU and the network's last convolution."""
        return self.conv(F.silu(self.norm(x, layers[0])), layers[2])

    def conv(self, x: Tensor, conv: nn.Module) -> Tensor:
        """A video or audio convolution."""
        if isinstance(conv, AudioConv):
            return conv.audio_conv(x)
        assert isinstance(conv, VideoConv)
        if conv.kind == "3d":
            return conv.video_conv(x.transpose(1, 2)).transpose(1, 2)
        b, f = x.shape[:2]
        y = conv.video_conv_spatial(x.flatten(0, 1))
        c, h, w = y.shape[1:]
        y = y.reshape(b, f, c, h * w).permute(0, 3, 2, 1).flatten(0, 1)
        y = conv.video_conv_temporal(y)
        return y.reshape(b, h, w, c, f).permute(0, 4, 3, 1, 2)

    def resample(self, x: Tensor, how: str) -> Tensor:
        """The picture by 2, the sound by 4: mean of the cell ("down") or repeated ("up")."""
        if x.ndim == 3:
            return F.avg_pool1d(x, 4) if how == "down" else F.interpolate(x, scale_factor=4.0)
        b, f = x.shape[:2]
        y = x.flatten(0, 1)
        y = F.avg_pool2d(y, 2) if how == "down" else F.interpolate(y, scale_factor=2.0)
        return y.unflatten(0, (b, f))

    def residual(
        self, x: Tensor, inner: nn.Sequential, outer: nn.Sequential, skip: nn.Module | None,
        embedding: Tensor, block: ResBlock,
    ) -> Tensor:  # fmt: skip
        """One modality's half of a residual block; embedding [B, outputs or 2·outputs]."""
        h = self.conv(F.silu(self.norm(x, inner[0])), inner[2])
        if block.resample:
            h, x = self.resample(h, block.resample), self.resample(x, block.resample)
        e = embedding[:, None, :, None, None] if x.ndim == 5 else embedding[:, :, None]
        if block.scale_shift:
            scale, shift = e.chunk(2, dim=2 if x.ndim == 5 else 1)
            h = self.norm(h, outer[0]) * (1 + scale) + shift
        else:
            h = self.norm(h + e, outer[0])
        h = self.conv(outer[2](F.silu(h)), outer[3])
        return (x if skip is None else self.conv(x, skip)) + h

    def _self_attention(self, x: Tensor, block: SelfAttention) -> Tensor:
        q, k, v = block.qkv(self.norm(x, block.norm)).chunk(3, dim=1)
        return x + block.proj_out(attend(q, k, v, block.heads))

    def attend_space(self, x: Tensor, block: SelfAttention) -> Tensor:
        """Attention among the pixels of each frame."""
        b, f, _, h, w = x.shape
        y = self._self_attention(x.flatten(0, 1).flatten(2), block)
        return y.reshape(b, f, -1, h, w)

    def attend_time(self, x: Tensor, block: SelfAttention) -> Tensor:
        """Attention among the frames of each pixel."""
        b, f, c, h, w = x.shape
        y = x.permute(0, 3, 4, 2, 1).reshape(b * h * w, c, f)
        return self._self_attention(y, block).reshape(b, h, w, c, f).permute(0, 4, 3, 1, 2)

    def attend_sound(self, x: Tensor, block: SelfAttention) -> Tensor:
        """Attention among all positions of the sound."""
        return self._self_attention(x, block)

    def cross(
        self, video: Tensor, audio: Tensor, block: CrossAttention, shift: int
    ) -> tuple[Tensor, Tensor]:
        """Windowed attention between the modalities, one frame at a time.

        Frame i sees the frames i+shift … i+shift+window−1 of the other modality, counted round the
        end. A frame of sound is a whole number of positions; the last frame's queries take the rest.
        """
        b, f, c, h, w = video.shape
        pixels, length = h * w, audio.shape[2]
        step = length // f
        tokens = self.norm(video, block.v_norm).transpose(1, 2).reshape(b, c, f * pixels)
        vq, vk, vv = block.v_qkv(tokens).chunk(3, dim=1)
        aq, ak, av = block.a_qkv(self.norm(audio, block.a_norm)).chunk(3, dim=1)
        video_parts, audio_parts = [], []
        for i in range(f):
            first, count = i + shift, block.window
            heard = torch.arange(first * step, (first + count) * step, device=audio.device) % length
            q = vq[:, :, i * pixels : (i + 1) * pixels]
            video_parts.append(attend(q, ak[:, :, heard], av[:, :, heard], block.heads))
            seen = torch.arange(first * pixels, (first + count) * pixels, device=audio.device)
            seen = seen % (f * pixels)
            q = aq[:, :, i * step : (i + 1) * step if i < f - 1 else length]
            audio_parts.append(attend(q, vk[:, :, seen], vv[:, :, seen], block.heads))
        y = torch.cat(video_parts, dim=2).reshape(b, c, f, h, w).transpose(1, 2)
        z = torch.cat(audio_parts, dim=2)
        return (
            video + self.conv(y, block.video_proj_out),
            audio + self.conv(z, block.audio_proj_out),
        )
