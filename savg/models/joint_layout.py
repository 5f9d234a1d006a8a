"""Which blocks the coupled U-Net has, in which order, with which channels and dilations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from savg.models.unet_layers import AudioConv, CrossAttention, Norm, ResBlock, VideoConv, zeroed

if TYPE_CHECKING:
    from savg.models.joint_unet import CoupledUNet

MAX_DILATION = 10


class Stage(nn.Sequential):
    """The layers of one step down or up, under their published numbers."""


class Initial(nn.Module):
    """First convolution of each modality there is."""

    def __init__(self, video: int, audio: int, outputs: int) -> None:
        super().__init__()
        self.video_conv = VideoConv(video, outputs, 3)
        if audio:
            self.audio_conv = AudioConv(audio, outputs, 3)


class Enlarge(nn.Module):
    """Repetition of both modalities, where no residual block enlarges."""


class Layout:
    """Lays out the blocks in the published order, with the published audio dilations."""

    def __init__(self, net: CoupledUNet) -> None:
        self.net, self.config = net, net.config
        self.step = 1  # of the audio dilations 2^(step mod 10): up on the way down, and back

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
            sound=bool(c.audio_channels),
            **options,
        )

    def cross(self, channels: int, window: int, shifting: bool) -> CrossAttention:
        c = self.config
        heads = channels // c.head_channels if c.head_channels else c.heads
        return CrossAttention(channels, heads, window, shifting, c.groups)

    def layers(self, inputs: int, outputs: int, factor: int) -> list[nn.Module]:
        """A residual block and, where configured, cross-modal attention."""
        c = self.config
        attention = {
            "video_attention": factor in c.video_at,
            "audio_attention": factor in c.audio_at,
        }
        made: list[nn.Module] = [self.block(inputs, outputs, **attention)]
        if factor in c.cross_at:
            made.append(self.cross(outputs, c.windows[c.cross_at.index(factor)], c.shift))
        return made

    def build(self) -> None:
        c, net = self.config, self.net
        video = c.video_channels * c.video_patch**2 + (2 if c.coordinates else 0)
        width = c.widths[0]
        net.input_blocks.append(Stage(Initial(video, c.audio_channels * c.audio_patch, width)))
        skips, factor = [width], 1
        for level, out in enumerate(c.widths):
            for _ in range(c.depths[level]):
                net.input_blocks.append(Stage(*self.layers(width, out, factor)))
                width = out
                self.step += 1
                skips.append(width)
            if level < len(c.widths) - 1:
                net.input_blocks.append(Stage(self.block(width, width, resample="down")))
                self.step += 1
                skips.append(width)
                factor *= 2
        self.middle(width)
        self.step -= 1
        self.decoder(width, skips, factor)

    def middle(self, width: int) -> None:
        both = {"video_attention": True, "audio_attention": True}
        layers: list[nn.Module] = [self.block(width, width, **both)]
        if self.config.middle_cross:
            layers.append(self.cross(width, self.config.frames, False))
        layers.append(self.block(width, width, **both))
        self.net.middle_blocks = Stage(*layers)

    def decoder(self, width: int, skips: list[int], factor: int) -> None:
        c, net = self.config, self.net
        net.output_blocks = nn.ModuleList()
        if c.skips == "add":
            net.skip_projections = nn.ModuleList()
        for level in reversed(range(len(c.widths))):
            for i in range(c.depths[level] + 1):
                skip, out = skips.pop(), c.widths[level]
                if c.skips == "add":
                    net.skip_projections.append(_projection(skip, width, bool(c.audio_channels)))
                    skip = 0
                layers = self.layers(width + skip, out, factor)
                self.step -= 1
                width = out
                if level and i == c.depths[level]:
                    # Added skips are narrow: the finer scale's width before its many positions.
                    next_width = c.widths[level - 1] if c.skips == "add" else width
                    if c.upsample:
                        up: nn.Module = self.block(width, next_width, resample="up")
                        width = next_width
                    else:
                        up = Enlarge()
                    layers.append(up)
                    factor //= 2
                net.output_blocks.append(Stage(*layers))
        self.outputs(width)

    def outputs(self, width: int) -> None:
        c = self.config
        sound = c.audio_channels * c.audio_patch
        picture = c.video_channels * c.video_patch**2 * (2 if c.learn_variance else 1)
        if sound:
            self.net.audio_out = nn.Sequential(
                Norm(width, c.groups), nn.SiLU(), zeroed(AudioConv(width, sound, 3))
            )
        self.net.video_out = nn.Sequential(
            Norm(width, c.groups), nn.SiLU(), zeroed(VideoConv(width, picture, 3, "3d"))
        )


def _projection(skip: int, width: int, sound: bool) -> nn.ModuleDict:
    """Pointwise layers that fit an added skip to `width` channels; empty where it fits."""
    layers: dict[str, nn.Module] = {}
    if skip != width:
        layers["video"] = VideoConv(skip, width, 1, "3d")
        if sound:
            layers["audio"] = AudioConv(skip, width, 1)
    return nn.ModuleDict(layers)
