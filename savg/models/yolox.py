"""YOLOX: an anchor-free detector of objects in single images, here of persons [S1, S2].

The network of "YOLOX: Exceeding YOLO Series in 2021" (arXiv 2107.08430): a CSP backbone, a path
aggregation neck, and three decoupled heads. Parameters bear the names of the published mmdet
checkpoint. Input: BGR, 0..255, no normalisation. Decoding and NMS: `savg.models.yolox_boxes`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor, nn

from savg.fields import Between, Channels, Items, Kernel, check
from savg.hub import ModelFormat, State
from savg.models.yolox_boxes import STRIDES, Level, decode, letterbox, non_maximum_suppression

__all__ = [
    "CONFIGS",
    "FORMAT",
    "STRIDES",
    "Level",
    "Yolox",
    "YoloxConfig",
    "decode",
    "letterbox",
    "non_maximum_suppression",
]

STAGE_WIDTHS = (64, 128, 256, 512, 1024)
STAGE_DEPTHS = (3, 9, 9, 3)

InputSide = Annotated[int, Between(32, 4096)]
"""In pixels."""


@dataclass(frozen=True)
class YoloxConfig:
    """Sizes of a YOLOX; the defaults are YOLOX-tiny as published, trained on COCO's 80 classes.

    deepen_factor, widen_factor: scale the backbone's blocks and channels. neck_out, feat_channels:
    channels of the neck's three outputs and of the heads. input_size: (height, width) of the
    network's input in pixels, multiples of 32. picture_only: the input is the picture alone,
    without the black rows of a clip's square frame. num_classes: of objects, class 0 is a person;
    num_csp_blocks: blocks of each stage of the neck; stacked_convs: convolutions of each head; spp:
    kernel sizes of the spatial pyramid pooling; bn_eps: ε of batch normalisation.
    """

    num_classes: Annotated[int, Between(1, 10_000)] = 80
    deepen_factor: Annotated[float, Between(0, 8)] = 0.33
    widen_factor: Annotated[float, Between(0, 8)] = 0.375
    num_csp_blocks: Annotated[int, Between(1, 64)] = 1
    neck_out: Channels = 96
    feat_channels: Channels = 96
    stacked_convs: Annotated[int, Between(1, 64)] = 2
    spp: Annotated[tuple[Kernel, ...], Items(0, 16)] = (5, 9, 13)
    bn_eps: Annotated[float, Between(1e-12, 1)] = 1e-3
    input_size: tuple[InputSide, InputSide] = (416, 416)
    picture_only: bool = False

    def __post_init__(self) -> None:
        check(self)
        if self.deepen_factor <= 0 or min(self.widths) < 1:
            raise ValueError(
                "deepen_factor and widen_factor must leave at least one block and channel, "
                f"got {self.deepen_factor} and {self.widen_factor}"
            )
        if any(kernel % 2 == 0 for kernel in self.spp):
            raise ValueError(f"spp must be odd kernel sizes, got {self.spp}")
        if any(n % 32 for n in self.input_size):
            raise ValueError(f"input_size must be two multiples of 32, got {self.input_size}")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the stem and the four stages."""
        return tuple(int(width * self.widen_factor) for width in STAGE_WIDTHS)

    @property
    def depths(self) -> tuple[int, ...]:
        """Residual blocks of the four stages."""
        return tuple(max(round(depth * self.deepen_factor), 1) for depth in STAGE_DEPTHS)


_SMALL: dict[str, Any] = {"num_classes": 1, "picture_only": True}

CONFIGS: dict[str, YoloxConfig] = {
    "tiny": YoloxConfig(),
    "full": YoloxConfig(),
    "demo": YoloxConfig(
        widen_factor=0.1875, neck_out=48, feat_channels=48, input_size=(160, 256), **_SMALL
    ),
    "test": YoloxConfig(
        widen_factor=0.125, neck_out=16, feat_channels=16, input_size=(64, 64), **_SMALL
    ),
}
"""Configurations by name; "full" is "tiny", the published size."""


class ConvNormAct(nn.Module):
    """Convolution without bias, batch normalisation, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, eps: float) -> None:
        super().__init__()
        padding = kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=eps, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class Focus(nn.Module):
    """Halves the image by moving each 2×2 square of pixels into channels, then convolves."""

    def __init__(self, outputs: int, eps: float) -> None:
        super().__init__()
        self.conv = ConvNormAct(12, outputs, 3, 1, eps)

    def forward(self, x: Tensor) -> Tensor:
        even, odd = x[..., ::2], x[..., 1::2]
        squares = (even[..., ::2, :], even[..., 1::2, :], odd[..., ::2, :], odd[..., 1::2, :])
        return self.conv(torch.cat(squares, dim=1))


class Bottleneck(nn.Module):
    """1×1 then 3×3 convolution, with or without the input added."""

    def __init__(self, width: int, residual: bool, eps: float) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(width, width, 1, 1, eps)
        self.conv2 = ConvNormAct(width, width, 3, 1, eps)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))
        return x + y if self.residual else y


class CspLayer(nn.Module):
    """Cross-stage partial block: half of the channels pass `blocks`, the other half none."""

    def __init__(self, inputs: int, outputs: int, depth: int, residual: bool, eps: float) -> None:
        super().__init__()
        half = outputs // 2
        self.main_conv = ConvNormAct(inputs, half, 1, 1, eps)
        self.short_conv = ConvNormAct(inputs, half, 1, 1, eps)
        self.final_conv = ConvNormAct(2 * half, outputs, 1, 1, eps)
        self.blocks = nn.Sequential(*(Bottleneck(half, residual, eps) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        parts = (self.blocks(self.main_conv(x)), self.short_conv(x))
        return self.final_conv(torch.cat(parts, dim=1))


class SpatialPyramidPooling(nn.Module):
    """The largest values of neighbourhoods of several sizes, side by side in channels."""

    def __init__(self, width: int, kernels: tuple[int, ...], eps: float) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(width, width // 2, 1, 1, eps)
        self.pools = nn.ModuleList(nn.MaxPool2d(k, stride=1, padding=k // 2) for k in kernels)
        self.conv2 = ConvNormAct(width // 2 * (len(kernels) + 1), width, 1, 1, eps)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        return self.conv2(torch.cat([x, *(pool(x) for pool in self.pools)], dim=1))


class Backbone(nn.Module):
    """CSP darknet: images [N, 3, H, W] to features at strides 8, 16 and 32."""

    def __init__(self, config: YoloxConfig) -> None:
        super().__init__()
        widths, eps = config.widths, config.bn_eps
        self.stem = Focus(widths[0], eps)
        for stage, depth in enumerate(config.depths, 1):
            width, last = widths[stage], stage == len(config.depths)
            layers: list[nn.Module] = [ConvNormAct(widths[stage - 1], width, 3, 2, eps)]
            if last:
                layers.append(SpatialPyramidPooling(width, config.spp, eps))
            layers.append(CspLayer(width, width, depth, residual=not last, eps=eps))
            self.add_module(f"stage{stage}", nn.Sequential(*layers))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        features = []
        for stage in self.children():
            x = stage(x)
            features.append(x)
        return tuple(features[2:])


class Neck(nn.Module):
    """Path aggregation: mixes the three scales coarse to fine, then fine to coarse."""

    def __init__(self, config: YoloxConfig) -> None:
        super().__init__()
        widths, eps = config.widths[2:], config.bn_eps
        fine, middle, coarse = widths

        def mix(inputs: int, outputs: int) -> CspLayer:
            return CspLayer(inputs, outputs, config.num_csp_blocks, residual=False, eps=eps)

        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.reduce_layers = nn.ModuleList(
            [ConvNormAct(coarse, middle, 1, 1, eps), ConvNormAct(middle, fine, 1, 1, eps)]
        )
        self.top_down_blocks = nn.ModuleList([mix(2 * middle, middle), mix(2 * fine, fine)])
        self.downsamples = nn.ModuleList(
            [ConvNormAct(fine, fine, 3, 2, eps), ConvNormAct(middle, middle, 3, 2, eps)]
        )
        self.bottom_up_blocks = nn.ModuleList([mix(2 * fine, middle), mix(2 * middle, coarse)])
        self.out_convs = nn.ModuleList(
            ConvNormAct(width, config.neck_out, 1, 1, eps) for width in widths
        )

    def forward(self, features: tuple[Tensor, ...]) -> list[Tensor]:
        fine, middle, coarse = features
        coarse = self.reduce_layers[0](coarse)
        middle = self.top_down_blocks[0](torch.cat((self.upsample(coarse), middle), dim=1))
        middle = self.reduce_layers[1](middle)
        fine = self.top_down_blocks[1](torch.cat((self.upsample(middle), fine), dim=1))
        middle = torch.cat((self.downsamples[0](fine), middle), dim=1)
        middle = self.bottom_up_blocks[0](middle)
        coarse = torch.cat((self.downsamples[1](middle), coarse), dim=1)
        coarse = self.bottom_up_blocks[1](coarse)
        outputs = (fine, middle, coarse)
        return [conv(x) for conv, x in zip(self.out_convs, outputs, strict=True)]


class Head(nn.Module):
    """At each scale, classes in one branch, box and objectness in the other."""

    def __init__(self, config: YoloxConfig) -> None:
        super().__init__()
        width, eps = config.feat_channels, config.bn_eps

        def branch() -> nn.Sequential:
            widths = [config.neck_out] + [width] * config.stacked_convs
            return nn.Sequential(*(ConvNormAct(a, b, 3, 1, eps) for a, b in pairwise(widths)))

        def predictors(outputs: int) -> nn.ModuleList:
            return nn.ModuleList(nn.Conv2d(width, outputs, 1) for _ in STRIDES)

        self.multi_level_cls_convs = nn.ModuleList(branch() for _ in STRIDES)
        self.multi_level_reg_convs = nn.ModuleList(branch() for _ in STRIDES)
        self.multi_level_conv_cls = predictors(config.num_classes)
        self.multi_level_conv_reg = predictors(4)
        self.multi_level_conv_obj = predictors(1)
        self._start_rare()

    def _start_rare(self, probability: float = 0.01) -> None:
        """Start with this probability of objects, so that early losses are small."""
        bias = math.log(probability / (1 - probability))
        for conv in (*self.multi_level_conv_cls, *self.multi_level_conv_obj):
            nn.init.constant_(conv.bias, bias)

    def forward(self, features: list[Tensor]) -> tuple[Level, ...]:
        levels = []
        for i, x in enumerate(features):
            classes = self.multi_level_cls_convs[i](x)
            places = self.multi_level_reg_convs[i](x)
            levels.append(
                Level(
                    self.multi_level_conv_cls[i](classes),
                    self.multi_level_conv_reg[i](places),
                    self.multi_level_conv_obj[i](places),
                )
            )
        return tuple(levels)


class Yolox(nn.Module):
    """YOLOX: images [N, 3, H, W] to raw predictions at strides 8, 16, 32.

    Images are BGR, 0..255, with H and W multiples of 32. Each of the three levels is a tuple
    (class logits [N, C, h, w], box [N, 4, h, w] = (dx, dy, log width, log height) in strides from
    the cell's top left corner, objectness logits [N, 1, h, w]). Source: arXiv 2107.08430, [S1].
    """

    def __init__(self, config: YoloxConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.neck = Neck(config)
        self.bbox_head = Head(config)

    def forward(self, images: Tensor) -> tuple[Level, ...]:
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] % 32 or images.shape[3] % 32:
            raise ValueError(
                f"images must be [N, 3, H, W] with H and W multiples of 32, got {list(images.shape)}"
            )
        return self.bbox_head(self.neck(self.backbone(images)))


class _Rule(NamedTuple):
    pattern: str
    replacement: str


_MEGVII = tuple(
    (re.compile(rule.pattern), rule.replacement)
    for rule in (
        _Rule(r"^backbone\.backbone\.stem\.", "backbone.stem."),
        _Rule(r"^backbone\.lateral_conv0\.", "neck.reduce_layers.0."),
        _Rule(r"^backbone\.reduce_conv1\.", "neck.reduce_layers.1."),
        _Rule(r"^backbone\.C3_p4\.", "neck.top_down_blocks.0."),
        _Rule(r"^backbone\.C3_p3\.", "neck.top_down_blocks.1."),
        _Rule(r"^backbone\.bu_conv2\.", "neck.downsamples.0."),
        _Rule(r"^backbone\.bu_conv1\.", "neck.downsamples.1."),
        _Rule(r"^backbone\.C3_n3\.", "neck.bottom_up_blocks.0."),
        _Rule(r"^backbone\.C3_n4\.", "neck.bottom_up_blocks.1."),
        _Rule(r"^head\.stems\.", "neck.out_convs."),
        _Rule(r"^head\.(cls|reg)_convs\.", r"bbox_head.multi_level_\1_convs."),
        _Rule(r"^head\.(cls|reg|obj)_preds\.", r"bbox_head.multi_level_conv_\1."),
    )
)
_MEGVII_STAGE = re.compile(r"^backbone\.backbone\.dark(\d)\.(\d)\.(.*)$")
_CSP_PARTS = {"conv1": "main_conv", "conv2": "short_conv", "conv3": "final_conv", "m": "blocks"}


def rename(state: State) -> State:
    """The state dict under mmdet's names, from those or the ones of the authors' own repository."""
    state = {key: value for key, value in state.items() if not key.startswith("ema_")}
    if any(key.startswith("head.stems.") for key in state):
        state = {_from_megvii(key): value for key, value in state.items()}
    return state


def _from_megvii(key: str) -> str:
    stage = _MEGVII_STAGE.match(key)
    if stage:
        number, layer, rest = int(stage[1]) - 1, int(stage[2]), stage[3]
        is_pooling = number == len(STAGE_DEPTHS) and layer == 1
        rest = rest if layer == 0 or is_pooling else _csp_part(rest)
        return f"backbone.stage{number}.{layer}.{rest}"
    for pattern, replacement in _MEGVII:
        if pattern.match(key):
            key = pattern.sub(replacement, key)
            break
    blocks = re.match(r"^(neck\.(?:top_down|bottom_up)_blocks\.\d\.)(.*)$", key)
    return blocks[1] + _csp_part(blocks[2]) if blocks else key


def _csp_part(rest: str) -> str:
    first, _, tail = rest.partition(".")
    return f"{_CSP_PARTS.get(first, first)}.{tail}"


def from_published(published: Mapping[str, Any] | None = None) -> YoloxConfig:
    """The configuration for mmdet's constructor arguments; None: the released YOLOX-tiny."""
    if published is None:
        return YoloxConfig()
    arguments = dict(published)
    fixed = {"strides": STRIDES, "act": "Swish"}
    for name, value in fixed.items():
        argument = arguments.pop(name, value)
        if (argument if isinstance(argument, str) else tuple(argument)) != value:
            raise ValueError(f"{name} must be {value}, got {argument}")
    neck_in = arguments.pop("neck_in", None)
    if "spp" in arguments:
        arguments["spp"] = tuple(arguments["spp"])
    config = YoloxConfig(**arguments)
    if neck_in is not None and tuple(neck_in) != config.widths[2:]:
        raise ValueError(
            f"neck_in must be {config.widths[2:]} with this widen_factor, got {neck_in}"
        )
    return config


FORMAT = ModelFormat(
    kind="yolox",
    config=YoloxConfig,
    build=Yolox,
    from_published=from_published,
    wrappers=("state_dict", "model"),
    rename=rename,
    card={"licence": "Apache-2.0", "origin": "mmdet 3.3.0 YOLOX-tiny, trained on COCO"},
)
