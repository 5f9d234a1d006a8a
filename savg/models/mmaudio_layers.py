"""Layers of the flow network: gated perceptrons, rotary attention, modulated transformer blocks.

Shapes: B clips, L tokens, D channels, H heads, K = D / H channels a head. Everything is channel
last; parameters bear the names of the published checkpoints.
Sources: MMAudio (arXiv 2412.15322), after MM-DiT (2403.03206) and RoPE (2104.09864).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

ROPE_BASE = 10_000.0


class Heads(NamedTuple):
    """Queries, keys and values of some tokens, each [B, H, L, K]."""

    q: Tensor
    k: Tensor
    v: Tensor


class TokenConv(nn.Conv1d):
    """A convolution along the tokens of [B, L, D] that keeps their number."""

    def __init__(self, inputs: int, outputs: int, kernel: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def mix(inputs: int, outputs: int, kernel: int, bias: bool = True) -> nn.Module:
    """A linear layer (kernel 1) or a convolution along the tokens."""
    if kernel == 1:
        return nn.Linear(inputs, outputs, bias=bias)
    return TokenConv(inputs, outputs, kernel, bias)


class Gated(nn.Module):
    """Gated perceptron w2(SiLU(w1 x) · w3 x) without biases.

    Its hidden width is two thirds of `hidden`, rounded up to a multiple of `multiple`.
    """

    def __init__(self, width: int, hidden: int, kernel: int = 1, multiple: int = 256) -> None:
        super().__init__()
        hidden = -(int(2 * hidden / 3) // -multiple) * multiple
        self.w1 = mix(width, hidden, kernel, bias=False)
        self.w2 = mix(hidden, width, kernel, bias=False)
        self.w3 = mix(width, hidden, kernel, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(functional.silu(self.w1(x)) * self.w3(x))


class TimeEmbedding(nn.Module):
    """Embeds flow times [B] in 0..1 as [B, D]: cosines and sines, then two linear layers.

    features: number of cosines and sines; scale: of the frequencies (v1: 1, v2: 10,000).
    """

    freqs: Tensor

    def __init__(self, width: int, features: int, scale: float) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width))
        steps = torch.arange(0, features, 2, dtype=torch.float32, device="cpu") / features
        self.register_buffer("freqs", scale * (1.0 / ROPE_BASE**steps), persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        angles = t.float()[:, None] * self.freqs
        features = torch.cat((angles.cos(), angles.sin()), dim=-1)
        return self.mlp(features.to(next(self.parameters()).dtype))


def rotations(length: int, channels: int, scale: float = 1.0) -> Tensor:
    """Rotations of `length` tokens as complex numbers [L, K / 2], always in float32.

    channels: K of a head; scale: multiplies the positions' frequencies.
    """
    exponents = torch.arange(0, channels, 2, dtype=torch.float32) / channels
    frequencies = (1.0 / ROPE_BASE**exponents) * scale
    angles = torch.arange(length, dtype=torch.float32)[:, None] * frequencies
    return torch.complex(angles.cos(), angles.sin())


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Adjacent pairs of channels of x[B, H, L, K] rotated by `rotations` [L, K / 2]."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * rotation).flatten(-2).to(x.dtype)


def attend(parts: list[Heads]) -> list[Tensor]:
    """Attention of all parts' tokens to all; one [B, L, D] for each part."""
    q, k, v = (torch.cat(tensors, dim=2) for tensors in zip(*parts, strict=True))
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and torch.is_grad_enabled():
        # there the fused attention's gradient takes three times as long as that of its parts
        out = ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).softmax(-1).to(v.dtype) @ v
    else:
        out = functional.scaled_dot_product_attention(q, k, v)
    out = out.transpose(1, 2).flatten(2)
    return list(out.split([part.q.shape[2] for part in parts], dim=1))


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x · (1 + scale) + shift."""
    return x * (1 + scale) + shift


class RotaryAttention(nn.Module):
    """The projections of attention: queries and keys are normalised per head, and may be rotated.

    In the projection's output the three run fastest: (head, channel, query | key | value).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.q_norm = nn.RMSNorm(width // heads)
        self.k_norm = nn.RMSNorm(width // heads)

    def forward(self, x: Tensor, rotation: Tensor | None) -> Heads:
        shape = (self.heads, x.shape[-1] // self.heads, 3)
        q, k, v = self.qkv(x).unflatten(-1, shape).transpose(1, 2).unbind(-1)
        q, k = self.q_norm(q), self.k_norm(k)
        if rotation is not None:
            q, k = rotate(q, rotation), rotate(k, rotation)
        return Heads(q, k, v)


class Block(nn.Module):
    """One stream of tokens through a modulated transformer block.

    last: the stream contributes keys and values only, and is returned unchanged.
    """

    def __init__(
        self, width: int, heads: int, hidden: int, kernel: int, multiple: int, last: bool = False
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.attn = RotaryAttention(width, heads)
        self.last = last
        if not last:
            self.linear1 = mix(width, width, kernel)
            self.ffn = Gated(width, hidden, kernel, multiple)
        outputs = 2 if last else 6
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, outputs * width))

    def prepare(self, x: Tensor, c: Tensor, rotation: Tensor | None) -> tuple[Heads, list[Tensor]]:
        """Attention's inputs, and the modulation for `finish`. c: condition [B, 1 or L, D]."""
        shift, scale, *rest = self.adaLN_modulation(c).chunk(2 if self.last else 6, dim=-1)
        return self.attn(modulate(self.norm(x), shift, scale), rotation), rest

    def finish(self, x: Tensor, attended: Tensor, rest: list[Tensor]) -> Tensor:
        """The stream after attention and perceptron, each behind its gate."""
        if self.last:
            return x
        gate, shift, scale, mlp_gate = rest
        x = x + self.linear1(attended) * gate
        return x + self.ffn(modulate(self.norm(x), shift, scale)) * mlp_gate

    def forward(self, x: Tensor, c: Tensor, rotation: Tensor | None) -> Tensor:
        heads, rest = self.prepare(x, c, rotation)
        return self.finish(x, attend([heads])[0], rest)


class JointBlock(nn.Module):
    """Three streams (latent, CLIP, text), each with its own weights, that attend to each other.

    last: CLIP and text contribute keys and values only, and are returned unchanged.
    """

    def __init__(self, width: int, heads: int, hidden: int, multiple: int, last: bool) -> None:
        super().__init__()
        self.latent_block = Block(width, heads, hidden, 3, multiple)
        self.clip_block = Block(width, heads, hidden, 3, multiple, last)
        self.text_block = Block(width, heads, hidden, 1, multiple, last)

    def forward(
        self,
        streams: tuple[Tensor, Tensor, Tensor],
        global_c: Tensor,
        extended_c: Tensor,
        latent_rotation: Tensor,
        clip_rotation: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """streams: latent, CLIP, text; global_c [B, 1, D], extended_c [B, L, D] (latent only)."""
        blocks = (self.latent_block, self.clip_block, self.text_block)
        conditions = (extended_c, global_c, global_c)
        tables = (latent_rotation, clip_rotation, None)
        prepared = [
            block.prepare(x, c, table)
            for block, x, c, table in zip(blocks, streams, conditions, tables, strict=True)
        ]
        attended = attend([heads for heads, _ in prepared])
        latent, clip, text = (
            block.finish(x, out, rest)
            for block, x, out, (_, rest) in zip(blocks, streams, attended, prepared, strict=True)
        )
        return latent, clip, text


class FinalLayer(nn.Module):
    """Normalise, modulate by the global condition, convolve to the latent's channels."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        self.conv = TokenConv(width, outputs, 7)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.conv(modulate(self.norm(x), *self.adaLN_modulation(c).chunk(2, dim=-1)))
