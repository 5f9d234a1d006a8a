"""Configurations of the coupled U-Net: released, demo and tiny; the authors' arguments translated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from savg.fields import Between, Channels, Heads, Items, Patch, Scale, Share, check
from savg.models.published import numbers

Frames = Annotated[int, Between(1, 4096)]
Blocks = Annotated[int, Between(0, 32)]
"""Residual blocks of a scale."""
Multipliers = Annotated[tuple[Scale, ...], Items(1, 10)]
Factors = Annotated[tuple[Annotated[int, Between(1, 1024)], ...], Items(0, 12)]
"""Down-sampling factors."""


@dataclass(frozen=True)
class JointUNetConfig:
    """Everything that decides the network's shape; the defaults are the released configuration.

    frames: length of the middle block's window; channels · multipliers: channels of each scale;
    blocks: residual blocks a scale (one number, or one for each scale); heads: of attention within
    a modality; head_channels: width of a head of cross-modal attention (None: `heads` of them);
    cross_at, video_at, audio_at: down-sampling factors of the frames at which there is attention;
    windows: frames of cross-modal attention at each factor of cross_at; upsample: residual blocks
    upsample (else plain repetition); video_patch, audio_patch: side and length of the patches that
    become one position; skips: "concat" or "add"; coordinates: each pixel's place is given as two
    more input channels; audio_channels: of the audio, 0 for the video half alone, without audio and
    attention to it (`savg.models.video_unet`); direction: points of the path that a clip's
    direction has (`savg.models.direction`), 0 for a network that takes none; video_channels: of the
    frames or their latents; shift: windows of cross-modal attention are shifted at random in
    training; middle_cross: the middle block has cross-modal attention; video_conv: "2d+1d" or "3d"
    convolutions; scale_shift: the time scales and shifts activations (else is added to them);
    learn_variance: the network predicts variances too; dropout: share of activations; groups: of
    group normalisation.
    """

    frames: Frames = 20
    video_channels: Channels = 3
    audio_channels: Annotated[int, Between(0, 16_384)] = 2
    channels: Channels = 128
    multipliers: Multipliers = (1, 2, 3, 4)
    blocks: Blocks | Annotated[tuple[Blocks, ...], Items(1, 10)] = 2
    heads: Heads = 4
    head_channels: Channels | None = 64
    cross_at: Factors = (2, 4, 8)
    windows: Annotated[tuple[Frames, ...], Items(0, 12)] = (1, 4, 8)
    shift: bool = True
    middle_cross: bool = True
    video_at: Factors = (2, 4, 8)
    audio_at: Factors = ()
    video_conv: str = "2d+1d"
    scale_shift: bool = True
    upsample: bool = True
    learn_variance: bool = False
    dropout: Share = 0.0
    groups: Heads = 32
    video_patch: Patch = 1
    audio_patch: Patch = 1
    skips: str = "concat"
    coordinates: bool = False
    direction: Annotated[int, Between(0, 256)] = 0

    def __post_init__(self) -> None:
        check(self)
        if len(self.windows) < len(self.cross_at):
            raise ValueError(
                f"there must be a window for each of {self.cross_at}, got {self.windows}"
            )
        if self.video_conv not in ("2d+1d", "3d"):
            raise ValueError(f"video_conv must be '2d+1d' or '3d', got {self.video_conv!r}")
        if self.skips not in ("concat", "add"):
            raise ValueError(f"skips must be 'concat' or 'add', got {self.skips!r}")
        if not self.audio_channels and (self.cross_at or self.middle_cross or self.audio_at):
            raise ValueError("audio_channels must be ≥ 1 for attention to audio, got 0")
        if isinstance(self.blocks, tuple) and len(self.blocks) != len(self.multipliers):
            raise ValueError(
                f"there must be blocks for each of {self.multipliers}, got {self.blocks}"
            )
        for width in self.widths:
            if (
                not width
                or width % self.groups
                or width % self.heads
                or width % (self.head_channels or 1)
            ):
                raise ValueError(
                    f"channels of a scale must divide into {self.groups} groups, {self.heads} heads "
                    f"and heads of {self.head_channels} channels, got {width}"
                )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each scale."""
        return tuple(int(m * self.channels) for m in self.multipliers)

    @property
    def depths(self) -> tuple[int, ...]:
        """Residual blocks of each scale."""
        same = (self.blocks,) * len(self.multipliers) if isinstance(self.blocks, int) else None
        return same or tuple(self.blocks)  # type: ignore[arg-type]


RELEASED = {
    "video_size": (20, 3, 64, 64),
    "audio_size": (2, 80000),
    "num_channels": 128,
    "num_res_blocks": 2,
    "num_heads": 4,
    "num_head_channels": 64,
    "cross_attention_resolutions": "2,4,8",
    "cross_attention_windows": "1,4,8",
    "cross_attention_shift": True,
    "video_attention_resolutions": "2,4,8",
    "audio_attention_resolutions": "-1",
    "channel_mult": "",
    "dropout": 0.0,
    "use_scale_shift_norm": True,
    "resblock_updown": True,
    "video_type": "2d+1d",
    "learn_sigma": False,
}
BY_SIDE = {
    512: (0.5, 1, 1, 2, 2, 4, 4),
    256: (1, 1, 2, 2, 4, 4),
    128: (1, 1, 2, 3, 4),
    64: (1, 2, 3, 4),
}


def published_config(published: Mapping[str, Any] | None = None) -> JointUNetConfig:
    """Our configuration for the authors' constructor arguments (default: the released ones).

    Arguments without a part in the network (diffusion schedule, number format, `num_heads_upsample`,
    `class_cond`, which the published joint network ignores) are accepted and ignored. As
    published, the middle block has cross-modal attention only with windows 1,4,8, and a learned
    variance doubles the video's channels alone.
    """
    arguments = {**RELEASED, **(published or {})}
    video, audio = numbers(arguments["video_size"]), numbers(arguments["audio_size"])
    multipliers: tuple[float, ...] = numbers(arguments["channel_mult"])
    if not multipliers:
        if video[-1] not in BY_SIDE:
            raise ValueError(f"channel_mult must be given for frames of {video[-1]} pixels, got ''")
        multipliers = BY_SIDE[video[-1]]
    windows = numbers(arguments["cross_attention_windows"])
    head = int(arguments["num_head_channels"])
    return JointUNetConfig(
        frames=video[0],
        video_channels=video[1],
        audio_channels=audio[0],
        channels=int(arguments["num_channels"]),
        multipliers=multipliers,
        blocks=int(arguments["num_res_blocks"]),
        heads=int(arguments["num_heads"]),
        head_channels=None if head == -1 else head,
        cross_at=tuple(n for n in numbers(arguments["cross_attention_resolutions"]) if n > 0),
        windows=windows,
        shift=bool(arguments["cross_attention_shift"]),
        middle_cross=windows == (1, 4, 8),
        video_at=tuple(n for n in numbers(arguments["video_attention_resolutions"]) if n > 0),
        audio_at=tuple(n for n in numbers(arguments["audio_attention_resolutions"]) if n > 0),
        video_conv=str(arguments["video_type"]),
        scale_shift=bool(arguments["use_scale_shift_norm"]),
        upsample=bool(arguments["resblock_updown"]),
        learn_variance=bool(arguments["learn_sigma"]),
        dropout=float(arguments["dropout"]),
    )


CONFIGS = {
    "full": JointUNetConfig(),
    "demo": JointUNetConfig(
        frames=5,
        video_channels=12,
        audio_channels=96,
        channels=128,
        multipliers=(1, 1),
        blocks=(0, 1),
        heads=4,
        head_channels=32,
        cross_at=(2,),
        windows=(4,),
        video_at=(),
        groups=8,
        video_patch=4,
        audio_patch=2,
        skips="add",
        coordinates=True,
        dropout=0.0,
    ),
    "tiny": JointUNetConfig(
        frames=4,
        channels=16,
        multipliers=(1, 2),
        blocks=1,
        heads=2,
        head_channels=None,
        cross_at=(2,),
        windows=(2,),
        video_at=(2,),
        groups=8,
    ),
}
