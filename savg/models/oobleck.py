"""Oobleck, Stable Audio's VAE: stereo waveforms to latents at 1 / 2048 of their rate, and back.

Strided convolutions with periodic activations; kernels are stored as direction and length (weight
normalisation). Parameters bear the names of the published checkpoint.
Source: Stable Audio Open (arXiv 2407.14358) as its public code behaves; the activation is BigVGAN's
(arXiv 2206.04658).

Shapes: B clips, A audio channels, T samples, C latent channels, L latents.
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

from savg.fields import Between, Channels, Factor, Items, Rate, check
from savg.hub import ModelFormat

__all__ = ["CONFIGS", "FORMAT", "Oobleck", "OobleckConfig"]

PREFIX = "pretransform.model."

DILATIONS = (1, 3, 9)


@dataclass(frozen=True)
class OobleckConfig:
    """Sizes of the VAE; the defaults are those of stable-audio-open-1.0.

    channels · multiples: channels of each level; strides: samples that a level makes one of.
    """

    audio: Annotated[int, Between(1, 64)] = 2
    latents: Channels = 64
    channels: Channels = 128
    multiples: Annotated[tuple[Factor, ...], Items(1, 12)] = (1, 2, 4, 8, 16)
    strides: Annotated[tuple[Factor, ...], Items(1, 12)] = (2, 4, 4, 8, 8)
    sample_rate: Rate = 44_100

    def __post_init__(self) -> None:
        check(self)
        if len(self.multiples) != len(self.strides):
            raise ValueError(
                f"multiples must be one for each of {len(self.strides)} strides, got {self.multiples}"
            )

    @property
    def hop(self) -> int:
        """Samples of a latent."""
        return math.prod(self.strides)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels before and after each level."""
        return tuple(self.channels * factor for factor in (1, *self.multiples))


CONFIGS: dict[str, OobleckConfig] = {
    "full": OobleckConfig(),
    "tiny": OobleckConfig(latents=4, channels=4, multiples=(1, 2), strides=(2, 4)),
}


class Snake(nn.Module):
    """x + sin²(e^α x) / e^β of each channel, learned α and β."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        alpha, beta = self.alpha.exp()[:, None], self.beta.exp()[:, None]
        return x + (alpha * x).sin().square() / (beta + 1e-9)


class Conv(nn.Module):
    """A convolution whose kernel is weight_g · weight_v / |weight_v|, the length over all but axis 0.

    up: transposed, to `stride` times the length.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = True,
        up: bool = False,
    ) -> None:
        super().__init__()
        self.up, self.stride, self.dilation = up, stride, dilation
        plain = (nn.ConvTranspose1d if up else nn.Conv1d)(inputs, outputs, kernel)
        self.padding = math.ceil(stride / 2) if stride > 1 else dilation * (kernel // 2)
        self.weight_v = nn.Parameter(plain.weight.detach())
        self.weight_g = nn.Parameter(self._length().detach())
        self.bias = nn.Parameter(plain.bias.detach()) if bias else None  # type: ignore[union-attr]

    def _length(self) -> Tensor:
        return torch.linalg.vector_norm(self.weight_v, dim=(1, 2), keepdim=True)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight_v * (self.weight_g / self._length())
        if self.up:
            return functional.conv_transpose1d(x, weight, self.bias, self.stride, self.padding)
        return functional.conv1d(x, weight, self.bias, self.stride, self.padding, self.dilation)


class Layers(nn.Module):
    """Layers one after another, by number under `layers` as in the published checkpoint."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Residual(Layers):
    """The input plus a dilated convolution and one of width 1 of it, each after an activation."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__(
            Snake(width),
            Conv(width, width, 7, dilation=dilation),
            Snake(width),
            Conv(width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _residuals(width: int) -> list[nn.Module]:
    return [Residual(width, dilation) for dilation in DILATIONS]


class Oobleck(nn.Module):
    """Waveforms [B, A, T], T a multiple of `config.hop`, to latents [B, C, T / hop] and back."""

    def __init__(self, config: OobleckConfig) -> None:
        super().__init__()
        self.config = config
        c, widths = config, config.widths
        levels = list(zip(widths, widths[1:], c.strides, strict=False))
        down = [
            Layers(*_residuals(a), Snake(a), Conv(a, b, 2 * stride, stride))
            for a, b, stride in levels
        ]
        up = [
            Layers(Snake(b), Conv(b, a, 2 * stride, stride, up=True), *_residuals(a))
            for a, b, stride in reversed(levels)
        ]
        last = widths[-1]
        self.encoder = Layers(
            Conv(c.audio, c.channels, 7), *down, Snake(last), Conv(last, 2 * c.latents, 3)
        )
        self.decoder = Layers(
            Conv(c.latents, last, 7),
            *up,
            Snake(c.channels),
            Conv(c.channels, c.audio, 7, bias=False),
        )

    def encode(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Means and standard deviations [B, C, L] of the latents of waveforms.

        ValueError for other numbers of channels, or of samples.
        """
        c = self.config
        if audio.ndim != 3 or audio.shape[1] != c.audio or audio.shape[2] % c.hop:
            raise ValueError(
                f"audio must be [B, {c.audio}, a multiple of {c.hop}], got {list(audio.shape)}"
            )
        mean, scale = self.encoder(audio).chunk(2, dim=1)
        return mean, functional.softplus(scale) + 1e-4

    def decode(self, latents: Tensor) -> Tensor:
        """Waveforms [B, A, L · hop] of latents [B, C, L]."""
        return self.decoder(latents)

    def forward(self, audio: Tensor) -> Tensor:
        """Waveforms after encoding and decoding the latents' means."""
        return self.decode(self.encode(audio)[0])


def from_published(published: Mapping[str, Any] | None = None) -> OobleckConfig:
    """The configuration for the constructor arguments of diffusers' class (None: the released one)."""
    names = {
        "audio_channels": "audio", "decoder_input_channels": "latents", "decoder_channels": "channels",
        "channel_multiples": "multiples", "downsampling_ratios": "strides",
        "sampling_rate": "sample_rate",
    }  # fmt: skip
    values: dict[str, Any] = {
        names[key]: tuple(value) if isinstance(value, list) else value
        for key, value in (published or {}).items()
        if key in names
    }
    return OobleckConfig(**values)


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The VAE's weights in a file of Stable Audio or of diffusers, by our names."""
    if any(key.startswith(PREFIX) for key in state):
        return {k.removeprefix(PREFIX): v for k, v in state.items() if k.startswith(PREFIX)}
    if "encoder.conv1.weight_v" not in state:
        return dict(state)
    blocks = 1 + max(int(m[1]) for key in state if (m := re.match(r"encoder\.block\.(\d+)", key)))
    return {_our_name(key, blocks): _flat(key, value) for key, value in state.items()}


_UNIT = {"snake1": 0, "conv1": 1, "snake2": 2, "conv2": 3}
_PARTS = {
    "encoder": {"res_unit1": 0, "res_unit2": 1, "res_unit3": 2, "snake1": 3, "conv1": 4},
    "decoder": {"snake1": 0, "conv_t1": 1, "res_unit1": 2, "res_unit2": 3, "res_unit3": 4},
}
"""Diffusers' names within a residual unit and within a level, and their numbers."""


def _our_name(key: str, blocks: int) -> str:
    half, *path, last = key.split(".")
    if path[0] != "block":
        place = {"conv1": 0, "snake1": blocks + 1, "conv2": blocks + 2}[path[0]]
        return f"{half}.layers.{place}.{last}"
    level, part, *unit = path[1:]
    numbers = [int(level) + 1, _PARTS[half][part], *(_UNIT[name] for name in unit)]
    return ".".join([half, *(f"layers.{number}" for number in numbers), last])


def _flat(key: str, value: Tensor) -> Tensor:
    return value.reshape(-1) if "snake" in key else value


FORMAT = ModelFormat(
    kind="oobleck",
    config=OobleckConfig,
    build=Oobleck,
    from_published=from_published,
    rename=rename,
    wrappers=("state_dict",),
    folders=("vae",),
)
