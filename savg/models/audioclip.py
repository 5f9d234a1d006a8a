"""AudioCLIP's audio branch: ESResNeXt-fbsp, embeddings of audio at 44.1 kHz.

A ResNeXt-50 over images of the spectrum (`savg.models.audioclip_spectrum`), with attention beside each
stage: along frequency and along time in turn. Parameters bear the names of the published checkpoint.
Sources: AudioCLIP (arXiv 2106.13043), ESResNe(X)t-fbsp (2104.11587); the published evaluation [S1, S2]
takes its embeddings for the Fréchet audio distance.

Shapes: B clips, C channels, T samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import Bottleneck

from savg.fields import Between, Channels, Depth, Items, Rate, Samples, check
from savg.hub import ModelFormat, State
from savg.models.audioclip_spectrum import (
    BANDS,
    BandPassBank,
    decibels,
    frames,
    published_scale,
)

__all__ = ["CONFIGS", "FORMAT", "AudioClip", "AudioClipConfig", "batch_statistics"]

EXPANSION = 4
"""Channels that leave a block, over its `planes`."""


@dataclass(frozen=True)
class AudioClipConfig:
    """Sizes of the audio branch; the defaults are the published ones.

    n_fft: samples that a filter spans; win_length, hop_length: of frames; num_classes: values of an
    embedding. width: channels after the first convolution; layers: blocks of the four stages; groups,
    width_per_group: of their middle convolutions at width 64. sample_rate in Hz.
    """

    n_fft: Annotated[int, Between(16, 16_384)] = 2048
    hop_length: Samples = 561
    win_length: Samples = 1654
    num_classes: Channels = 1024
    width: Channels = 64
    layers: Annotated[tuple[Depth, ...], Items(4, 4)] = (3, 4, 6, 3)
    groups: Channels = 32
    width_per_group: Channels = 4
    sample_rate: Rate = 44_100

    def __post_init__(self) -> None:
        check(self)
        if self.win_length > self.n_fft:
            raise ValueError(f"win_length must be ≤ n_fft {self.n_fft}, got {self.win_length}")

    @property
    def rows(self) -> int:
        """Bins of a band."""
        return (self.n_fft // 2 + 1) // BANDS


CONFIGS: dict[str, AudioClipConfig] = {
    "full": AudioClipConfig(),
    "tiny": AudioClipConfig(
        n_fft=256,
        hop_length=120,
        win_length=200,
        num_classes=8,
        width=8,
        layers=(1, 1, 1, 1),
        groups=2,
        width_per_group=32,
    ),
}
"""By name; "full" is the published network."""


class Attention(nn.Module):
    """Weights in 0..1 for each place and channel of a stage's output, from the stage's input."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int]) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.conv_depth = nn.Conv2d(inputs, inputs, kernel, padding=padding, groups=inputs)
        self.conv_point = nn.Conv2d(inputs, outputs, 1)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        if x.shape[-2:] != size:
            x = functional.adaptive_max_pool2d(x, list(size))
        return torch.sigmoid(self.bn(self.conv_point(self.conv_depth(x))))


def _stage(
    config: AudioClipConfig, inputs: int, planes: int, blocks: int, stride: int
) -> nn.Module:
    """Blocks whose first one halves the size where stride is 2."""
    outputs = planes * EXPANSION
    shortcut = nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
    )
    group = {"groups": config.groups, "base_width": config.width_per_group}
    first = Bottleneck(inputs, planes, stride, shortcut, **group)
    return nn.Sequential(first, *(Bottleneck(outputs, planes, **group) for _ in range(1, blocks)))


class AudioClip(nn.Module):
    """Audio [B, C, T] at 44.1 kHz to embeddings [B, num_classes]; the channels' features are summed.

    Called, it takes samples as the published network does: `published_scale` maps 16-bit integers to
    −1..1, and audio in −1..1 to almost nothing, as in the published evaluation [code]. `embed` takes
    the waveform in −1..1 itself.
    """

    window: Tensor

    def __init__(self, config: AudioClipConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("window", _blackman_harris(config.win_length))
        width = config.width
        self.conv1 = nn.Conv2d(BANDS, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs, kernels = width, ((3, 1), (1, 5), (3, 1), (1, 5))
        for index, (blocks, kernel) in enumerate(zip(config.layers, kernels, strict=True)):
            planes = width << index
            stage = _stage(config, inputs, planes, blocks, 1 if index == 0 else 2)
            self.add_module(f"layer{index + 1}", stage)
            outputs = planes * EXPANSION
            self.add_module(f"att{index + 1}", Attention(inputs, outputs, kernel))
            inputs = outputs
        self.att5 = Attention(inputs, inputs, (3, 5))
        self.fc = nn.Linear(inputs, config.num_classes)
        self.fbsp = BandPassBank(config.n_fft // 2 + 1)

    def forward(self, audio: Tensor) -> Tensor:
        """Embeddings of samples as the published code takes them."""
        return self.embed(published_scale(self._checked(audio)))

    def embed(self, waveform: Tensor) -> Tensor:
        """Embeddings [B, num_classes] of waveforms [B, C, T] in −1..1."""
        channels = self._checked(waveform).unbind(1)
        pooled = [self.pool(self.image(channel)) for channel in channels]
        return self.fc(torch.stack(pooled, dim=-1).sum(dim=-1))

    def image(self, waveform: Tensor) -> Tensor:
        """Decibels [B, 3, rows, frames] of waveforms [B, T]; the highest bins are left out."""
        config = self.config
        cut = frames(waveform, self.window, config.hop_length, config.n_fft)
        power = self.fbsp(cut, bins=BANDS * config.rows)
        return decibels(power.unflatten(1, (BANDS, config.rows)))

    def pool(self, image: Tensor) -> Tensor:
        """Features [B, channels of the last stage] of images."""
        x = functional.relu(self.bn1(self.conv1(image)))
        x = functional.max_pool2d(x, 3, 2, 1)
        for index in (1, 2, 3, 4):
            y = self.get_submodule(f"layer{index}")(x)
            x = y * self.get_submodule(f"att{index}")(x, y.shape[-2:])
        mean = functional.adaptive_avg_pool2d(x, 1)
        return (mean * self.att5(x, mean.shape[-2:])).flatten(1)

    def _checked(self, audio: Tensor) -> Tensor:
        if audio.ndim != 3 or 0 in audio.shape or not audio.is_floating_point():
            raise ValueError(
                f"audio must be floats [B, C, T], none of them 0, got {audio.dtype} "
                f"{list(audio.shape)}"
            )
        return audio


@contextmanager
def batch_statistics(network: nn.Module) -> Iterator[None]:
    """Within it, batch normalisation takes the mean and variance of the batch at hand.

    As in training mode, but the network's own statistics stay as they are.
    """
    layers = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [(layer.training, layer.track_running_stats) for layer in layers]
    try:
        for layer in layers:
            layer.training, layer.track_running_stats = True, False
        yield
    finally:
        for layer, (training, track) in zip(layers, before, strict=True):
            layer.training, layer.track_running_stats = training, track


def _blackman_harris(length: int) -> Tensor:
    """The four-term Blackman-Harris window, periodic."""
    from scipy.signal import get_window

    return torch.from_numpy(np.asarray(get_window("blackmanharris", length), np.float32))


FIXED = {
    "window": "blackmanharris",
    "normalized": True,
    "onesided": True,
    "spec_height": -1,
    "spec_width": -1,
    "apply_attention": True,
}
"""The authors' settings of which only the released value is supported."""


def from_published(published: Mapping[str, Any] | None = None) -> AudioClipConfig:
    """The configuration for the authors' constructor arguments (None: the released ones)."""
    arguments = dict(published or {})
    if isinstance(arguments.get("constructor"), Mapping):
        arguments = dict(arguments["constructor"])
    for name, value in FIXED.items():
        if arguments.get(name, value) != value:
            raise ValueError(f"{name} must be {value}, got {arguments[name]}")
    if "embed_dim" in arguments:  # of the whole AudioCLIP
        arguments.setdefault("num_classes", arguments["embed_dim"])
    names = AudioClipConfig.__dataclass_fields__
    settings = {k: v for k, v in arguments.items() if k in names and v is not None}
    if "layers" in settings:
        settings["layers"] = tuple(settings["layers"])
    return AudioClipConfig(**settings)


def rename(state: State) -> State:
    """The audio branch of a whole AudioCLIP, or a file of the audio branch alone as it is."""
    prefix = "audio."
    branch = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    return branch or state


FORMAT = ModelFormat(
    kind="audioclip",
    config=AudioClipConfig,
    build=AudioClip,
    from_published=from_published,
    wrappers=("state_dict", "model_state_dict", "model"),
    rename=rename,
)
