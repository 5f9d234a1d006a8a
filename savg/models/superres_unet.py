"""The super-resolution U-Net: denoises a large frame given its small version (guided diffusion).

[S1] takes guided diffusion's 64 → 256 upsampler (Dhariwal and Nichol 2021, Nichol and Dhariwal 2021
for the learned variance). `CONFIGS["full"]` is the released network; `"demo"` is the same class with
2×2 patches as positions, small enough to train on two CPU cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from savg.hub import ModelFormat
from savg.models.fused_norm import norm_act
from savg.models.published import numbers
from savg.models.unet_fast import linear
from savg.models.unet_layers import time_features, zeroed
from savg.models.unet_plain import attend


@dataclass(frozen=True)
class SuperResUNetConfig:
    """Everything that decides the network's shape; the defaults are the released configuration.

    channels · multipliers: channels of each scale; blocks: residual blocks a scale; heads, up_heads:
    of attention on the way down and up; head_channels: width of a head instead; attention_at:
    down-sampling factors with attention; resample_blocks: residual blocks change the scale (else
    plain convolutions); learn_variance: three more outputs; classes: of a class-conditional network;
    patch: side of the pixel patches that become one position; residual: the network's prediction is
    added to the enlarged small frame, for networks that predict the clean frame.
    """

    image_channels: int = 3
    channels: int = 192
    multipliers: tuple[float, ...] = (1, 1, 2, 2, 4, 4)
    blocks: int = 2
    heads: int = 4
    up_heads: int | None = None
    head_channels: int | None = None
    attention_at: tuple[int, ...] = (8, 16, 32)
    scale_shift: bool = True
    resample_blocks: bool = True
    learn_variance: bool = True
    classes: int | None = None
    dropout: float = 0.0
    groups: int = 32
    patch: int = 1
    residual: bool = False

    def __post_init__(self) -> None:
        for width in self.widths:
            if width % self.groups or width % (self.head_channels or self.heads):
                raise ValueError(
                    f"{width} channels do not divide into {self.groups} groups and the "
                    f"configured attention heads"
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
        self.skip_connection: nn.Module | None = None
        if inputs != outputs:
            self.skip_connection = nn.Conv2d(inputs, outputs, 1)


class ImageAttention(nn.Module):
    """Attention among all pixels, with a residual connection."""

    def __init__(self, channels: int, heads: int, groups: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = zeroed(nn.Conv1d(channels, channels, 1))


class Shrink(nn.Module):
    """Halving by a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)


class Enlarge(nn.Module):
    """Doubling by repetition and a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)


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
        self.input_blocks = nn.ModuleList([_stage(nn.Conv2d(2 * pixels, width, 3, padding=1))])
        for level, out in enumerate(c.widths):
            for _ in range(c.blocks):
                attention = [self._attention(out)] if factor in c.attention_at else []
                self.input_blocks.append(_stage(ImageResBlock(width, out, c), *attention))
                width = out
                skips.append(width)
            if level < len(c.widths) - 1:
                down = ImageResBlock(width, width, c, "down") if c.resample_blocks else None
                self.input_blocks.append(_stage(down or Shrink(width)))
                skips.append(width)
                factor *= 2
        self.middle_block = _stage(
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
                    layers.append(up or Enlarge(width))
                    factor //= 2
                self.output_blocks.append(_stage(*layers))
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
        cell = c.patch * 2 ** (len(c.widths) - 1)
        if frames.ndim != 4 or frames.shape[2] % cell or frames.shape[3] % cell:
            raise ValueError(
                f"frames [N, {c.image_channels}, H, W] with sides divisible by {cell} expected, "
                f"not {tuple(frames.shape)}"
            )
        if (labels is None) != (c.classes is None):
            raise ValueError("labels go with a class-conditional network, and only with one")
        large = F.interpolate(low_res, frames.shape[2:], mode="bilinear", align_corners=False)
        x = F.pixel_unshuffle(torch.cat([frames, large.to(frames.dtype)], dim=1), c.patch)
        kind = next(self.parameters()).dtype
        embedding = self.time_embed(time_features(t, c.channels).to(kind))
        if labels is not None:
            embedding = embedding + self.label_emb(labels)
        made = F.pixel_shuffle(self._evaluate(x.to(kind), embedding), c.patch).to(frames.dtype)
        if not c.residual:
            return made
        plain = F.interpolate(low_res.float(), frames.shape[2:], mode="bicubic")
        first, rest = made[:, : c.image_channels], made[:, c.image_channels :]
        return torch.cat([first + plain.to(first.dtype), rest], dim=1)

    def _evaluate(self, x: Tensor, embedding: Tensor) -> Tensor:
        ops = _Fast() if self.fast else _Plain()
        if self.fast:
            x = x.contiguous(memory_format=torch.channels_last)
        kept = []
        for stage in self.input_blocks:
            x = self._stage(ops, stage, x, embedding)
            kept.append(x)
        x = self._stage(ops, self.middle_block, x, embedding)
        for stage in self.output_blocks:
            x = self._stage(ops, stage, torch.cat([x, kept.pop()], dim=1), embedding)
        return ops.conv(ops.norm(x, self.out[0], act=True), self.out[2]).contiguous()

    def _stage(self, ops: _Plain, stage: Any, x: Tensor, embedding: Tensor) -> Tensor:
        for layer in stage:
            if isinstance(layer, ImageResBlock):
                x = self._residual(ops, layer, x, embedding)
            elif isinstance(layer, ImageAttention):
                x = ops.attention(x, layer)
            elif isinstance(layer, Shrink):
                x = ops.conv(x, layer.op)
            elif isinstance(layer, Enlarge):
                x = ops.conv(ops.resample(x, "up"), layer.conv)
            else:
                x = ops.conv(x, layer)
        return x

    def _residual(self, ops: _Plain, block: ImageResBlock, x: Tensor, embedding: Tensor) -> Tensor:
        h = ops.norm(x, block.in_layers[0], act=True)
        if block.resample:
            h, x = ops.resample(h, block.resample), ops.resample(x, block.resample)
        h = ops.conv(h, block.in_layers[2])
        e = block.emb_layers(embedding)
        if block.scale_shift:
            h = ops.norm(h, block.out_layers[0], True, *e.chunk(2, dim=1))
        else:
            h = ops.norm(h + e[:, :, None, None].to(h.dtype), block.out_layers[0], act=True)
        h = ops.conv(block.out_layers[2](h), block.out_layers[3])
        return h + (x if block.skip_connection is None else ops.conv(x, block.skip_connection))


class _Plain:
    """Reference operations on [N, C, H, W]."""

    def conv(self, x: Tensor, layer: Any) -> Tensor:
        return layer(x)

    def norm(
        self,
        x: Tensor,
        norm: Any,
        act: bool = False,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> Tensor:
        """Group normalisation, ·(1 + scale[N, C]) + shift[N, C], SiLU."""
        weight, bias = norm.weight.float(), norm.bias.float()
        y = F.group_norm(x.float(), norm.num_groups, weight, bias, norm.eps).to(x.dtype)
        if scale is not None and shift is not None:
            y = y * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
        return F.silu(y) if act else y

    def resample(self, x: Tensor, how: str) -> Tensor:
        return F.avg_pool2d(x, 2) if how == "down" else F.interpolate(x, scale_factor=2.0)

    def attention(self, x: Tensor, block: ImageAttention) -> Tensor:
        n, c = x.shape[:2]
        qkv = block.qkv(self.norm(x, block.norm).flatten(2))
        q, k, v = qkv.reshape(n * block.heads, 3, c // block.heads, -1).unbind(1)
        y = attend(q, k, v, 1).reshape(n, c, -1)
        return x + block.proj_out(y).reshape(x.shape)


class _Fast(_Plain):
    """The same on tensors stored channels last."""

    def conv(self, x: Tensor, layer: Any) -> Tensor:
        if layer.kernel_size == (1, 1):
            return linear(x.permute(0, 2, 3, 1), layer).permute(0, 3, 1, 2)
        return layer(x)

    def norm(
        self,
        x: Tensor,
        norm: Any,
        act: bool = False,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> Tensor:
        n, c, h, w = x.shape
        gain, offset = norm.weight.float()[None], norm.bias.float()[None]
        if scale is not None and shift is not None:
            gain, offset = gain * (1 + scale.float()), offset * (1 + scale.float()) + shift.float()
        y = x.permute(0, 2, 3, 1).reshape(n, h * w, c)
        y = norm_act(y, gain, offset, norm.num_groups, norm.eps, act)
        return y.unflatten(1, (h, w)).permute(0, 3, 1, 2)

    def attention(self, x: Tensor, block: ImageAttention) -> Tensor:
        n, c, h, w = x.shape
        y = self.norm(x, block.norm).permute(0, 2, 3, 1).reshape(n, h * w, c)
        qkv = linear(y, block.qkv)
        q, k, v = qkv.view(n, h * w, block.heads, 3, -1).permute(3, 0, 2, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return x + linear(y, block.proj_out).unflatten(1, (h, w)).permute(0, 3, 1, 2)


def _stage(*layers: nn.Module) -> nn.Sequential:
    """The layers of one step down or up, under their published numbers."""
    return nn.Sequential(*layers)


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
    network (small_size, diffusion schedule, number format) are accepted and left aside.
    """
    given = {**RELEASED, **(published or {})}
    side = int(given["large_size"])
    if side not in BY_SIDE:
        raise ValueError(f"large_size is one of {', '.join(map(str, BY_SIDE))}, not {side}")
    head, up = int(given["sr_num_head_channels"]), int(given["sr_num_heads_upsample"])
    return SuperResUNetConfig(
        channels=int(given["sr_num_channels"]),
        multipliers=BY_SIDE[side],
        blocks=int(given["sr_num_res_blocks"]),
        heads=int(given["sr_num_heads"]),
        up_heads=None if up == -1 else up,
        head_channels=None if head == -1 else head,
        attention_at=numbers(given["sr_attention_resolutions"]),
        scale_shift=bool(given["sr_use_scale_shift_norm"]),
        resample_blocks=bool(given["sr_resblock_updown"]),
        learn_variance=bool(given["sr_learn_sigma"]),
        classes=PUBLISHED_CLASSES if given["sr_class_cond"] else None,
        dropout=float(given["sr_dropout"]),
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
