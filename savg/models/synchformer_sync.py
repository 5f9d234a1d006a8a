"""Synchformer whole: by how many seconds the audio of a video is off.

Features of 14 segments of 0.64 s, half overlapping (5 s), of frames and of audio, are joined with two
learned tokens, one sequence OFF, frames, MOD, audio; a transformer's output for the first is classified
into 21 offsets of −2…2 s. A positive offset: the audio is early, what is heard is seen that much later.
Parameters bear the names of the published checkpoint, which holds all of it. Its structure, shapes and
inputs are facts of the public code and configuration; no output of the published weights was at hand to
compare with, beyond the visual encoder's.
Sources: Synchformer (arXiv 2401.16423), its public code and configuration (`sync.yaml`).

Shapes: B clips, S segments, D channels, 8 features of a segment's frames, 6 of its audio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.fields import Between, Depth, Heads, check
from savg.hub import ModelFormat, State
from savg.models.mmaudio_lengths import SEGMENT_FRAMES, SEGMENT_STEP, SYNC_FPS
from savg.models.spectrogram_transformer import (
    SAMPLE_RATE,
    AudioEncoder,
    SpectrogramConfig,
    log_mel,
)
from savg.models.synchformer import Encoder, SynchformerConfig
from savg.models.synchformer import rename as visual_part

SEGMENT_SAMPLES = SEGMENT_FRAMES * SAMPLE_RATE // SYNC_FPS
STEP_SAMPLES = SEGMENT_STEP * SAMPLE_RATE // SYNC_FPS
"""Audio of a segment, and from one to the next: 10,240 and 5,120 samples."""


@dataclass(frozen=True)
class SyncConfig:
    """Sizes of the network; the defaults are the published ones.

    depth, heads: of the transformer over both; segments: of a window; offsets: classes from
    −max_offset to max_offset seconds.
    """

    visual: SynchformerConfig = field(default_factory=SynchformerConfig)
    audio: SpectrogramConfig = field(default_factory=SpectrogramConfig)
    depth: Depth = 3
    heads: Heads = 8
    segments: Annotated[int, Between(1, 1024)] = 14
    offsets: Annotated[int, Between(2, 1024)] = 21
    max_offset: Annotated[float, Between(0.001, 1000.0)] = 2.0

    def __post_init__(self) -> None:
        check(self)
        if self.visual.embed_dim != self.audio.embed_dim or self.audio.embed_dim % self.heads:
            raise ValueError(
                f"embed_dim must be one multiple of {self.heads} heads for both, got "
                f"{self.visual.embed_dim} and {self.audio.embed_dim}"
            )

    @property
    def tokens(self) -> int:
        """Length of the sequence: two learned tokens and the features of both."""
        return 2 + self.segments * (self.visual.times + self.audio.times)


CONFIGS: dict[str, SyncConfig] = {
    "full": SyncConfig(),
    "tiny": SyncConfig(
        SynchformerConfig(image=16, patch=8, embed_dim=12, depth=2, heads=2, mlp_ratio=2),
        SpectrogramConfig(embed_dim=12, depth=2, heads=2, mlp_ratio=2),
        depth=2,
        heads=2,
    ),
}
"""By name; "full" is the published network."""


class SelfAttention(nn.Module):
    """Attention of a sequence [B, L, D] to itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.key = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        out = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then a perceptron; each normalised before and added."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(width)
        self.ln2 = nn.LayerNorm(width)
        self.attn = SelfAttention(width, heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class Places(nn.Module):
    """A learned vector for each place of the sequence."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.pos_emb = nn.Parameter(torch.randn(1, tokens, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pos_emb


class OffsetTransformer(nn.Module):
    """Features of frames [B, S · 8, D] and of audio [B, S · 6, D] to logits of offsets [B, offsets]."""

    def __init__(self, config: SyncConfig) -> None:
        super().__init__()
        width = config.audio.embed_dim
        self.vis_in_lnorm = nn.LayerNorm(width)
        self.aud_in_lnorm = nn.LayerNorm(width)
        self.OFF_tok = nn.Parameter(torch.randn(1, 1, width))
        self.MOD_tok = nn.Parameter(torch.randn(1, 1, width))
        self.pos_emb_cfg = Places(config.tokens, width)
        self.blocks = nn.Sequential(*(Block(width, config.heads) for _ in range(config.depth)))
        self.ln_f = nn.LayerNorm(width)
        self.off_head = nn.Linear(width, config.offsets)

    def forward(self, visual: Tensor, audio: Tensor) -> Tensor:
        count = len(visual)
        parts = (
            self.OFF_tok.expand(count, -1, -1),
            self.vis_in_lnorm(visual),
            self.MOD_tok.expand(count, -1, -1),
            self.aud_in_lnorm(audio),
        )
        x = self.blocks(self.pos_emb_cfg(torch.cat(parts, dim=1)))
        return self.off_head(self.ln_f(x[:, 0]))


class SynchformerSync(nn.Module):
    """The whole network: features of frames and of audio, and logits of the offset between them."""

    def __init__(self, config: SyncConfig) -> None:
        super().__init__()
        self.config = config
        width = config.audio.embed_dim
        self.vfeat_extractor = Encoder(config.visual)
        self.afeat_extractor = AudioEncoder(config.audio)
        self.vproj = nn.Linear(width, width)
        self.aproj = nn.Linear(width, width)
        self.transformer = OffsetTransformer(config)

    @property
    def offsets(self) -> Tensor:
        """Seconds of the classes [offsets]."""
        last = self.config.offsets - 1
        steps = 2 * torch.arange(last + 1, dtype=torch.float64) - last
        return steps * (self.config.max_offset / last)

    def visual_features(self, video: Tensor, at_once: int = 8) -> Tensor:
        """Features [B, S, 8, D] of frames [B, T, 3, H, W] in −1..1 at 25 fps, S ≥ 1 segments.

        at_once: segments computed together, which bounds the memory; the result is the same.
        ValueError for fewer than 16 frames.
        """
        if video.ndim != 5 or video.shape[1] < SEGMENT_FRAMES:
            raise ValueError(
                f"video must be [B, ≥ {SEGMENT_FRAMES} frames, 3, H, W], got {list(video.shape)}"
            )
        segments = video.unfold(1, SEGMENT_FRAMES, SEGMENT_STEP).movedim(-1, 3)
        parts = segments.flatten(0, 1).split(at_once)
        features = torch.cat([self.vfeat_extractor(part) for part in parts])
        return features.unflatten(0, segments.shape[:2])

    def audio_features(self, audio: Tensor) -> Tensor:
        """Features [B, S, 6, D] of mono audio [B, T] in −1..1 at 16 kHz, S ≥ 1 segments.

        ValueError for fewer than 10,240 samples.
        """
        if audio.ndim != 2 or audio.shape[1] < SEGMENT_SAMPLES:
            raise ValueError(
                f"audio must be [B, ≥ {SEGMENT_SAMPLES} samples], got {list(audio.shape)}"
            )
        segments = audio.unfold(1, SEGMENT_SAMPLES, STEP_SAMPLES)
        spectra = log_mel(segments.flatten(0, 1), self.config.audio)
        return self.afeat_extractor(spectra).unflatten(0, segments.shape[:2])

    def forward(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Logits of the offset [B, offsets] from features [B, S, 8, D] and [B, S, 6, D] of one window.

        ValueError for another number of segments than a window has.
        """
        wanted = self.config.segments
        if visual.shape[1] != wanted or audio.shape[1] != wanted:
            raise ValueError(
                f"visual and audio must be of {wanted} segments, got {visual.shape[1]} and "
                f"{audio.shape[1]}"
            )
        return self.transformer(self.vproj(visual).flatten(1, 2), self.aproj(audio).flatten(1, 2))


def from_published(published: Mapping[str, Any] | None = None) -> SyncConfig:
    """The configuration for the authors' settings: `name` of one of CONFIGS, or none.

    ValueError for anything else.
    """
    arguments = dict(published or {})
    name = arguments.pop("name", "full")
    if arguments or name not in CONFIGS:
        raise ValueError(f"name must be one of {', '.join(CONFIGS)} alone, got {published}")
    return CONFIGS[name]


def rename(state: State) -> State:
    """A published state dict without its one unused layer, whichever other entries it has."""
    rest = {key: value for key, value in state.items() if not key.startswith("vfeat_extractor.")}
    return {**visual_part(state), **rest}


FORMAT = ModelFormat(
    kind="synchformer_sync",
    config=SyncConfig,
    build=SynchformerSync,
    from_published=from_published,
    wrappers=("model",),
    rename=rename,
)
