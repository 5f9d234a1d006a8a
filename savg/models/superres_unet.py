"""The super-resolution U-Net: denoises a large frame given its small version (guided diffusion).

[S1] takes guided diffusion's 64 → 256 upsampler (Dhariwal and Nichol 2021, Nichol and Dhariwal 2021
for the learned variance). `CONFIGS["full"]` is the released network; `"demo"` is the same class with
2×2 patches as positions, small enough to train on two CPU cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from savg.fields import Between, Channels, Heads, Patch, Share, check
from savg.hub import ModelFormat
from savg.models.joint_config import Blocks, Factors, Multipliers
from savg.models.published import numbers
from savg.models.unet_fast import FAST
from savg.models.unet_layers import time_features, zeroed
from savg.models.unet_ops import Operations
from savg.models.unet_plain import PLAIN


@dataclass(frozen=True)
class SuperResUNetConfig:
    """Everything that decides the network's shape; the defaults are the released configuration.

    channels · multipliers: channels of each scale; blocks: residual blocks a scale; heads,
    up_heads: of attention on the way down and up; head_channels: width of a head instead;
    attention_at: down-sampling factors with attention; resample_blocks: residual blocks change the
    scale (else plain convolutions); learn_variance: three more outputs; classes: of a
    class-conditional network; patch: side of the pixel patches that become one position; residual:
    the network's prediction is added to the upsampled small frame, for networks that predict the
    clean frame; image_channels: of the frames; scale_shift: the time scales and shifts activations
    (else is added to them); dropout: share of activations; groups: of group normalisation.
    """

    image_channels: Annotated[int, Between(1, 64)] = 3
    channels: Channels = 192
    multipliers: Multipliers = (1, 1, 2, 2, 4, 4)
    blocks: Blocks = 2
    heads: Heads = 4
    up_heads: Heads | None = None
    head_channels: Channels | None = None
    attention_at: Factors = (8, 16, 32)
    scale_shift: bool = True
    resample_blocks: bool = True
    learn_variance: bool = True
    classes: Annotated[int, Between(0, 100_000)] | None = None
    dropout: Share = 0.0
    groups: Heads = 32
    patch: Patch = 1
    residual: bool = False

    def __post_init__(self) -> None:
        check(self)
        for width in self.widths:
            if not width or width % self.groups or width % (self.head_channels or self.heads):
                raise ValueError(
                    f"channels of a scale must divide into {self.groups} groups and into heads, "
                    f"got {width}"
                )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each scale."""
        return tuple(int(m * self.channels) for m in self.multipliers)


class ImageResBlock(nn.Module):
    """Residual block conditioned on the time embedding; resample: "", "down" or "up" (by 2)."""

    def __init__(
        self, inputs: int, outputs: int, config: SuperResUNetConfig, resample: str = ""
    ) -> None:
        super().__init__()
        self.scale_shift, self.resample = config.scale_shift, resample
        self.in_layers = nn.Sequential(
            nn.GroupNorm(config.groups, inputs),
            nn.SiLU(),
            nn.Conv2d(inputs, outputs, 3, padding=1),
        )
        embedded = 2 * outputs if config.scale_shift else outputs
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(4 * config.channels, embedded))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(config.groups, outputs),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            zeroed(nn.Conv2d(outputs, outputs, 3, padding=1)),
        )
        self.skip_connection: nn.Conv2d | None = None
        if inputs != outputs:
            self.skip_connection = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, embedding: Tensor, ops: Operations) -> Tensor:
        norm, _, conv = cast(Any, self.in_layers)
        h = ops.norm(x, norm, act=True)
        if self.resample:
            resample = ops.downsample if self.resample == "down" else ops.upsample
            h, x = resample(h), resample(x)
        h = ops.conv2d(h, conv)
        e = self.emb_layers(embedding)
        norm, _, dropout, conv = cast(Any, self.out_layers)
        if self.scale_shift:
            scale, shift = e.chunk(2, dim=1)
            h = ops.norm(h, norm, act=True, scale=scale, shift=shift)
        else:
            h = ops.norm(ops.add(h, e), norm, act=True)
        h = ops.conv2d(dropout(h), conv)
        skip = self.skip_connection
        return h + (x if skip is None else ops.conv2d(x, skip))


class ImageAttention(nn.Module):
    """Attention among all pixels, with a residual connection."""

    def __init__(self, channels: int, heads: int, groups: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = zeroed(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor, embedding: Tensor, ops: Operations) -> Tensor:
        return ops.over_pixels(x, self._among_pixels)

    def _among_pixels(self, x: Tensor, ops: Operations) -> Tensor:
        qkv = ops.conv1d(ops.norm(x, self.norm), self.qkv)
        return x + ops.conv1d(ops.attend(qkv, self.heads, interleaved=True), self.proj_out)


class Downsample(nn.Module):
    """Halving by a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, embedding: Tensor, ops: Operations) -> Tensor:
        return ops.conv2d(x, self.op)


class Upsample(nn.Module):
    """Doubling by repetition and a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, embedding: Tensor, ops: Operations) -> Tensor:
        return ops.conv2d(ops.upsample(x), self.conv)


class Stage(nn.Sequential):
    """The layers of one step down or up, under their published numbers."""

    def forward(self, x: Tensor, embedding: Tensor, ops: Operations) -> Tensor:  # type: ignore[override]
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                x = ops.conv2d(x, layer)
            else:
                x = layer(x, embedding, ops)
        return x


class SuperResUNet(nn.Module):
    """The super-resolution U-Net. `fast = False` selects the plain reference path."""

    def __init__(self, config: SuperResUNetConfig, fast: bool = True) -> None:
        super().__init__()
        self.config, self.fast = config, fast
        c, embedded = config, 4 * config.channels
        self.time_embed = nn.Sequential(
            nn.Linear(c.channels, embedded), nn.SiLU(), nn.Linear(embedded, embedded)
        )
        if c.classes is not None:
            self.label_emb = nn.Embedding(c.classes, embedded)
        width, skips, factor = c.widths[0], [c.widths[0]], 1
        pixels = c.image_channels * c.patch**2
        self.input_blocks = nn.ModuleList([Stage(nn.Conv2d(2 * pixels, width, 3, padding=1))])
        for level, out in enumerate(c.widths):
            for _ in range(c.blocks):
                attention = [self._attention(out)] if factor in c.attention_at else []
                self.input_blocks.append(Stage(ImageResBlock(width, out, c), *attention))
                width = out
                skips.append(width)
            if level < len(c.widths) - 1:
                down = ImageResBlock(width, width, c, "down") if c.resample_blocks else None
                self.input_blocks.append(Stage(down or Downsample(width)))
                skips.append(width)
                factor *= 2
        self.middle_block = Stage(
            ImageResBlock(width, width, c), self._attention(width), ImageResBlock(width, width, c)
        )
        self.output_blocks = nn.ModuleList()
        for level in reversed(range(len(c.widths))):
            for i in range(c.blocks + 1):
                out = c.widths[level]
                layers: list[nn.Module] = [ImageResBlock(width + skips.pop(), out, c)]
                width = out
                if factor in c.attention_at:
                    layers.append(self._attention(width, c.up_heads))
                if level and i == c.blocks:
                    up = ImageResBlock(width, width, c, "up") if c.resample_blocks else None
                    layers.append(up or Upsample(width))
                    factor //= 2
                self.output_blocks.append(Stage(*layers))
        outputs = pixels * (2 if c.learn_variance else 1)
        self.out = nn.Sequential(
            nn.GroupNorm(c.groups, width),
            nn.SiLU(),
            zeroed(nn.Conv2d(width, outputs, 3, padding=1)),
        )

    def _attention(self, channels: int, heads: int | None = None) -> ImageAttention:
        c = self.config
        count = channels // c.head_channels if c.head_channels else heads or c.heads
        return ImageAttention(channels, count, c.groups)

    def forward(
        self, frames: Tensor, t: Tensor, low_res: Tensor, labels: Tensor | None = None
    ) -> Tensor:
        """Denoise frames[N, 3, H, W] at diffusion times t[N], given low_res[N, 3, h, w].

        labels[N]: classes, for a class-conditional network. Returns [N, 6, H, W]: the prediction and
        the variance's place between its bounds (3 channels without a learned variance), in the
        number format of `frames`; computed in that of the parameters, or under autocast.
        ValueError if a shape does not fit the network.
        """
        c = self.config
        self.check_inputs(frames, labels)
        large = F.interpolate(low_res, frames.shape[2:], mode="bilinear", align_corners=False)
        x = F.pixel_unshuffle(torch.cat([frames, large.to(frames.dtype)], dim=1), c.patch)
        dtype = next(self.parameters()).dtype
        embedding = self.time_embed(time_features(t, c.channels).to(dtype))
        if labels is not None:
            embedding = embedding + self.label_emb(labels)
        output = F.pixel_shuffle(self._evaluate(x.to(dtype), embedding), c.patch).to(frames.dtype)
        if not c.residual:
            return output
        bicubic = F.interpolate(low_res.float(), frames.shape[2:], mode="bicubic")
        image, variance = output[:, : c.image_channels], output[:, c.image_channels :]
        return torch.cat([image + bicubic.to(image.dtype), variance], dim=1)

    def check_inputs(self, frames: Tensor, labels: Tensor | None = None) -> None:
        """ValueError if a shape does not fit the network."""
        c = self.config
        cell = c.patch * 2 ** (len(c.widths) - 1)
        channels = frames.ndim == 4 and frames.shape[1] == c.image_channels
        if not channels or frames.shape[2] % cell or frames.shape[3] % cell:
            raise ValueError(
                f"frames must be [N, {c.image_channels}, H, W] with sides divisible by {cell}, "
                f"got {tuple(frames.shape)}"
            )
        if (labels is None) != (c.classes is None):
            raise ValueError("labels must be given to a class-conditional network, and only to one")

    def _evaluate(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Patches [N, C, H, W] → the last convolution's channels."""
        ops = FAST if self.fast else PLAIN
        x = ops.enter(x)
        skips = []
        for stage in self.input_blocks:
            x = stage(x, embedding, ops)
            skips.append(x)
        x = self.middle_block(x, embedding, ops)
        for stage in self.output_blocks:
            x = stage(ops.concatenate(x, skips.pop()), embedding, ops)
        norm, _, conv = cast(Any, self.out)
        return ops.leave(ops.conv2d(ops.norm(x, norm, act=True), conv))


RELEASED: dict[str, Any] = {
    "large_size": 256,
    "sr_num_channels": 192,
    "sr_num_res_blocks": 2,
    "sr_num_heads": 4,
    "sr_num_heads_upsample": -1,
    "sr_num_head_channels": -1,
    "sr_attention_resolutions": "8,16,32",
    "sr_dropout": 0.0,
    "sr_class_cond": False,
    "sr_use_scale_shift_norm": True,
    "sr_resblock_updown": True,
    "sr_learn_sigma": True,
}
BY_SIDE = {512: (1, 1, 2, 2, 4, 4), 256: (1, 1, 2, 2, 4, 4), 64: (1, 2, 3, 4)}
PUBLISHED_CLASSES = 0  # the published script counts no classes: such a network has an empty table


def published_config(published: Mapping[str, Any] | None = None) -> SuperResUNetConfig:
    """Our configuration for the authors' constructor arguments (default: the released ones).

    `large_size` fixes the multipliers (256 and 512: 1,1,2,2,4,4; 64: 1,2,3,4), and the "resolutions"
    of attention are down-sampling factors, as in the published code. Arguments without a part in the
    network (small_size, diffusion schedule, number format) are accepted and ignored.
    """
    arguments = {**RELEASED, **(published or {})}
    side = int(arguments["large_size"])
    if side not in BY_SIDE:
        raise ValueError(f"large_size must be one of {', '.join(map(str, BY_SIDE))}, got {side}")
    head, up = int(arguments["sr_num_head_channels"]), int(arguments["sr_num_heads_upsample"])
    return SuperResUNetConfig(
        channels=int(arguments["sr_num_channels"]),
        multipliers=BY_SIDE[side],
        blocks=int(arguments["sr_num_res_blocks"]),
        heads=int(arguments["sr_num_heads"]),
        up_heads=None if up == -1 else up,
        head_channels=None if head == -1 else head,
        attention_at=numbers(arguments["sr_attention_resolutions"]),
        scale_shift=bool(arguments["sr_use_scale_shift_norm"]),
        resample_blocks=bool(arguments["sr_resblock_updown"]),
        learn_variance=bool(arguments["sr_learn_sigma"]),
        classes=PUBLISHED_CLASSES if arguments["sr_class_cond"] else None,
        dropout=float(arguments["sr_dropout"]),
    )


CONFIGS = {
    "full": SuperResUNetConfig(),
    "demo": SuperResUNetConfig(
        channels=32,
        multipliers=(1, 2, 3),
        blocks=1,
        attention_at=(4,),
        head_channels=32,
        groups=8,
        patch=2,
        residual=True,
    ),
    "tiny": SuperResUNetConfig(
        channels=16, multipliers=(1, 2), blocks=1, heads=2, attention_at=(2,), groups=8
    ),
}

FORMAT = ModelFormat(
    kind="superres_unet",
    config=SuperResUNetConfig,
    build=SuperResUNet,
    from_published=published_config,
)
