"""MMAudio's flow network: the velocity of audio latents, given features of video and text.

Latents are mel-VAE latents, time first. Stereo is a network of twice the latent channels: those of
the left and the right channel side by side [S2]. The second stage is trained from scratch; the
published networks are mono.
Source: MMAudio (arXiv 2412.15322) as its public code behaves; "v2" is the authors' later variant.

Shapes: B clips, L latents, C latent channels, N CLIP frames, S synchronisation features, W text
tokens, D hidden channels. Times t[B] run from 0 (noise) to 1 (data).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.fields import Between, Channels, Depth, Heads, Scale, check
from savg.hub import ModelFormat, State
from savg.models.device_tables import device_table
from savg.models.mmaudio_layers import (
    Block,
    FinalLayer,
    Gated,
    JointBlock,
    TimeEmbedding,
    TokenConv,
    rotations,
)
from savg.models.mmaudio_lengths import (
    CLIP_FPS,
    MEL_HOPS,
    SEGMENT_FEATURES,
    SequenceLengths,
)

__all__ = ["CONFIGS", "FORMAT", "Conditions", "Features", "MMAudio", "MMAudioConfig"]

rotation_table = device_table(rotations)


@dataclass(frozen=True)
class MMAudioConfig:
    """Sizes of a flow network; the defaults are the published small one at 16 kHz (mono).

    latent_dim: latent channels, both channels' for stereo; clip_dim, sync_dim, text_dim: channels
    of the features; text_len: text tokens. depth: blocks; fused_depth: the last of these, which
    take the latent alone. mlp_multiple: the perceptrons' widths are multiples of it. sample_rate:
    in Hz, for lengths. hidden_dim: channels of the blocks; num_heads: of attention; mlp_ratio:
    widths of the perceptrons over hidden_dim. v2: SiLU for SELU, activations after the CLIP and
    text projections, faster time frequencies.
    """

    latent_dim: Channels = 20
    clip_dim: Channels = 1024
    sync_dim: Channels = 768
    text_dim: Channels = 1024
    text_len: Annotated[int, Between(1, 4096)] = 77
    hidden_dim: Channels = 448
    depth: Depth = 12
    fused_depth: Depth = 8
    num_heads: Heads = 7
    mlp_ratio: Scale = 4.0
    mlp_multiple: Channels = 256
    sample_rate: int = 16_000
    v2: bool = False

    def __post_init__(self) -> None:
        check(self)
        if self.hidden_dim % self.num_heads or self.hidden_dim // self.num_heads % 2:
            raise ValueError(
                f"hidden_dim must be a multiple of {2 * self.num_heads}, an even number of channels "
                f"for each head, got {self.hidden_dim}"
            )
        if self.fused_depth >= self.depth:
            raise ValueError(
                f"fused_depth must be below depth {self.depth}, got {self.fused_depth}"
            )
        if self.sample_rate not in MEL_HOPS:
            raise ValueError(
                f"sample_rate must be one of {sorted(MEL_HOPS)} Hz, got {self.sample_rate}"
            )

    def lengths(self, seconds: float) -> SequenceLengths:
        """The lengths of all sequences of a clip."""
        return SequenceLengths(seconds, self.sample_rate)


_SMALL = MMAudioConfig()
_SMALL_44K = replace(_SMALL, latent_dim=40, sample_rate=44_100)
_MEDIUM_44K = replace(_SMALL_44K, hidden_dim=896, num_heads=14)
_LARGE_44K = replace(_MEDIUM_44K, depth=21, fused_depth=14)

CONFIGS: dict[str, MMAudioConfig] = {
    "small_16k": _SMALL,
    "small_44k": _SMALL_44K,
    "medium_44k": _MEDIUM_44K,
    "large_44k": _LARGE_44K,
    "large_44k_v2": replace(_LARGE_44K, v2=True),
    "full": replace(_SMALL, latent_dim=40),
    "demo": MMAudioConfig(
        latent_dim=24,
        clip_dim=64,
        sync_dim=64,
        text_dim=4,
        text_len=1,
        hidden_dim=64,
        depth=6,
        fused_depth=4,
        num_heads=4,
        mlp_ratio=3.0,
        mlp_multiple=16,
        v2=True,
    ),
    "tiny": MMAudioConfig(
        latent_dim=4,
        clip_dim=6,
        sync_dim=5,
        text_dim=3,
        text_len=2,
        hidden_dim=16,
        depth=3,
        fused_depth=1,
        num_heads=2,
        mlp_multiple=16,
    ),
}
"""By name: the five published networks, "full" (the second stage of [S2]: stereo at 16 kHz), and ours.

[S2] does not say which size it trained; "full" takes the published size for 16 kHz.
"""


@dataclass(frozen=True, eq=False)
class Features:
    """Features of video and text: clip [B, N, ·], sync [B, S, ·], text [B, W, ·] (None: no text)."""

    clip: Tensor
    sync: Tensor
    text: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Conditions:
    """Features as the blocks use them, computed once for a clip by `MMAudio.condition`.

    clip [B, N, D], sync [B, L, D], text [B, W, D]; summary [B, D]: of CLIP and text;
    latent_rotation [L, K / 2], clip_rotation [N, K / 2]: complex.
    """

    clip: Tensor
    sync: Tensor
    text: Tensor
    summary: Tensor
    latent_rotation: Tensor
    clip_rotation: Tensor

    def expand(self, batch: int) -> Conditions:
        """The conditions of one clip, repeated for `batch` clips."""
        parts = {
            name: getattr(self, name).expand(batch, *getattr(self, name).shape[1:])
            for name in ("clip", "sync", "text", "summary")
        }
        return replace(self, **parts)


def stretch(x: Tensor, length: int) -> Tensor:
    """Tokens [B, S, D] → [B, length, D] by nearest time, each token at the middle of its interval.

    The positions are those that float32 gives, on any device and in any precision: at some lengths
    they differ from exact arithmetic by one, and published weights were trained with them.
    """
    return x[:, nearest(x.device, x.shape[1], length)]


@device_table
def nearest(tokens: int, length: int) -> Tensor:
    """Index of the nearest of `tokens` tokens at each of `length` times."""
    positions = torch.arange(tokens, dtype=torch.float32)[None, None]
    return functional.interpolate(positions, size=length, mode="nearest-exact")[0, 0].long()


class MMAudio(nn.Module):
    """The flow network: `model(latent[B, L, C], t[B], conditions) -> velocity[B, L, C]`.

    One network serves clips of any duration: lengths come with the features and the conditions.
    """

    latent_mean: nn.Parameter
    latent_std: nn.Parameter

    def __init__(self, config: MMAudioConfig) -> None:
        super().__init__()
        self.config = config
        c, width = config, config.hidden_dim
        hidden = 4 * width

        def fixed(value: Tensor) -> nn.Parameter:
            return nn.Parameter(value, requires_grad=False)

        def perceptron(kernel: int) -> Gated:
            return Gated(width, hidden, kernel, c.mlp_multiple)

        self.sync_pos_emb = nn.Parameter(torch.zeros(1, 1, SEGMENT_FEATURES, c.sync_dim))
        self.latent_mean = fixed(torch.zeros(1, 1, c.latent_dim))
        self.latent_std = fixed(torch.ones(1, 1, c.latent_dim))
        self.empty_string_feat = fixed(torch.zeros(c.text_len, c.text_dim))
        self.empty_clip_feat = nn.Parameter(torch.zeros(1, c.clip_dim))
        self.empty_sync_feat = nn.Parameter(torch.zeros(1, c.sync_dim))

        activation = nn.SiLU if c.v2 else nn.SELU
        between = [nn.SiLU()] if c.v2 else []
        self.audio_input_proj = nn.Sequential(
            TokenConv(c.latent_dim, width, 7), activation(), perceptron(7)
        )
        self.clip_input_proj = nn.Sequential(nn.Linear(c.clip_dim, width), *between, perceptron(3))
        self.sync_input_proj = nn.Sequential(
            TokenConv(c.sync_dim, width, 7), activation(), perceptron(3)
        )
        self.text_input_proj = nn.Sequential(nn.Linear(c.text_dim, width), *between, perceptron(1))
        self.clip_cond_proj = nn.Linear(width, width)
        self.text_cond_proj = nn.Linear(width, width)
        self.global_cond_mlp = perceptron(1)
        self.final_layer = FinalLayer(width, c.latent_dim)
        self.t_embed = TimeEmbedding(width, *((width, 10_000.0) if c.v2 else (256, 1.0)))
        joint = c.depth - c.fused_depth
        mlp = int(width * c.mlp_ratio)
        self.joint_blocks = nn.ModuleList(
            JointBlock(width, c.num_heads, mlp, c.mlp_multiple, last=i == joint - 1)
            for i in range(joint)
        )
        self.fused_blocks = nn.ModuleList(
            Block(width, c.num_heads, mlp, 3, c.mlp_multiple) for _ in range(c.fused_depth)
        )
        self._start_as_identity()

    def _start_as_identity(self) -> None:
        """Blocks that pass their input on and a velocity of zero, as diffusion transformers start."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
                if "adaLN_modulation" in name:
                    nn.init.zeros_(module.weight)
                elif "t_embed" in name:
                    nn.init.normal_(module.weight, std=0.02)
        for parameter in self.final_layer.conv.parameters():
            nn.init.zeros_(parameter)

    def normalize(self, latent: Tensor) -> Tensor:
        """Latents of the VAE [B, L, C] as the network takes them."""
        return (latent - self.latent_mean) / self.latent_std

    def unnormalize(self, latent: Tensor) -> Tensor:
        """Latents of the network [B, L, C] as the VAE's decoder takes them."""
        return latent * self.latent_std + self.latent_mean

    def condition(self, features: Features, lengths: SequenceLengths) -> Conditions:
        """The conditions of a batch, which depend on its features alone.

        Text of one clip [1, W, ·] serves all clips. Raises ValueError for features of other shapes
        than the configuration and `lengths` say.
        """
        self._check(features, lengths)
        text = features.text
        if text is None:
            text = self.empty_string_feat[None]
        batch = len(features.clip)
        sync = features.sync.unflatten(1, (lengths.segments, -1)) + self.sync_pos_emb
        clip = self.clip_input_proj(features.clip)
        sync = stretch(self.sync_input_proj(sync.flatten(1, 2)), lengths.latent)
        text = self.text_input_proj(text)
        text_summary = self.text_cond_proj(text.mean(dim=1))
        summary = self.clip_cond_proj(clip.mean(dim=1)) + text_summary
        channels = self.config.hidden_dim // self.config.num_heads
        tables = (
            rotation_table(clip.device, lengths.latent, channels),
            rotation_table(clip.device, lengths.clip, channels, lengths.latent / lengths.clip),
        )
        text = text.expand(batch, -1, -1) if len(text) == 1 else text
        return Conditions(clip, sync, text, summary, *tables)

    def empty_conditions(
        self, lengths: SequenceLengths, batch: int, negative_text: Tensor | None = None
    ) -> Conditions:
        """Conditions without video and text, to guide away from.

        negative_text: text features [1 or B, W, ·] to guide away from instead of none.
        """
        clip = self.empty_clip_feat[None].expand(-1, lengths.clip, -1)
        sync = self.empty_sync_feat[None].expand(-1, lengths.sync, -1)
        if negative_text is not None and len(negative_text) > 1:
            clip, sync = (x.expand(len(negative_text), -1, -1) for x in (clip, sync))
        return self.condition(Features(clip, sync, negative_text), lengths).expand(batch)

    def drop(self, features: Features, video: Tensor, text: Tensor) -> Features:
        """Features with those of some clips left out, for training guidance.

        video, text: true [B] where CLIP and synchronisation features, or text, are replaced by the
        learned empty ones.
        """
        empty_text = self.empty_string_feat[None]
        present = empty_text if features.text is None else features.text
        video, text = video[:, None, None], text[:, None, None]
        return Features(
            torch.where(video, self.empty_clip_feat[None], features.clip),
            torch.where(video, self.empty_sync_feat[None], features.sync),
            torch.where(text, empty_text, present),  # one clip's text becomes each clip's
        )

    def forward(self, latent: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        expected = (conditions.sync.shape[0], conditions.sync.shape[1], self.config.latent_dim)
        if latent.shape != expected:
            raise ValueError(f"latents must be {list(expected)}, got {list(latent.shape)}")
        global_c = (self.t_embed(t) + self.global_cond_mlp(conditions.summary))[:, None]
        extended_c = global_c + conditions.sync
        rotation = (conditions.latent_rotation, conditions.clip_rotation)
        streams = (self.audio_input_proj(latent), conditions.clip, conditions.text)
        for block in self.joint_blocks:
            streams = block(streams, global_c, extended_c, *rotation)
        x = streams[0]
        for block in self.fused_blocks:
            x = block(x, extended_c, rotation[0])
        # the published weights expect the global condition here, not the extended one
        return self.final_layer(x, global_c)

    def _check(self, features: Features, lengths: SequenceLengths) -> None:
        c, batch = self.config, len(features.clip)
        expected = {
            "clip": (batch, lengths.clip, c.clip_dim),
            "sync": (batch, lengths.sync, c.sync_dim),
        }
        if features.text is not None:
            count = len(features.text)
            expected["text"] = (1 if count == 1 else batch, c.text_len, c.text_dim)
        for name, shape in expected.items():
            actual = getattr(features, name).shape
            if actual != shape:
                raise ValueError(f"{name} features must be {list(shape)}, got {list(actual)}")


def from_published(published: Mapping[str, Any] | None = None) -> MMAudioConfig:
    """The configuration for the authors' constructor arguments; None: the released small_16k.

    {"name": "large_44k_v2"} names a published network. Sequence lengths only determine the sample
    rate: the network itself takes any.
    """
    arguments = dict(published or {})
    base = _SMALL
    if "name" in arguments:
        name = arguments.pop("name")
        if name not in CONFIGS:
            raise ValueError(f"name must be one of {', '.join(CONFIGS)}, got {name!r}")
        base = CONFIGS[name]
    arguments.pop("then", None)
    sequences = {
        name: arguments.pop(f"{name}_seq_len", None) for name in ("latent", "clip", "sync")
    }
    if "text_seq_len" in arguments:
        arguments["text_len"] = arguments.pop("text_seq_len")
    for name in ("latent_mean", "latent_std", "empty_string_feat"):
        arguments.pop(name, None)
    config = replace(base, **arguments)
    if sequences["latent"] and sequences["clip"]:
        config = replace(config, sample_rate=_sample_rate(sequences["latent"], sequences["clip"]))
    return config


def _sample_rate(latent: int, clip: int) -> int:
    """The sample rate in Hz at which `clip` CLIP frames last as long as `latent` latents."""
    seconds = clip / CLIP_FPS
    return min(MEL_HOPS, key=lambda rate: abs(SequenceLengths(seconds, rate).latent - latent))


def rename(state: State) -> State:
    """The state dict without tables of older files that every network computes itself."""
    tables = ("t_embed.freqs", "latent_rot", "clip_rot")
    return {key: value for key, value in state.items() if key not in tables}


FORMAT = ModelFormat(
    kind="mmaudio",
    config=MMAudioConfig,
    build=MMAudio,
    from_published=from_published,
    rename=rename,
    card={"channels": 1},
)
