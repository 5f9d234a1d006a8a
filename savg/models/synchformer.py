"""Synchformer's visual encoder: features of when things happen, 8 for 16 frames of video at 25 fps.

A transformer whose attention is divided: over time at each place, then over places at each time, with
one summary token that attends to all (MotionFormer with divided space-time attention). The tokens of
each frame pair are then pooled by one more attention layer. Parameters bear the names of the published
checkpoint; one unused layer is left out, and its audio half and offset head are in
`savg.models.synchformer_sync`.
Sources: Synchformer (arXiv 2401.16423), TimeSformer (2102.05095); used frozen by [S2]'s second stage.

Shapes: B clips, T frames, S segments of 16 frames every 8, P places (patches) of a frame, f = 8
frame pairs of a segment, D channels. Segments are independent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.fields import Between, Channels, Depth, Factor, Heads, check
from savg.hub import ModelFormat, State
from savg.models.mmaudio_lengths import SEGMENT_FRAMES, SEGMENT_STEP

__all__ = ["CONFIGS", "FORMAT", "Synchformer", "SynchformerConfig", "prepare"]

EPS = 1e-6


@dataclass(frozen=True)
class SynchformerConfig:
    """Sizes of the encoder; the defaults are the published ones.

    image: side of a frame, patch: of a patch, in pixels; pair: frames that one token spans.
    """

    image: Annotated[int, Between(1, 1024)] = 224
    patch: Annotated[int, Between(1, 1024)] = 16
    pair: Annotated[int, Between(1, SEGMENT_FRAMES)] = 2
    embed_dim: Channels = 768
    depth: Depth = 12
    heads: Heads = 12
    mlp_ratio: Factor = 4

    def __post_init__(self) -> None:
        check(self)
        if self.image < self.patch or self.image % self.patch:
            raise ValueError(f"image must be a multiple of patch {self.patch}, got {self.image}")
        if self.embed_dim % self.heads:
            raise ValueError(
                f"embed_dim must be a multiple of {self.heads} heads, got {self.embed_dim}"
            )
        if SEGMENT_FRAMES % self.pair:
            raise ValueError(f"pair must be a divisor of {SEGMENT_FRAMES} frames, got {self.pair}")

    @property
    def places(self) -> int:
        """Patches of a frame."""
        return (self.image // self.patch) ** 2

    @property
    def times(self) -> int:
        """Features of a segment."""
        return SEGMENT_FRAMES // self.pair


CONFIGS: dict[str, SynchformerConfig] = {
    "full": SynchformerConfig(),
    "demo": SynchformerConfig(image=64, embed_dim=128, depth=3, heads=4),
    "tiny": SynchformerConfig(image=16, patch=8, embed_dim=12, depth=2, heads=2, mlp_ratio=2),
}
"""By name; "full" is the published encoder."""


def prepare(frames: Tensor, image: int = 224) -> Tensor:
    """uint8 RGB frames [..., H, W, 3] as the encoder takes them [..., 3, image, image] in −1..1.

    The shorter side is resized (bicubic, antialiased) and the centre cropped, as in the published code.
    """
    leading = frames.shape[:-3]
    x = frames.reshape(-1, *frames.shape[-3:]).movedim(-1, 1).float()
    height, width = x.shape[-2:]
    if min(height, width) != image:
        scale = image / min(height, width)
        size = (max(int(height * scale), image), max(int(width * scale), image))
        x = functional.interpolate(x, size, mode="bicubic", antialias=True).clamp(0, 255)
    top, left = (round((side - image) / 2) for side in x.shape[-2:])
    x = x[..., top : top + image, left : left + image]
    return (x / 127.5 - 1).reshape(*leading, *x.shape[1:])


class DividedAttention(nn.Module):
    """Attention within groups of tokens; the summary token attends to all, and all to it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, times: int, over_time: bool) -> Tensor:
        """x [B, 1 + f · P, D], summary first, then time by time. over_time: groups are places."""
        parts = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = parts.unbind(0)
        summary = functional.scaled_dot_product_attention(q[:, :, :1], k, v)

        def grouped(tokens: Tensor) -> Tensor:
            tokens = tokens[:, :, 1:].unflatten(2, (times, -1))
            return tokens.transpose(2, 3) if over_time else tokens

        def with_summary(tokens: Tensor) -> Tensor:
            own = grouped(tokens)
            shared = tokens[:, :, None, :1].expand(-1, -1, own.shape[2], -1, -1)
            return torch.cat((shared, own), dim=3)

        out = functional.scaled_dot_product_attention(grouped(q), with_summary(k), with_summary(v))
        out = (out.transpose(2, 3) if over_time else out).flatten(2, 3)
        return self.proj(torch.cat((summary, out), dim=2).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention over time, attention over places, perceptron; each normalised and added."""

    def __init__(self, config: SynchformerConfig) -> None:
        super().__init__()
        width = config.embed_dim
        self.times = config.times
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = DividedAttention(width, config.heads)
        self.timeattn = DividedAttention(width, config.heads)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = Mlp(width, config.mlp_ratio * width)
        self.norm3 = nn.LayerNorm(width, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.timeattn(self.norm3(x), self.times, over_time=True)
        x = x + self.attn(self.norm1(x), self.times, over_time=False)
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    """Boxes of pixels in space and time as tokens: [B, 3, T, H, W] to [B, f · P, D], time by time."""

    def __init__(self, config: SynchformerConfig) -> None:
        super().__init__()
        box = (config.pair, config.patch, config.patch)
        self.proj = nn.Conv3d(3, config.embed_dim, box, stride=box)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class Summary(nn.TransformerEncoderLayer):
    """A learned token that has attended to the tokens of one time: [N, P, D] to [N, D]."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__(
            width,
            heads,
            hidden,
            dropout=0.0,
            activation="gelu",
            layer_norm_eps=EPS,
            batch_first=True,
            norm_first=True,
        )
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1))[:, 0]


class Encoder(nn.Module):
    """Segments [N, 3, 16, H, W] to features [N, f, D]."""

    def __init__(self, config: SynchformerConfig) -> None:
        super().__init__()
        width = config.embed_dim
        self.places, self.times = config.places, config.times
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, config.places + 1, width))
        self.temp_embed = nn.Parameter(torch.zeros(1, config.times, width))
        self.patch_embed_3d = PatchEmbedding(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.spatial_attn_agg = Summary(width, config.heads, config.mlp_ratio * width)
        for parameter in (self.cls_token, self.pos_embed, self.spatial_attn_agg.cls_token):
            nn.init.trunc_normal_(parameter, std=0.02)

    def positions(self) -> Tensor:
        """The embedding of place and time that is added to the tokens [1, 1 + f · P, D]."""
        summary, places = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        grid = places[:, None] + self.temp_embed[:, :, None]
        return torch.cat((summary, grid.flatten(1, 2)), dim=1)

    def tokens(self, segments: Tensor) -> Tensor:
        """Summary and tokens [N, 1 + f · P, D] after the last block, before normalisation."""
        x = self.patch_embed_3d(segments)
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1) + self.positions()
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, segments: Tensor) -> Tensor:
        x = self.norm(self.tokens(segments)[:, 1:])
        x = x.unflatten(1, (self.times, self.places)).flatten(0, 1)
        return self.spatial_attn_agg(x).unflatten(0, (-1, self.times))


class Synchformer(nn.Module):
    """Video [B, T, 3, H, W] in −1..1 at 25 fps to features [B, 8 · S, D], segment after segment."""

    def __init__(self, config: SynchformerConfig) -> None:
        super().__init__()
        self.config = config
        self.vfeat_extractor = Encoder(config)

    def forward(self, video: Tensor, at_once: int = 16) -> Tensor:
        """Features [B, 8 · S, D] of video [B, T, 3, H, W].

        at_once: segments computed together, which bounds the memory; the result is the same.
        """
        side = self.config.image
        if video.ndim != 5 or tuple(video.shape[2:]) != (3, side, side):
            raise ValueError(f"video must be [B, T, 3, {side}, {side}], got {list(video.shape)}")
        if video.shape[1] < SEGMENT_FRAMES:
            raise ValueError(f"video must be of ≥ {SEGMENT_FRAMES} frames, got {video.shape[1]}")
        segments = video.unfold(1, SEGMENT_FRAMES, SEGMENT_STEP)  # [B, S, 3, H, W, 16]
        batch = segments.movedim(-1, 3).flatten(0, 1)
        features = torch.cat([self.vfeat_extractor(part) for part in batch.split(at_once)])
        return features.unflatten(0, segments.shape[:2]).flatten(1, 2)


def from_published(published: Mapping[str, Any] | None = None) -> SynchformerConfig:
    """The configuration for the authors' settings; None: the released encoder."""
    arguments = dict(published or {})
    settings = {
        name: arguments[name]
        for name in SynchformerConfig.__dataclass_fields__
        if name in arguments
    }
    if "patch_temporal" in arguments:
        settings["pair"] = arguments["patch_temporal"]
    config = SynchformerConfig(**settings)
    fixed = {
        "segment": SEGMENT_FRAMES,
        "step": SEGMENT_STEP,
        "temporal_resolution": config.times,
        "qkv_bias": True,
        "layer_norm_eps": EPS,
    }
    for name, value in fixed.items():
        if arguments.get(name, value) != value:
            raise ValueError(f"{name} must be {value}, got {arguments[name]}")
    return config


def rename(state: State) -> State:
    """The visual encoder's part of a published state dict, without its one unused layer."""
    prefix, unused = "vfeat_extractor.", "vfeat_extractor.patch_embed.proj."
    return {
        key: value
        for key, value in state.items()
        if key.startswith(prefix) and not key.startswith(unused)
    }


FORMAT = ModelFormat(
    kind="synchformer",
    config=SynchformerConfig,
    build=Synchformer,
    from_published=from_published,
    rename=rename,
)
