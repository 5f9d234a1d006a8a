"""The blocks of the coupled U-Net: modules under the names of the published checkpoints.

A block's `forward` takes the operations that it computes with (`unet_ops.Operations`), so that one
text serves the fast and the plain path. Video and audio go through a network together, as a `State`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from savg.models.unet_ops import Operations

State = tuple[Tensor, ...]
"""One tensor for each modality that a network has: video, then audio."""


class Conditions(NamedTuple):
    """Inputs that all blocks of one evaluation share.

    embedding: of the diffusion times [B, channels]; shifts: of the windows, by
    `CrossAttention.place`; ops: the path.
    """

    embedding: Tensor
    shifts: Sequence[int]
    ops: Operations


M = TypeVar("M", bound=nn.Module)


def zeroed(module: M) -> M:
    """`module` with all parameters zero, as the last layer of a residual branch starts."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def time_features(t: Tensor, channels: int) -> Tensor:
    """Sinusoidal features of diffusion times t[B], float32 [B, channels]; periods 2π to 2π·10⁴."""
    half = channels // 2
    rates = torch.arange(half, device=t.device, dtype=torch.float32) * (-math.log(10000.0) / half)
    phase = t.float()[:, None] * rates.exp()
    features = torch.cat([phase.cos(), phase.sin()], dim=1)
    return nn.functional.pad(features, (0, channels % 2))


class Norm(nn.Module):
    """Group normalisation; statistics of a video run over frames and pixels together."""

    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__()
        self.GroupNorm = nn.GroupNorm(groups, channels)

    def forward(
        self,
        x: Tensor,
        ops: Operations,
        act: bool = False,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> Tensor:
        """See `Operations.norm`."""
        return ops.norm(x, self.GroupNorm, act, scale, shift)


class VideoConv(nn.Module):
    """A video convolution: in space and then in time ("2d+1d"), or in both at once ("3d")."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, kind: str = "2d+1d") -> None:
        super().__init__()
        self.kind = kind
        if kind == "3d":
            self.video_conv = nn.Conv3d(inputs, outputs, kernel, padding="same")
        else:
            self.video_conv_spatial = nn.Conv2d(inputs, outputs, kernel, padding="same")
            self.video_conv_temporal = nn.Conv1d(outputs, outputs, kernel, padding="same")

    def forward(self, x: Tensor, ops: Operations, down: bool = False) -> Tensor:
        """The convolution, followed by `Operations.downsample` if `down`."""
        if self.kind == "3d":
            h = ops.conv3d(x, self.video_conv)
            return ops.downsample(h) if down else h
        h = ops.conv2d(x, self.video_conv_spatial)
        if down and ops.reorders:
            return ops.conv_time(ops.downsample(h), self.video_conv_temporal)
        h = ops.conv_time(h, self.video_conv_temporal)
        return ops.downsample(h) if down else h


class AudioConv(nn.Module):
    """A convolution along time, dilated by `dilation` positions."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, dilation: int = 1) -> None:
        super().__init__()
        self.dilation = dilation
        self.audio_conv = nn.Conv1d(inputs, outputs, kernel, padding="same", dilation=dilation)

    def forward(self, x: Tensor, ops: Operations, down: bool = False) -> Tensor:
        """The convolution, followed by `Operations.downsample` if `down`."""
        if down and ops.reorders and self.dilation % 4 == 0:
            return ops.conv1d(ops.downsample(x), self.audio_conv, self.dilation // 4)
        h = ops.conv1d(x, self.audio_conv)
        return ops.downsample(h) if down else h


class Attention(nn.Module):
    """Attention whose `attend` is recomputed in the backward pass where `checkpointed` is set."""

    checkpointed = False
    attend: Callable[..., Any]

    def forward(self, *arguments: Any) -> Any:
        """`attend(*arguments)`."""
        if self.checkpointed and torch.is_grad_enabled():
            return checkpoint(self.attend, *arguments, use_reentrant=False)
        return self.attend(*arguments)


class SelfAttention(Attention):
    """Attention among the positions of audio or sequences, with a residual connection."""

    def __init__(self, channels: int, heads: int, groups: int = 32) -> None:
        super().__init__()
        self.heads = heads
        self.norm = Norm(channels, groups)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = zeroed(nn.Conv1d(channels, channels, 1))

    def attend(self, x: Tensor, ops: Operations) -> Tensor:
        """[N, C, L] → the same shape."""
        h = ops.attend(ops.conv1d(self.norm(x, ops), self.qkv), self.heads)
        return x + ops.conv1d(h, self.proj_out)


class CrossAttention(Attention):
    """Video attends to audio and audio to video, frame by frame within a window.

    window: frames of the other modality that a frame attends to; place: index of the window's shift
    among those of an evaluation, None for a window that starts at its own frame.
    """

    def __init__(
        self, channels: int, heads: int, window: int, place: int | None, groups: int = 32
    ) -> None:
        super().__init__()
        self.heads, self.window, self.place = heads, window, place
        self.v_norm = Norm(channels, groups)
        self.a_norm = Norm(channels, groups)
        self.v_qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.a_qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.video_proj_out = zeroed(VideoConv(channels, channels, 1, "3d"))
        self.audio_proj_out = zeroed(AudioConv(channels, channels, 1))

    def attend(self, h: State, conditions: Conditions) -> State:
        """Video and audio → the same shapes; see `Operations.attend_windows`."""
        video, audio = h
        ops, shift = conditions.ops, 0 if self.place is None else conditions.shifts[self.place]
        v_qkv = ops.conv1d(ops.sequence(self.v_norm(video, ops)), self.v_qkv)
        a_qkv = ops.conv1d(self.a_norm(audio, ops), self.a_qkv)
        frames = video.shape[1]
        y, z = ops.attend_windows(v_qkv, a_qkv, frames, self.heads, self.window, shift)
        y = ops.video(y, video.shape)
        return video + self.video_proj_out(y, ops), audio + self.audio_proj_out(z, ops)


class ResBlock(nn.Module):
    """Residual block of both modalities, conditioned on the time embedding.

    resample: "" or "down" or "up" (video by 2, audio by 4); audio: without it, the video's half.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        embedding: int,
        *,
        dropout: float = 0.0,
        kind: str = "2d+1d",
        dilation: int = 1,
        scale_shift: bool = True,
        resample: str = "",
        video_attention: bool = False,
        audio_attention: bool = False,
        heads: int = 4,
        groups: int = 32,
        audio: bool = True,
    ) -> None:
        super().__init__()
        self.scale_shift, self.resample, self.audio = scale_shift, resample, audio
        self.video_in_layers = nn.Sequential(
            Norm(inputs, groups), nn.SiLU(), VideoConv(inputs, outputs, 3, kind)
        )
        if audio:
            self.audio_in_layers = nn.Sequential(
                Norm(inputs, groups), nn.SiLU(), AudioConv(inputs, outputs, 3, dilation)
            )
        self.emb_layers = nn.Sequential(
            nn.SiLU(), nn.Linear(embedding, 2 * outputs if scale_shift else outputs)
        )
        self.video_out_layers = nn.Sequential(
            Norm(outputs, groups),
            nn.SiLU(),
            nn.Dropout(dropout),
            zeroed(VideoConv(outputs, outputs, 1, "3d")),
        )
        if audio:
            self.audio_out_layers = nn.Sequential(
                Norm(outputs, groups),
                nn.SiLU(),
                nn.Dropout(dropout),
                zeroed(AudioConv(outputs, outputs, 1)),
            )
        self.video_skip_connection: nn.Module | None = None
        self.audio_skip_connection: nn.Module | None = None
        if inputs != outputs:
            self.video_skip_connection = VideoConv(inputs, outputs, 1, "3d")
            self.audio_skip_connection = AudioConv(inputs, outputs, 1) if audio else None
        self.spatial_attention_block: SelfAttention | None = None
        self.temporal_attention_block: SelfAttention | None = None
        self.audio_attention_block: SelfAttention | None = None
        if video_attention:
            self.spatial_attention_block = SelfAttention(outputs, heads, groups)
            self.temporal_attention_block = SelfAttention(outputs, heads, groups)
        if audio_attention and audio:
            self.audio_attention_block = SelfAttention(outputs, heads, groups)

    def forward(self, h: State, conditions: Conditions) -> State:
        """Each modality's residual half, then attention within the modalities."""
        ops, embedding = conditions.ops, self.emb_layers(conditions.embedding)
        video, *audio = (
            self._residual(x, *half, embedding, ops)
            for x, half in zip(h, self._halves, strict=True)
        )
        if self.spatial_attention_block is not None and self.temporal_attention_block is not None:
            video = ops.over_pixels(video, self.spatial_attention_block)
            video = ops.over_frames(video, self.temporal_attention_block)
        if self.audio_attention_block is not None:
            audio = [self.audio_attention_block(y, ops) for y in audio]
        return (video, *audio)

    @property
    def _halves(self) -> list[tuple[Any, Any, nn.Module | None]]:
        """Inner layers, outer layers and skip connection of each modality."""
        video = (self.video_in_layers, self.video_out_layers, self.video_skip_connection)
        if not self.audio:
            return [video]
        return [video, (self.audio_in_layers, self.audio_out_layers, self.audio_skip_connection)]

    def _residual(
        self,
        x: Tensor,
        inner: Any,
        outer: Any,
        skip: nn.Module | None,
        embedding: Tensor,
        ops: Operations,
    ) -> Tensor:
        """One modality's half; embedding [B, outputs], or with scales and shifts [B, 2·outputs]."""
        norm, _, conv = inner
        h = conv(norm(x, ops, act=True), ops, down=self.resample == "down")
        if self.resample == "down":
            x = ops.downsample(x)
        if self.resample == "up" and not ops.reorders:
            h, x = ops.upsample(h), ops.upsample(x)
        norm, _, dropout, conv = outer
        if self.scale_shift:
            scale, shift = embedding.chunk(2, dim=1)
            h = norm(h, ops, act=True, scale=scale, shift=shift)
        else:
            h = norm(ops.add(h, embedding), ops, act=True)
        h = (x if skip is None else skip(x, ops)) + conv(dropout(h), ops)
        return ops.upsample(h) if self.resample == "up" and ops.reorders else h


class Upsample(nn.Module):
    """Repetition of all modalities, where no residual block upsamples."""

    def forward(self, h: State, conditions: Conditions) -> State:
        return tuple(conditions.ops.upsample(x) for x in h)


class Initial(nn.Module):
    """First convolution of each modality."""

    def __init__(self, video: int, audio: int, outputs: int) -> None:
        super().__init__()
        self.video_conv = VideoConv(video, outputs, 3)
        if audio:
            self.audio_conv = AudioConv(audio, outputs, 3)

    def forward(self, h: State, conditions: Conditions) -> State:
        return tuple(conv(x, conditions.ops) for x, conv in zip(h, self.children(), strict=True))


class Stage(nn.Sequential):
    """The layers of one step down or up, under their published numbers."""

    def forward(self, h: State, conditions: Conditions) -> State:  # type: ignore[override]
        for layer in self:
            h = layer(h, conditions)
        return h


class AddedSkip(nn.ModuleDict):
    """A skip connection that is added; without layers where the channels fit as they are."""

    def __init__(self, skip: int, width: int, audio: bool) -> None:
        super().__init__()
        if skip != width:
            self["video"] = VideoConv(skip, width, 1, "3d")
            if audio:
                self["audio"] = AudioConv(skip, width, 1)

    def forward(self, h: State, skip: State, ops: Operations) -> State:
        if len(self):
            skip = tuple(conv(s, ops) for s, conv in zip(skip, self.values(), strict=True))
        return tuple(x + s for x, s in zip(h, skip, strict=True))


class Head(nn.Sequential):
    """Normalisation, SiLU and the last convolution of one modality."""

    def __init__(self, width: int, groups: int, conv: nn.Module) -> None:
        super().__init__(Norm(width, groups), nn.SiLU(), zeroed(conv))

    def forward(self, x: Tensor, ops: Operations) -> Tensor:  # type: ignore[override]
        norm, _, conv = self
        return conv(norm(x, ops, act=True), ops)
