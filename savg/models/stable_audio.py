"""Stable Audio's diffusion transformer: latents of audio, noisy at time t, to a prediction of v.

A token of time (and of global conditions) stands before the latents; every block attends to all of
them with rotary positions, then to the conditions without, and has a gated perceptron. Parameters bear
the names of the published checkpoint; `savg.models.stable_audio_names` reads the two kinds of files.
Source: Stable Audio Open (arXiv 2407.14358) as its public code behaves.

Shapes: B clips, C latent channels, L latents, N tokens of conditions, D width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.fields import Between, Channels, Depth, Heads, check
from savg.hub import ModelFormat
from savg.models.mmaudio_layers import ROPE_BASE
from savg.models.stable_audio_names import rename

__all__ = ["CONFIGS", "FORMAT", "StableAudio", "StableAudioConfig", "Trunk"]


@dataclass(frozen=True)
class StableAudioConfig:
    """Sizes of the transformer; the defaults are those of stable-audio-open-1.0.

    latents: channels of a latent; width, depth, heads: of the blocks; condition: width of the tokens of
    conditions, whose heads are as wide as the others; overall: of the global condition (0: none);
    fourier: features of the time.
    """

    latents: Channels = 64
    width: Channels = 1536
    depth: Depth = 24
    heads: Heads = 24
    condition: Channels = 768
    overall: Annotated[int, Between(0, 16_384)] = 1536
    fourier: Annotated[int, Between(2, 4096)] = 256

    def __post_init__(self) -> None:
        check(self)
        if self.width % self.heads or (self.width // self.heads) % 4:
            raise ValueError(
                f"width must be a multiple of 4 for each of {self.heads} heads, got {self.width}"
            )
        head = self.width // self.heads
        if self.condition % head or self.heads % (self.condition // head):
            raise ValueError(
                f"condition must hold heads of {head} channels whose number divides {self.heads}, got "
                f"{self.condition}"
            )
        if self.fourier % 2:
            raise ValueError(f"fourier must be even, got {self.fourier}")

    @property
    def head(self) -> int:
        """Channels of a head."""
        return self.width // self.heads


CONFIGS: dict[str, StableAudioConfig] = {
    "full": StableAudioConfig(),
    "demo": StableAudioConfig(24, 128, 6, 4, condition=64, overall=0, fourier=64),
    "tiny": StableAudioConfig(4, 16, 2, 2, condition=16, overall=0, fourier=8),
}


class Norm(nn.Module):
    """Layer normalisation with a learned gain; the published offset is zero and not learned."""

    beta: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))
        self.register_buffer("beta", torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], self.gamma, self.beta)


class TimeFeatures(nn.Module):
    """Times t [B] as cos(2π t w) and sin(2π t w) [B, count] of drawn w, which are not trained."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(count // 2, 1), requires_grad=False)

    def forward(self, t: Tensor) -> Tensor:
        angle = 2 * math.pi * t.to(self.weight)[:, None] @ self.weight.T
        return torch.cat((angle.cos(), angle.sin()), dim=-1)


def embedding(inputs: int, width: int, bias: bool = False) -> nn.Sequential:
    """Two linear layers with a SiLU between them."""
    return nn.Sequential(
        nn.Linear(inputs, width, bias=bias), nn.SiLU(), nn.Linear(width, width, bias=bias)
    )


def positions(tokens: int, channels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines [tokens, channels / 2] by which half of a head's channels are rotated."""
    half = torch.arange(0, channels, 2, dtype=torch.float32, device=device) / channels
    angles = torch.arange(tokens, device=device)[:, None] / ROPE_BASE**half
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Heads x [B, H, L, K] with their first 2n channels rotated by [L, n], channel i with n + i."""
    count = cosines.shape[-1]
    a, b, rest = x.float().split([count, count, x.shape[-1] - 2 * count], dim=-1)
    turned = (a * cosines - b * sines, b * cosines + a * sines, rest)
    return torch.cat(turned, dim=-1).to(x.dtype)


class SelfAttention(nn.Module):
    """Attention of all tokens to all, with rotary positions of half of each head's channels."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.to_out.weight)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        q, k, v = self.to_qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        out = functional.scaled_dot_product_attention(rotate(q, *rotary), rotate(k, *rotary), v)
        return self.to_out(out.transpose(1, 2).flatten(2))


class CrossAttention(nn.Module):
    """Attention to the conditions; neighbouring heads share keys and values where those are fewer."""

    def __init__(self, config: StableAudioConfig) -> None:
        super().__init__()
        self.heads, self.head = config.heads, config.head
        self.to_q = nn.Linear(config.width, config.width, bias=False)
        self.to_kv = nn.Linear(config.condition, 2 * config.condition, bias=False)
        self.to_out = nn.Linear(config.width, config.width, bias=False)
        nn.init.zeros_(self.to_out.weight)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        q = self.to_q(x).unflatten(-1, (self.heads, self.head)).transpose(1, 2)
        k, v = self.to_kv(tokens).unflatten(-1, (2, -1, self.head)).permute(2, 0, 3, 1, 4)
        k, v = (part.repeat_interleave(self.heads // k.shape[1], dim=1) for part in (k, v))
        out = functional.scaled_dot_product_attention(q, k, v)
        return self.to_out(out.transpose(1, 2).flatten(2))


class Gate(nn.Module):
    """A linear layer to twice `hidden` channels: one half times the SiLU of the other."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * hidden)

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.proj(x).chunk(2, dim=-1)
        return x * functional.silu(gate)


class Perceptron(nn.Module):
    """Four times as wide inside; `ff.1` of the published network holds no weights."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ff = nn.Sequential(Gate(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width))
        nn.init.zeros_(self.ff[2].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.ff[2].bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.ff(x)


class Block(nn.Module):
    """Self-attention, attention to the conditions and a perceptron, each after a normalisation."""

    def __init__(self, config: StableAudioConfig) -> None:
        super().__init__()
        width = config.width
        self.pre_norm = Norm(width)
        self.self_attn = SelfAttention(width, config.heads)
        self.cross_attend_norm = Norm(width)
        self.cross_attn = CrossAttention(config)
        self.ff_norm = Norm(width)
        self.ff = Perceptron(width)

    def forward(self, x: Tensor, tokens: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        x = x + self.self_attn(self.pre_norm(x), rotary)
        x = x + self.cross_attn(self.cross_attend_norm(x), tokens)
        return x + self.ff(self.ff_norm(x))


class Blocks(nn.Module):
    """The projection to the blocks' width, `depth` blocks, and for a whole network one back."""

    def __init__(self, config: StableAudioConfig, depth: int, whole: bool) -> None:
        super().__init__()
        self.project_in = nn.Linear(config.latents, config.width, bias=False)
        if whole:
            self.project_out = nn.Linear(config.width, config.latents, bias=False)
        self.layers = nn.ModuleList(Block(config) for _ in range(depth))


class Trunk(nn.Module):
    """What a transformer and a ControlNet of it share: embeddings, and the first `depth` blocks."""

    def __init__(self, config: StableAudioConfig, depth: int, whole: bool) -> None:
        super().__init__()
        c = config
        self.config = config
        self.timestep_features = TimeFeatures(c.fourier)
        self.to_timestep_embed = embedding(c.fourier, c.width, bias=True)
        self.to_cond_embed = embedding(c.condition, c.condition)
        self.to_global_embed = embedding(c.overall, c.width) if c.overall else None
        self.transformer = Blocks(c, depth, whole)
        self.preprocess_conv = nn.Conv1d(c.latents, c.latents, 1, bias=False)
        nn.init.zeros_(self.preprocess_conv.weight)

    def embed(
        self, x: Tensor, t: Tensor, overall: Tensor | None, control: Tensor | float = 0.0
    ) -> Tensor:
        """The token of time, then the latents [B, C, L], as the first block takes them [B, 1 + L, D].

        overall: the global condition [B, overall]; control: added to the latents. ValueError for other
        shapes.
        """
        c = self.config
        batch, length = len(x), x.shape[-1]
        if tuple(x.shape) != (batch, c.latents, length):
            raise ValueError(f"latents must be [B, {c.latents}, L], got {list(x.shape)}")
        first = self.to_timestep_embed(self.timestep_features(t))
        if self.to_global_embed is not None:
            shape = None if overall is None else list(overall.shape)
            if shape != [batch, c.overall]:
                raise ValueError(f"overall must be {[batch, c.overall]}, got {shape}")
            first = first + self.to_global_embed(overall)
        x = self.preprocess_conv(x) + x + control
        return torch.cat((first[:, None], self.transformer.project_in(x.transpose(1, 2))), dim=1)

    def rotary(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The rotations of the tokens x [B, 1 + L, D]."""
        return positions(x.shape[1], self.config.head // 2, x.device)


class StableAudio(Trunk):
    """Noisy latents [B, C, L] at times t [B] in 0..1 to predictions of v [B, C, L]."""

    def __init__(self, config: StableAudioConfig) -> None:
        super().__init__(config, config.depth, whole=True)
        self.postprocess_conv = nn.Conv1d(config.latents, config.latents, 1, bias=False)
        nn.init.zeros_(self.postprocess_conv.weight)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        tokens: Tensor,
        overall: Tensor | None = None,
        control: Sequence[Tensor] = (),
    ) -> Tensor:
        """The prediction.

        Args:
            tokens: of the conditions [B, N, condition].
            overall: the global condition [B, overall], for a network that has one.
            control: added to what each of the first blocks gives, [B, 1 + L, D] each.
        """
        tokens = self.to_cond_embed(tokens)
        x = self.embed(x, t, overall)
        rotary = self.rotary(x)
        for index, block in enumerate(self.transformer.layers):
            x = block(x, tokens, rotary)
            if index < len(control):
                x = x + control[index]
        x = self.transformer.project_out(x)[:, 1:].transpose(1, 2)
        return self.postprocess_conv(x) + x


def from_published(published: Mapping[str, Any] | None = None) -> StableAudioConfig:
    """The configuration for the authors' constructor arguments, or those of diffusers' class.

    None: that of stable-audio-open-1.0.
    """
    names = {
        "io_channels": "latents", "embed_dim": "width", "depth": "depth", "num_heads": "heads",
        "cond_token_dim": "condition", "global_cond_dim": "overall",
        "in_channels": "latents", "num_layers": "depth", "num_attention_heads": "heads",
        "cross_attention_dim": "condition", "global_states_input_dim": "overall",
        "time_proj_dim": "fourier",
    }  # fmt: skip
    arguments = dict(published or {})
    values = {names[key]: value for key, value in arguments.items() if key in names}
    if "attention_head_dim" in arguments:
        heads = values.get("heads", CONFIGS["full"].heads)
        values["width"] = heads * arguments["attention_head_dim"]
    return StableAudioConfig(**values)


FORMAT = ModelFormat(
    kind="stable_audio",
    config=StableAudioConfig,
    build=StableAudio,
    from_published=from_published,
    rename=rename,
    wrappers=("state_dict",),
    folders=("transformer",),
)
