"""BigVGAN: log mel spectrograms of one channel to a waveform.

A stack of transposed convolutions, each followed by the mean of several dilated residual blocks whose
periodic activations run at twice the rate, so that their harmonics above Nyquist can be filtered out.
Parameters bear the names of the published checkpoints after weight normalisation is removed; `rename`
removes it from both styles of key (weight_g and weight_v, or torch's parametrizations).
Source: BigVGAN (arXiv 2206.04658), with the 16 kHz checkpoint of Make-An-Audio 2 used by MMAudio.

Shapes: B clips (or channels), C channels, F mel frames, T samples.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.fields import Bands, Channels, Factor, Items, Kernel, check
from savg.hub import ModelFormat, State

__all__ = ["CONFIGS", "FORMAT", "BigVgan", "BigVganConfig"]

FILTER_TAPS = 12


@dataclass(frozen=True)
class BigVganConfig:
    """Sizes of a vocoder; the defaults are the published one at 16 kHz (80 bands, hop 256).

    upsample_rates, upsample_kernel_sizes: of the transposed convolutions, the rates' product is the
    hop in samples; upsample_initial_channel: halved at each; resblock_kernel_sizes: of the residual
    blocks after it; resblock_dilation_sizes: of the convolutions of each of these; num_mels: bands
    of the spectrogram; tanh: the waveform is limited smoothly, else clipped; final_bias: whether
    the last layer has a bias.
    """

    num_mels: Bands = 80
    upsample_rates: Annotated[tuple[Factor, ...], Items(1, 12)] = (4, 4, 2, 2, 2, 2)
    upsample_kernel_sizes: Annotated[tuple[Kernel, ...], Items(1, 12)] = (8, 8, 4, 4, 4, 4)
    upsample_initial_channel: Channels = 1536
    resblock_kernel_sizes: Annotated[tuple[Kernel, ...], Items(1, 8)] = (3, 7, 11)
    resblock_dilation_sizes: Annotated[
        tuple[Annotated[tuple[Factor, ...], Items(1, 8)], ...], Items(1, 8)
    ] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    tanh: bool = True
    final_bias: bool = True

    def __post_init__(self) -> None:
        check(self)
        rates, kernels = self.upsample_rates, self.upsample_kernel_sizes
        if len(rates) != len(kernels) or any(
            k < r or (k - r) % 2 for r, k in zip(rates, kernels, strict=True)
        ):
            raise ValueError(
                "upsample_kernel_sizes must exceed upsample_rates by even numbers, "
                f"got {kernels} for {rates}"
            )
        if self.upsample_initial_channel % 2 ** len(rates):
            raise ValueError(
                f"upsample_initial_channel must be divisible by {2 ** len(rates)}, "
                f"got {self.upsample_initial_channel}"
            )
        if len(self.resblock_kernel_sizes) != len(self.resblock_dilation_sizes):
            raise ValueError(
                "resblock_dilation_sizes must be one for each of resblock_kernel_sizes, "
                f"got {len(self.resblock_dilation_sizes)}"
            )
        if any(kernel % 2 == 0 for kernel in self.resblock_kernel_sizes):
            raise ValueError(f"resblock_kernel_sizes must be odd, got {self.resblock_kernel_sizes}")

    @property
    def hop(self) -> int:
        """Samples per mel frame."""
        return math.prod(self.upsample_rates)


CONFIGS: dict[str, BigVganConfig] = {
    "16k": BigVganConfig(),
    "44k": BigVganConfig(
        num_mels=128,
        upsample_rates=(8, 4, 2, 2, 2, 2),
        upsample_kernel_sizes=(16, 8, 4, 4, 4, 4),
        tanh=False,
        final_bias=False,
    ),
    "full": BigVganConfig(),
    "demo": BigVganConfig(
        upsample_rates=(4, 4, 4, 4),
        upsample_kernel_sizes=(8, 8, 8, 8),
        upsample_initial_channel=256,
        resblock_kernel_sizes=(3, 7),
        resblock_dilation_sizes=((1, 3), (1, 3)),
    ),
    "tiny": BigVganConfig(
        num_mels=6,
        upsample_rates=(4, 2),
        upsample_kernel_sizes=(8, 4),
        upsample_initial_channel=16,
        resblock_kernel_sizes=(3, 5),
        resblock_dilation_sizes=((1, 3), (1, 2)),
    ),
}
"""By name: published for 16 kHz ("full", frozen in [S2]) and 44.1 kHz; "demo" and "tiny" are ours."""


def half_band_filter(taps: int = FILTER_TAPS) -> Tensor:
    """Low-pass filter [1, 1, taps] for changing the rate by two: a Kaiser-windowed sinc of sum 1.

    Cut-off a quarter of the higher rate; transition 0.6 of it wide on either side (Kaiser's formulas).
    """
    cutoff, transition = 0.25, 0.3
    attenuation = 2.285 * (taps // 2 - 1) * math.pi * 4 * transition + 7.95
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    else:
        beta = 0.5842 * max(attenuation - 21, 0) ** 0.4 + 0.07886 * max(attenuation - 21, 0)
    window = torch.kaiser_window(taps, periodic=False, beta=beta)
    kernel = window * torch.sinc(2 * cutoff * (torch.arange(taps) - (taps - 1) / 2))
    return (kernel / kernel.sum())[None, None]


class Upsample(nn.Module):
    """Twice the samples of [B, C, T]."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", half_band_filter())

    def forward(self, x: Tensor) -> Tensor:
        channels, taps = x.shape[1], self.filter.shape[-1]
        edge = taps // 2 - 1
        x = functional.pad(x, (edge, edge), mode="replicate")
        kernel = 2 * self.filter.expand(channels, -1, -1)
        out = functional.conv_transpose1d(x, kernel, stride=2, groups=channels)
        crop = 2 * edge + (taps - 2) // 2
        return out[..., crop:-crop]


class LowPass(nn.Module):
    """Low-pass filter [B, C, T], then every second sample."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", half_band_filter())

    def forward(self, x: Tensor) -> Tensor:
        channels, taps = x.shape[1], self.filter.shape[-1]
        x = functional.pad(x, (taps // 2 - 1, taps // 2), mode="replicate")
        kernel = self.filter.expand(channels, -1, -1)
        return functional.conv1d(x, kernel, stride=2, groups=channels)


class Downsample(nn.Module):
    """Half the samples of [B, C, T]."""

    def __init__(self) -> None:
        super().__init__()
        self.lowpass = LowPass()

    def forward(self, x: Tensor) -> Tensor:
        return self.lowpass(x)


class SnakeBeta(nn.Module):
    """x + sin²(αx) / β with α and β of each channel stored as logarithms."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        alpha, beta = (p.exp()[:, None] for p in (self.alpha, self.beta))
        return x + torch.sin(alpha * x).square() / (beta + 1e-9)


class Activation(nn.Module):
    """The periodic activation at twice the rate, between two filters."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.act = SnakeBeta(channels)
        self.upsample = Upsample()
        self.downsample = Downsample()

    def forward(self, x: Tensor) -> Tensor:
        return self.downsample(self.act(self.upsample(x)))


def same(channels: int, kernel: int, dilation: int = 1) -> nn.Conv1d:
    """A convolution [B, C, T] → [B, C, T]."""
    padding = dilation * (kernel - 1) // 2
    return nn.Conv1d(channels, channels, kernel, padding=padding, dilation=dilation)


class ResidualBlock(nn.Module):
    """For each dilation: activation, dilated convolution, activation, convolution, sum."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(same(channels, kernel, dilation) for dilation in dilations)
        self.convs2 = nn.ModuleList(same(channels, kernel) for _ in dilations)
        self.activations = nn.ModuleList(Activation(channels) for _ in range(2 * len(dilations)))

    def forward(self, x: Tensor) -> Tensor:
        for i, (dilated, plain) in enumerate(zip(self.convs1, self.convs2, strict=True)):
            first, second = self.activations[2 * i], self.activations[2 * i + 1]
            x = x + plain(second(dilated(first(x))))
        return x


class BigVgan(nn.Module):
    """Log mel spectrograms of one channel [B, M, F] to waveforms [B, 1, F · hop] in −1..1."""

    def __init__(self, config: BigVganConfig) -> None:
        super().__init__()
        self.config = config
        width = config.upsample_initial_channel
        self.conv_pre = nn.Conv1d(config.num_mels, width, 7, padding=3)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            padding = (kernel - rate) // 2
            up = nn.ConvTranspose1d(width, width // 2, kernel, rate, padding)
            self.ups.append(nn.Sequential(up))
            width //= 2
            for size, dilations in zip(
                config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True
            ):
                self.resblocks.append(ResidualBlock(width, size, dilations))
        self.activation_post = Activation(width)
        self.conv_post = nn.Conv1d(width, 1, 7, padding=3, bias=config.final_bias)
        self._start_small()

    def _start_small(self) -> None:
        """Small random kernels in all layers but the first."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv1d | nn.ConvTranspose1d) and name != "conv_pre":
                nn.init.normal_(module.weight, std=0.01)

    def forward(self, mel: Tensor) -> Tensor:
        if mel.ndim != 3 or mel.shape[1] != self.config.num_mels:
            raise ValueError(
                f"mel spectrograms must be [B, {self.config.num_mels}, F], got {list(mel.shape)}"
            )
        x = self.conv_pre(mel)
        blocks = len(self.config.resblock_kernel_sizes)
        for i, up in enumerate(self.ups):
            x = up(x)
            x = sum(block(x) for block in self.resblocks[i * blocks : (i + 1) * blocks]) / blocks
        x = self.conv_post(self.activation_post(x))
        return torch.tanh(x) if self.config.tanh else x.clamp(-1, 1)


_NORMED = re.compile(r"^(.*\.)(?:weight_([gv])|parametrizations\.weight\.original([01]))$")


def rename(state: State) -> State:
    """The state dict with each weight-normalised kernel as one plain `weight`.

    The kernel is v scaled to the norm g over all axes but the first, which for transposed
    convolutions is the input channel.
    """
    plain: dict[str, Tensor] = {}
    pairs: dict[str, dict[bool, Tensor]] = {}
    for key, value in state.items():
        part = _NORMED.match(key)
        if part is None:
            plain[key] = value
        else:
            is_direction = part[2] == "v" or part[3] == "1"
            pairs.setdefault(part[1], {})[is_direction] = value
    for stem, pair in pairs.items():
        if len(pair) == 2:
            direction = pair[True]
            norm = torch.linalg.vector_norm(direction, dim=(1, 2), keepdim=True)
            plain[f"{stem}weight"] = direction * (pair[False] / norm)
    return plain


def from_published(published: Mapping[str, Any] | None = None) -> BigVganConfig:
    """The configuration for the authors' settings; None: the released one at 16 kHz.

    {"name": "44k"} names the one at 44.1 kHz. Settings of training and of the mel are ignored.
    """
    arguments = dict(published or {})
    if "name" in arguments:
        name = arguments.pop("name")
        if name not in ("16k", "44k"):
            raise ValueError(f"name must be '16k' or '44k', got {name!r}")
        return CONFIGS[name]
    fixed = {"resblock": "1", "activation": "snakebeta", "snake_logscale": True}
    for name, value in fixed.items():
        if arguments.get(name, value) != value:
            raise ValueError(f"{name} must be {value!r}, got {arguments[name]!r}")
    settings = {
        name: arguments[name] for name in BigVganConfig.__dataclass_fields__ if name in arguments
    }
    for name in ("upsample_rates", "upsample_kernel_sizes", "resblock_kernel_sizes"):
        if name in settings:
            settings[name] = tuple(settings[name])
    if "resblock_dilation_sizes" in settings:
        settings["resblock_dilation_sizes"] = tuple(map(tuple, settings["resblock_dilation_sizes"]))
    settings["tanh"] = arguments.get("use_tanh_at_final", True)
    settings["final_bias"] = arguments.get("use_bias_at_final", True)
    return BigVganConfig(**settings)


FORMAT = ModelFormat(
    kind="bigvgan",
    config=BigVganConfig,
    build=BigVgan,
    from_published=from_published,
    wrappers=("generator",),
    rename=rename,
)
