"""The coupled U-Net that denoises video and stereo sound together (stereo MM-Diffusion, [S1] [S2]).

Two U-Nets, one for the picture and one for the sound, share their time embedding and exchange what
they know through windowed cross-modal attention. `CONFIGS["full"]` is the released network; `"demo"`
is the same class made small enough to train on two CPU cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from savg.hub import ModelFormat
from savg.models.joint_layout import Initial, Layout
from savg.models.published import numbers
from savg.models.unet_fast import Fast
from savg.models.unet_layers import CrossAttention, ResBlock, time_features
from savg.models.unet_plain import Plain

State = tuple[Tensor, ...]
"""One tensor for each modality that a network has: picture, then sound."""


@dataclass(frozen=True)
class JointUNetConfig:
    """Everything that decides the network's shape; the defaults are the released configuration.

    frames: length of the middle block's window; channels · multipliers: channels of each scale;
    blocks: residual blocks a scale (one number, or one for each scale); heads: of attention within a
    modality; head_channels: width of a head of cross-modal attention (None: `heads` of them);
    cross_at, video_at, audio_at: down-sampling factors of the picture at which there is attention;
    windows: frames seen by cross-modal attention at each factor of cross_at; upsample: residual
    blocks enlarge (else plain repetition); video_patch, audio_patch: side and length of the patches
    that become one position; skips: "concat" or "add"; coordinates: the network is told each pixel's
    place as two more input channels. audio_channels 0: the picture's half alone, without sound and
    without attention to it (`savg.models.video_unet`).
    """

    frames: int = 20
    video_channels: int = 3
    audio_channels: int = 2
    channels: int = 128
    multipliers: tuple[float, ...] = (1, 2, 3, 4)
    blocks: int | tuple[int, ...] = 2
    heads: int = 4
    head_channels: int | None = 64
    cross_at: tuple[int, ...] = (2, 4, 8)
    windows: tuple[int, ...] = (1, 4, 8)
    shift: bool = True
    middle_cross: bool = True
    video_at: tuple[int, ...] = (2, 4, 8)
    audio_at: tuple[int, ...] = ()
    video_conv: str = "2d+1d"
    scale_shift: bool = True
    upsample: bool = True
    learn_variance: bool = False
    dropout: float = 0.0
    groups: int = 32
    video_patch: int = 1
    audio_patch: int = 1
    skips: str = "concat"
    coordinates: bool = False

    def __post_init__(self) -> None:
        if len(self.windows) < len(self.cross_at):
            raise ValueError(
                f"windows: one for each of {self.cross_at} expected, not {self.windows}"
            )
        if self.video_conv not in ("2d+1d", "3d"):
            raise ValueError(f"video_conv is '2d+1d' or '3d', not {self.video_conv!r}")
        if self.skips not in ("concat", "add"):
            raise ValueError(f"skips is 'concat' or 'add', not {self.skips!r}")
        if not self.audio_channels and (self.cross_at or self.middle_cross or self.audio_at):
            raise ValueError("audio_channels is 0: there is no sound that could be attended to")
        if isinstance(self.blocks, tuple) and len(self.blocks) != len(self.multipliers):
            raise ValueError(f"blocks: one for each of {self.multipliers} expected")
        for width in self.widths:
            if width % self.groups or width % self.heads or width % (self.head_channels or 1):
                raise ValueError(
                    f"{width} channels do not divide into {self.groups} groups, {self.heads} heads "
                    f"and heads of {self.head_channels} channels"
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


class CoupledUNet(nn.Module):
    """What networks of picture and sound, or of the picture alone, share: their blocks.

    `fast = False` selects the plain reference path; checkpoint_attention: recompute attention in the
    backward pass, to save memory.
    """

    middle_blocks: nn.Sequential
    output_blocks: nn.ModuleList
    skip_projections: nn.ModuleList
    video_out: nn.Sequential
    audio_out: nn.Sequential

    def __init__(self, config: JointUNetConfig, fast: bool = True) -> None:
        super().__init__()
        self.config, self.fast, self.checkpoint_attention = config, fast, False
        c = config.channels
        self.time_embed = nn.Sequential(nn.Linear(c, c), nn.SiLU(), nn.Linear(c, c))
        self.input_blocks = nn.ModuleList()
        Layout(self).build()

    @property
    def heads(self) -> list[nn.Sequential]:
        """The last layers of each modality."""
        return [self.video_out, *([self.audio_out] if self.config.audio_channels else [])]

    def denoise(self, parts: State, t: Tensor, shifts: Sequence[int] = ()) -> State:
        """Evaluate on video[B, F, 3, H, W] and, in a network with sound, audio[B, 2, T]."""
        return _Evaluation(self, Fast() if self.fast else Plain(), iter(shifts)).run(parts, t)

    def check_video(self, video: Tensor) -> None:
        """ValueError if a video does not fit the network."""
        c = self.config
        if video.ndim != 5 or video.shape[2] != c.video_channels:
            raise ValueError(
                f"video [B, F, {c.video_channels}, H, W] expected, not {tuple(video.shape)}"
            )
        cell = c.video_patch * 2 ** (len(c.multipliers) - 1)
        if video.shape[3] % cell or video.shape[4] % cell:
            raise ValueError(
                f"picture sides divisible by {cell} expected, not {tuple(video.shape)}"
            )


class JointUNet(CoupledUNet):
    """The coupled U-Net of picture and sound."""

    def __init__(self, config: JointUNetConfig, fast: bool = True) -> None:
        if not config.audio_channels:
            raise ValueError("a joint network has sound: audio_channels of 1 or more expected")
        super().__init__(config, fast)

    @property
    def shifting(self) -> list[CrossAttention]:
        """The cross-modal attention blocks whose window is drawn, in forward order."""
        if not self.config.shift:
            return []
        found = (m for m in self.modules() if isinstance(m, CrossAttention) and m.shifting)
        return list(found)

    def draw_shifts(
        self, generator: torch.Generator | None = None, frames: int | None = None
    ) -> list[int]:
        """One window shift for each shifting block in forward order, uniform in 0..frames − window.

        generator: a CPU generator (default: torch's own); frames: of the video (default: configured).
        """
        frames = frames or self.config.frames
        return [
            int(torch.randint(0, max(frames - m.window, 0) + 1, (), generator=generator))
            for m in self.shifting
        ]

    def forward(
        self, video: Tensor, audio: Tensor, t: Tensor, shifts: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Denoise video[B, F, 3, H, W] and audio[B, 2, T] at diffusion times t[B].

        shifts: the windows' shifts (see `draw_shifts`); without them they are drawn from torch's
        default generator. Returns two tensors of the inputs' shapes and number formats (video of
        twice the channels with a learned variance); computed in the parameters' number format, or
        under autocast. ValueError if a shape does not fit the network.
        """
        self._check(video, audio)
        shifts = self.draw_shifts(frames=video.shape[1]) if shifts is None else shifts
        if len(shifts) != len(self.shifting):
            raise ValueError(f"expected {len(self.shifting)} shifts, not {len(shifts)}")
        video, audio = self.denoise((video, audio), t, shifts)
        return video, audio

    def _check(self, video: Tensor, audio: Tensor) -> None:
        c = self.config
        self.check_video(video)
        if audio.ndim != 3 or audio.shape[1] != c.audio_channels:
            raise ValueError(f"audio [B, {c.audio_channels}, T] expected, not {tuple(audio.shape)}")
        stretch = c.audio_patch * 4 ** (len(c.multipliers) - 1)
        if audio.shape[2] % stretch:
            raise ValueError(f"a sound divisible by {stretch} expected, not {tuple(audio.shape)}")


class _Evaluation:
    """One forward pass along one of the two paths, of all modalities that the network has."""

    def __init__(self, net: CoupledUNet, ops: Fast | Plain, shifts: Iterator[int]) -> None:
        self.net, self.ops, self.shifts = net, ops, shifts

    def run(self, parts: State, t: Tensor) -> State:
        net, ops, c = self.net, self.ops, self.net.config
        kind = next(net.parameters()).dtype
        embedding = net.time_embed(time_features(t, c.channels).to(kind))
        kept: list[State] = []
        video, *sound = (part.to(kind) for part in parts)
        entering = (self.patched(video), *(_fold(y, c.audio_patch) for y in sound))
        h = tuple(ops.enter(x) for x in entering)
        for stage in net.input_blocks:
            h = self.stage(stage, h, embedding)
            kept.append(h)
        h = self.stage(net.middle_blocks, h, embedding)
        for i, stage in enumerate(net.output_blocks):
            h = self.stage(stage, self.join(i, h, kept.pop()), embedding)
        made = (ops.output(x, head) for x, head in zip(h, net.heads, strict=True))
        video, *sound = (ops.leave(x) for x in made)
        video = F.pixel_shuffle(video, c.video_patch)
        clean = (video, *(_unfold(y, c.audio_patch) for y in sound))
        return tuple(x.to(part.dtype) for x, part in zip(clean, parts, strict=True))

    def patched(self, video: Tensor) -> Tensor:
        """Patches as channels, and where asked for each position's coordinates in −1..1."""
        x = F.pixel_unshuffle(video, self.net.config.video_patch)
        if not self.net.config.coordinates:
            return x
        b, f, _, h, w = x.shape
        across = torch.linspace(-1, 1, w, device=x.device, dtype=x.dtype).expand(b, f, 1, h, w)
        down = torch.linspace(-1, 1, h, device=x.device, dtype=x.dtype)[:, None]
        return torch.cat([x, across, down.expand(b, f, 1, h, w)], dim=2)

    def join(self, i: int, h: State, skip: State) -> State:
        """Bring in the skip connection of output block i."""
        ops = self.ops
        if self.net.config.skips == "concat":
            return tuple(ops.concatenate(x, s) for x, s in zip(h, skip, strict=True))
        fit: Any = self.net.skip_projections[i]
        if len(fit):
            skip = tuple(ops.conv(s, conv) for s, conv in zip(skip, fit.values(), strict=True))
        return tuple(x + s for x, s in zip(h, skip, strict=True))

    def stage(self, stage: Any, h: State, emb: Tensor) -> State:
        for layer in stage:
            if isinstance(layer, ResBlock):
                h = self.block(layer, h, emb)
            elif isinstance(layer, CrossAttention):
                shift = next(self.shifts) if layer.shifting else 0
                h = self.saved(self.ops.cross, *h, layer, shift)
            elif isinstance(layer, Initial):
                h = tuple(
                    self.ops.conv(x, conv) for x, conv in zip(h, layer.children(), strict=True)
                )
            else:
                h = tuple(self.ops.resample(x, "up") for x in h)
        return h

    def block(self, b: ResBlock, h: State, emb: Tensor) -> State:
        e, ops = b.emb_layers(emb), self.ops
        x, *sound = (ops.residual(y, *half, e, b) for y, half in zip(h, b.halves, strict=True))
        if b.spatial_attention_block is not None:
            x = self.saved(ops.attend_space, x, b.spatial_attention_block)
            x = self.saved(ops.attend_time, x, b.temporal_attention_block)
        if b.audio_attention_block is not None:
            sound = [self.saved(ops.attend_sound, y, b.audio_attention_block) for y in sound]
        return (x, *sound)

    def saved(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)`, recomputed in the backward pass if the network says so."""
        if self.net.checkpoint_attention and torch.is_grad_enabled():
            return checkpoint(function, *arguments, use_reentrant=False)
        return function(*arguments)


def _fold(audio: Tensor, patch: int) -> Tensor:
    """[B, C, T] → [B, C·patch, T/patch]."""
    return audio.unflatten(2, (-1, patch)).transpose(2, 3).flatten(1, 2) if patch > 1 else audio


def _unfold(audio: Tensor, patch: int) -> Tensor:
    """The inverse of `_fold`."""
    return audio.unflatten(1, (-1, patch)).transpose(2, 3).flatten(2) if patch > 1 else audio


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
    `class_cond`, which the published joint network ignores) are accepted and left aside. As
    published, the middle block has cross-modal attention only with windows 1,4,8, and a learned
    variance doubles the video's channels alone.
    """
    given = {**RELEASED, **(published or {})}
    video, audio = numbers(given["video_size"]), numbers(given["audio_size"])
    multipliers: tuple[float, ...] = numbers(given["channel_mult"])
    if not multipliers:
        if video[-1] not in BY_SIDE:
            raise ValueError(f"no default channel_mult for pictures of {video[-1]} pixels")
        multipliers = BY_SIDE[video[-1]]
    windows = numbers(given["cross_attention_windows"])
    head = int(given["num_head_channels"])
    return JointUNetConfig(
        frames=video[0],
        video_channels=video[1],
        audio_channels=audio[0],
        channels=int(given["num_channels"]),
        multipliers=multipliers,
        blocks=int(given["num_res_blocks"]),
        heads=int(given["num_heads"]),
        head_channels=None if head == -1 else head,
        cross_at=tuple(n for n in numbers(given["cross_attention_resolutions"]) if n > 0),
        windows=windows,
        shift=bool(given["cross_attention_shift"]),
        middle_cross=windows == (1, 4, 8),
        video_at=tuple(n for n in numbers(given["video_attention_resolutions"]) if n > 0),
        audio_at=tuple(n for n in numbers(given["audio_attention_resolutions"]) if n > 0),
        video_conv=str(given["video_type"]),
        scale_shift=bool(given["use_scale_shift_norm"]),
        upsample=bool(given["resblock_updown"]),
        learn_variance=bool(given["learn_sigma"]),
        dropout=float(given["dropout"]),
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

FORMAT = ModelFormat(
    kind="joint_unet",
    config=JointUNetConfig,
    build=JointUNet,
    from_published=published_config,
    card={"mirrored": True},
)
