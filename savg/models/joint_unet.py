"""The coupled U-Net that denoises video and stereo audio together (stereo MM-Diffusion, [S1] [S2]).

Two U-Nets, one for the video and one for the audio, share their time embedding and exchange
information through windowed cross-modal attention. `CONFIGS["full"]` is the released network;
`"demo"` is the same class made small enough to train on two CPU cores.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from savg.hub import ModelFormat
from savg.models.direction import DirectionBranch, check_fits
from savg.models.joint_config import JointUNetConfig, published_config
from savg.models.joint_layout import build_blocks
from savg.models.unet_fast import FAST
from savg.models.unet_layers import Attention, Conditions, CrossAttention, State, time_features
from savg.models.unet_ops import Operations
from savg.models.unet_plain import PLAIN


class CoupledUNet(nn.Module):
    """What networks of video and audio, or of video alone, share: their blocks.

    `fast = False` selects the plain reference path.
    """

    def __init__(self, config: JointUNetConfig, fast: bool = True) -> None:
        super().__init__()
        self.config, self.fast = config, fast
        c = config.channels
        self.time_embed = nn.Sequential(nn.Linear(c, c), nn.SiLU(), nn.Linear(c, c))
        blocks = build_blocks(config)
        self.input_blocks = blocks.input_blocks
        self.middle_blocks = blocks.middle_blocks
        self.output_blocks = blocks.output_blocks
        if blocks.skip_projections is not None:
            self.skip_projections = blocks.skip_projections
        if blocks.audio_out is not None:
            self.audio_out = blocks.audio_out
        self.video_out = blocks.video_out
        self.direction: DirectionBranch | None = None
        if config.direction:
            self.direction = DirectionBranch(c, config.widths[0], bool(config.audio_channels))

    @property
    def heads(self) -> list[nn.Module]:
        """The last layers of each modality."""
        return [self.video_out, *([self.audio_out] if self.config.audio_channels else [])]

    @property
    def checkpoint_attention(self) -> bool:
        """Whether attention is recomputed in the backward pass, to save memory."""
        return any(m.checkpointed for m in self.modules() if isinstance(m, Attention))

    @checkpoint_attention.setter
    def checkpoint_attention(self, saving: bool) -> None:
        for module in self.modules():
            if isinstance(module, Attention):
                module.checkpointed = saving

    def denoise(
        self,
        parts: State,
        t: Tensor,
        shifts: Sequence[int] = (),
        direction: Tensor | None = None,
    ) -> State:
        """Evaluate on video[B, F, 3, H, W] and, in a network with audio, audio[B, 2, T].

        direction: [B, 2 + points] as in `savg.models.direction`, None for undirected clips.
        """
        ops, dtype = FAST if self.fast else PLAIN, next(self.parameters()).dtype
        embedding = self.time_embed(time_features(t, self.config.channels).to(dtype))
        if direction is not None:
            embedding = embedding + self._branch(direction).embedding(direction)
        conditions = Conditions(embedding, tuple(shifts), ops)
        patches = self._patches(tuple(part.to(dtype) for part in parts))
        h = tuple(ops.enter(x) for x in patches)
        skips: list[State] = []
        for i, stage in enumerate(self.input_blocks):
            h = stage(h, conditions)
            if i == 0 and direction is not None:
                h = self._placed(h, patches, direction, ops)
            skips.append(h)
        h = self.middle_blocks(h, conditions)
        for i, stage in enumerate(self.output_blocks):
            h = stage(self._join(i, h, skips.pop(), ops), conditions)
        ends = tuple(ops.leave(head(x, ops)) for x, head in zip(h, self.heads, strict=True))
        return tuple(x.to(part.dtype) for x, part in zip(self._unpatched(ends), parts, strict=True))

    def _branch(self, direction: Tensor) -> DirectionBranch:
        """The branch that takes directions; ValueError for a network without one, or other points."""
        check_fits(direction, self.config.direction)
        assert self.direction is not None
        return self.direction

    def _placed(self, h: State, patches: State, direction: Tensor, ops: Operations) -> State:
        """First features of each modality with what is told of their places."""
        video, *audio = patches
        times = audio[0].shape[2] if audio else 0
        added = self._branch(direction).places(direction, video.shape[1], video.shape[4], times)
        return tuple(x + ops.enter(y) for x, y in zip(h, added, strict=True))

    def _join(self, i: int, h: State, skip: State, ops: Operations) -> State:
        """Bring in the skip connection of output block i."""
        if self.config.skips == "add":
            return self.skip_projections[i](h, skip, ops)
        return tuple(ops.concatenate(x, s) for x, s in zip(h, skip, strict=True))

    def _patches(self, parts: State) -> State:
        """Patches as channels and, where configured, each position's coordinates in −1..1."""
        video, *audio = parts
        x = F.pixel_unshuffle(video, self.config.video_patch)
        if self.config.coordinates:
            b, f, _, h, w = x.shape
            across = torch.linspace(-1, 1, w, device=x.device, dtype=x.dtype)
            down = torch.linspace(-1, 1, h, device=x.device, dtype=x.dtype)[:, None]
            both = (across.expand(b, f, 1, h, w), down.expand(b, f, 1, h, w))
            x = torch.cat([x, *both], dim=2)
        return (x, *(_fold(y, self.config.audio_patch) for y in audio))

    def _unpatched(self, parts: State) -> State:
        """The inverse of `_patches`, without coordinates."""
        video, *audio = parts
        x = F.pixel_shuffle(video, self.config.video_patch)
        return (x, *(_unfold(y, self.config.audio_patch) for y in audio))

    def check_inputs(self, video: Tensor, *others: Tensor) -> None:
        """ValueError if a shape does not fit the network."""
        c = self.config
        if video.ndim != 5 or video.shape[2] != c.video_channels:
            raise ValueError(
                f"video must be [B, F, {c.video_channels}, H, W], got {tuple(video.shape)}"
            )
        cell = c.video_patch * 2 ** (len(c.multipliers) - 1)
        if video.shape[3] % cell or video.shape[4] % cell:
            raise ValueError(
                f"height and width of video must be divisible by {cell}, got {tuple(video.shape)}"
            )


class JointUNet(CoupledUNet):
    """The coupled U-Net of video and audio."""

    def __init__(self, config: JointUNetConfig, fast: bool = True) -> None:
        if not config.audio_channels:
            raise ValueError(
                f"audio_channels of a joint network must be ≥ 1, got {config.audio_channels}"
            )
        super().__init__(config, fast)

    @property
    def shifting(self) -> list[CrossAttention]:
        """The cross-modal attention blocks whose window is drawn, in forward order."""
        blocks = (m for m in self.modules() if isinstance(m, CrossAttention))
        return [block for block in blocks if block.place is not None]

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
        self,
        video: Tensor,
        audio: Tensor,
        t: Tensor,
        shifts: Sequence[int] | None = None,
        direction: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Denoise video[B, F, 3, H, W] and audio[B, 2, T] at diffusion times t[B].

        shifts: the windows' shifts (see `draw_shifts`); without them they are drawn from torch's
        default generator. direction: what the clips shall be, see `savg.models.direction`.

        Returns two tensors of the inputs' shapes and number formats (video of twice the channels with
        a learned variance); computed in the parameters' number format, or under autocast. ValueError
        if a shape does not fit the network.
        """
        self.check_inputs(video, audio)
        shifts = self.draw_shifts(frames=video.shape[1]) if shifts is None else shifts
        if len(shifts) != len(self.shifting):
            raise ValueError(f"there must be {len(self.shifting)} shifts, got {len(shifts)}")
        video, audio = self.denoise((video, audio), t, shifts, direction)
        return video, audio

    def check_inputs(self, video: Tensor, *others: Tensor) -> None:
        super().check_inputs(video)
        c, (audio,) = self.config, others
        if audio.ndim != 3 or audio.shape[1] != c.audio_channels:
            raise ValueError(f"audio must be [B, {c.audio_channels}, T], got {tuple(audio.shape)}")
        stretch = c.audio_patch * 4 ** (len(c.multipliers) - 1)
        if audio.shape[2] % stretch:
            raise ValueError(
                f"length of audio must be divisible by {stretch}, got {tuple(audio.shape)}"
            )


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
