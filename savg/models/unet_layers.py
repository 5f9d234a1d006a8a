"""Parameter holders and block topology that the coupled U-Net and its two evaluation paths share.

Modules here own parameters under the names of the published checkpoints; how they are evaluated is
decided by an `Ops` object (`savg.models.unet_ops`): plain, or fast.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def zeroed(module: nn.Module) -> nn.Module:
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
    """Group normalisation; video statistics run over frames and picture together."""

    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__()
        self.GroupNorm = nn.GroupNorm(groups, channels)


class VideoConv(nn.Module):
    """A video convolution: in space and then in time ("2d+1d"), or in both at once ("3d")."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, kind: str = "2d+1d") -> None:
        super().__init__()
        self.kind, self.kernel = kind, kernel
        if kind == "3d":
            self.video_conv = nn.Conv3d(inputs, outputs, kernel, padding="same")
        else:
            self.video_conv_spatial = nn.Conv2d(inputs, outputs, kernel, padding="same")
            self.video_conv_temporal = nn.Conv1d(outputs, outputs, kernel, padding="same")


class AudioConv(nn.Module):
    """A convolution along time, dilated by `dilation` samples."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, dilation: int = 1) -> None:
        super().__init__()
        self.kernel, self.dilation = kernel, dilation
        self.audio_conv = nn.Conv1d(inputs, outputs, kernel, padding="same", dilation=dilation)


class SelfAttention(nn.Module):
    """Attention among the positions of one sequence, with a residual connection."""

    def __init__(self, channels: int, heads: int, groups: int = 32) -> None:
        super().__init__()
        self.heads = heads
        self.norm = Norm(channels, groups)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = zeroed(nn.Conv1d(channels, channels, 1))


class CrossAttention(nn.Module):
    """Picture attends to sound and sound to picture, frame by frame within a window.

    window: frames of the other modality that a frame sees; shifting: whether the window starts at a
    random offset, one for each evaluation.
    """

    def __init__(
        self, channels: int, heads: int, window: int, shifting: bool, groups: int = 32
    ) -> None:
        super().__init__()
        self.heads, self.window, self.shifting = heads, window, shifting
        self.v_norm = Norm(channels, groups)
        self.a_norm = Norm(channels, groups)
        self.v_qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.a_qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.video_proj_out = zeroed(VideoConv(channels, channels, 1, "3d"))
        self.audio_proj_out = zeroed(AudioConv(channels, channels, 1))


class ResBlock(nn.Module):
    """Residual block of both modalities, conditioned on the time embedding.

    resample: "" or "down" or "up" (picture by 2, sound by 4); sound: without it, the picture's half.
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
        sound: bool = True,
    ) -> None:
        super().__init__()
        self.scale_shift, self.resample, self.sound = scale_shift, resample, sound
        self.video_in_layers = nn.Sequential(
            Norm(inputs, groups), nn.SiLU(), VideoConv(inputs, outputs, 3, kind)
        )
        if sound:
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
        if sound:
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
            self.audio_skip_connection = AudioConv(inputs, outputs, 1) if sound else None
        self.spatial_attention_block: SelfAttention | None = None
        self.temporal_attention_block: SelfAttention | None = None
        self.audio_attention_block: SelfAttention | None = None
        if video_attention:
            self.spatial_attention_block = SelfAttention(outputs, heads, groups)
            self.temporal_attention_block = SelfAttention(outputs, heads, groups)
        if audio_attention and sound:
            self.audio_attention_block = SelfAttention(outputs, heads, groups)

    @property
    def halves(self) -> list[tuple[nn.Sequential, nn.Sequential, nn.Module | None]]:
        """Inner layers, outer layers and skip connection of each modality."""
        video = (self.video_in_layers, self.video_out_layers, self.video_skip_connection)
        if not self.sound:
            return [video]
        return [video, (self.audio_in_layers, self.audio_out_layers, self.audio_skip_connection)]
