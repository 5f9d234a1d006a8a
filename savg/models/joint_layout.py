"""Which blocks the coupled U-Net has, in which order, with which channels and dilations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from savg.models.joint_config import JointUNetConfig
from savg.models.unet_layers import (
    AddedSkip,
    AudioConv,
    CrossAttention,
    Head,
    Initial,
    ResBlock,
    Stage,
    Upsample,
    VideoConv,
)

MAX_DILATION = 10


@dataclass(frozen=True)
class Blocks:
    """The blocks of a network, in the order of the published checkpoints.

    skip_projections: None where skips are concatenated; audio_out: None without audio.
    """

    input_blocks: nn.ModuleList
    middle_blocks: Stage
    output_blocks: nn.ModuleList
    skip_projections: nn.ModuleList | None
    audio_out: Head | None
    video_out: Head


def build_blocks(config: JointUNetConfig) -> Blocks:
    """The blocks of a configuration, with new weights."""
    return _Layout(config).build()


class _Layout:
    """Lays out the blocks in the published order, with the published audio dilations."""

    def __init__(self, config: JointUNetConfig) -> None:
        self.config = config
        self.step = 1  # of the audio dilations 2^(step mod 10): up on the way down, and back
        self.shifting = 0

    def build(self) -> Blocks:
        inputs, width, skips = self.encoder()
        middle = self.middle(width)
        self.step -= 1
        outputs, projections, width = self.decoder(width, skips)
        return Blocks(inputs, middle, outputs, projections, *self.heads(width))

    def encoder(self) -> tuple[nn.ModuleList, int, list[int]]:
        """Its stages, the channels of the last, and those of every stage."""
        c = self.config
        video = c.video_channels * c.video_patch**2 + (2 if c.coordinates else 0)
        width, factor = c.widths[0], 1
        stages = nn.ModuleList([Stage(Initial(video, c.audio_channels * c.audio_patch, width))])
        skips = [width]
        for level, out in enumerate(c.widths):
            for _ in range(c.depths[level]):
                stages.append(Stage(*self.layers(width, out, factor)))
                width = out
                self.step += 1
                skips.append(width)
            if level < len(c.widths) - 1:
                stages.append(Stage(self.block(width, width, resample="down")))
                self.step += 1
                skips.append(width)
                factor *= 2
        return stages, width, skips

    def middle(self, width: int) -> Stage:
        both = {"video_attention": True, "audio_attention": True}
        layers: list[nn.Module] = [self.block(width, width, **both)]
        if self.config.middle_cross:
            layers.append(self.cross(width, self.config.frames, False))
        layers.append(self.block(width, width, **both))
        return Stage(*layers)

    def decoder(
        self, width: int, skips: list[int]
    ) -> tuple[nn.ModuleList, nn.ModuleList | None, int]:
        """Its stages, the projections of added skips, and the channels of the last stage."""
        c, factor = self.config, 2 ** (len(self.config.widths) - 1)
        stages = nn.ModuleList()
        projections = nn.ModuleList() if c.skips == "add" else None
        for level in reversed(range(len(c.widths))):
            for i in range(c.depths[level] + 1):
                skip, out = skips.pop(), c.widths[level]
                if projections is not None:
                    projections.append(AddedSkip(skip, width, bool(c.audio_channels)))
                    skip = 0
                layers = self.layers(width + skip, out, factor)
                self.step -= 1
                width = out
                if level and i == c.depths[level]:
                    # Added skips are narrow: the finer scale's width before its many positions.
                    next_width = c.widths[level - 1] if c.skips == "add" else width
                    if c.upsample:
                        layers.append(self.block(width, next_width, resample="up"))
                        width = next_width
                    else:
                        layers.append(Upsample())
                    factor //= 2
                stages.append(Stage(*layers))
        return stages, projections, width

    def heads(self, width: int) -> tuple[Head | None, Head]:
        """The last layers of audio and video."""
        c = self.config
        audio, audio_out = c.audio_channels * c.audio_patch, None
        video = c.video_channels * c.video_patch**2 * (2 if c.learn_variance else 1)
        if audio:
            audio_out = Head(width, c.groups, AudioConv(width, audio, 3))
        return audio_out, Head(width, c.groups, VideoConv(width, video, 3, "3d"))

    def layers(self, inputs: int, outputs: int, factor: int) -> list[nn.Module]:
        """A residual block and, where configured, cross-modal attention."""
        c = self.config
        attention = {
            "video_attention": factor in c.video_at,
            "audio_attention": factor in c.audio_at,
        }
        layers: list[nn.Module] = [self.block(inputs, outputs, **attention)]
        if factor in c.cross_at:
            layers.append(self.cross(outputs, c.windows[c.cross_at.index(factor)], c.shift))
        return layers

    def block(self, inputs: int, outputs: int, **options: Any) -> ResBlock:
        c = self.config
        return ResBlock(
            inputs,
            outputs,
            c.channels,
            dropout=c.dropout,
            kind=c.video_conv,
            dilation=2 ** (self.step % MAX_DILATION),
            scale_shift=c.scale_shift,
            heads=c.heads,
            groups=c.groups,
            audio=bool(c.audio_channels),
            **options,
        )

    def cross(self, channels: int, window: int, shifting: bool) -> CrossAttention:
        c = self.config
        heads = channels // c.head_channels if c.head_channels else c.heads
        place = self.shifting if shifting else None
        self.shifting += shifting
        return CrossAttention(channels, heads, window, place, c.groups)
