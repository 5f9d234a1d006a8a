"""The coupled U-Net that denoises video and stereo sound together (stereo MM-Diffusion, [S1] [S2]).

Two U-Nets, one for the picture and one for the sound, share their time embedding and exchange what
they know through windowed cross-modal attention. `CONFIGS["full"]` is the released network; `"demo"`
is the same class made small enough to train on two CPU cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from savg.hub import ModelFormat
from savg.models.joint_config import JointUNetConfig, published_config
from savg.models.joint_layout import Initial, Layout
from savg.models.unet_fast import Fast
from savg.models.unet_layers import CrossAttention, ResBlock, time_features
from savg.models.unet_plain import Plain

State = tuple[Tensor, ...]
"""One tensor for each modality that a network has: picture, then sound."""


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


FORMAT = ModelFormat(
    kind="joint_unet",
    config=JointUNetConfig,
    build=JointUNet,
    from_published=published_config,
    card={"mirrored": True},
)
