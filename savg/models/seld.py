"""Stereo SELD: which class of sound is active when, and where it is in the frame [S1, S2].

Two convolution branches, activity ("sed") and position ("doa"), exchange channels through
cross-stitch units and end in self-attention layers over time; the event-independent network of
"An Improved Event-Independent Network for Polyphonic Sound Event Localization and Detection"
(arXiv 2010.13092) for stereo audio. Parameters bear the names of the published checkpoint.

Shapes: N windows, C feature channels, F = fft_size / 2 + 1 bins, T frames. Features are the
amplitudes left and right and the phase difference right − left in 0..2π
(`savg.detectors.seld_features`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.fields import Between, Channels, Depth, Factor, Heads, Rate, Samples, Share, check
from savg.hub import ModelFormat

__all__ = ["CONFIGS", "FORMAT", "Seld", "SeldConfig"]

POSITION_RANGES = ("0to256_0to1", "0to256_-1to1")
POSITION_ACTIVATIONS = ("none", "sigmoid", "tanh")


@dataclass(frozen=True)
class SeldConfig:
    """Sizes of a SELD network and the its features; the defaults are the published ones.

    class_num: classes of sound (0 speech, 1 instrument). in_channels, in_channels_sed: feature
    channels of the position branch, and the first of them that the activity branch takes.
    interp_ratio: times each output frame is repeated to regain the feature rate (the pooling takes
    4). act_azi, range_azi: activation of the position and its range, 0..1 or −1..1 across the
    frame's width. log_features: the network begins with the logarithm of the amplitudes and the
    cosine of the phase difference; pool_bins: number of neighbouring bins then averaged.
    sampling_frequency: in Hz; fft_size, stft_hop_size: in samples; train_wav_length,
    eval_wav_hop_length: length and step of windows in seconds; even_windows: each window begins a
    step after the one before, where the published inference begins some a frame early; threshold:
    an event's mean activity is above it. out_channels1, out_channels2, out_channels3: of the
    convolutional blocks; d_model, d_ff: widths of the transformer and of its perceptrons; n_heads,
    n_layers: of the transformer; dropout: share of activations; base_channel: 0 or 1, the channel
    whose phase the other's is compared with.
    """

    class_num: Annotated[int, Between(1, 1000)] = 2
    in_channels: Annotated[int, Between(1, 64)] = 3
    in_channels_sed: Annotated[int, Between(1, 64)] = 2
    out_channels1: Channels = 64
    out_channels2: Channels = 128
    out_channels3: Channels = 256
    d_model: Channels = 512
    d_ff: Channels = 1024
    n_heads: Heads = 8
    n_layers: Depth = 2
    dropout: Share = 0.2
    interp_ratio: Factor = 4
    act_azi: str = "none"
    range_azi: str = "0to256_0to1"
    log_features: bool = False
    pool_bins: Annotated[int, Between(1, 1024)] = 1
    base_channel: int = 0
    sampling_frequency: Rate = 16_000
    fft_size: Samples = 512
    stft_hop_size: Samples = 160
    train_wav_length: Annotated[float, Between(1e-3, 600)] = 1.27
    eval_wav_hop_length: Annotated[float, Between(1e-3, 600)] = 1.2
    even_windows: bool = False
    threshold: Share = 0.2

    def __post_init__(self) -> None:
        check(self)
        if not 1 <= self.in_channels_sed <= self.in_channels:
            raise ValueError(
                f"in_channels_sed must be 1 to {self.in_channels}, got {self.in_channels_sed}"
            )
        if self.d_model % self.n_heads:
            raise ValueError(
                f"d_model must be a multiple of {self.n_heads} heads, got {self.d_model}"
            )
        if self.act_azi not in POSITION_ACTIVATIONS or self.range_azi not in POSITION_RANGES:
            raise ValueError(
                f"act_azi and range_azi must be of {POSITION_ACTIVATIONS} and {POSITION_RANGES}, "
                f"got {self.act_azi!r} and {self.range_azi!r}"
            )
        if self.base_channel not in (0, 1):
            raise ValueError(f"base_channel must be 0 or 1, got {self.base_channel}")
        if not 0 < self.eval_wav_hop_length <= self.train_wav_length:
            raise ValueError(
                f"eval_wav_hop_length must be above 0 and ≤ {self.train_wav_length} s, "
                f"got {self.eval_wav_hop_length}"
            )

    @property
    def bins(self) -> int:
        """Frequency bins of a feature frame."""
        return self.fft_size // 2 + 1

    @property
    def frame_rate(self) -> int:
        """Feature frames per second."""
        return round(self.sampling_frequency / self.stft_hop_size)

    @property
    def window_samples(self) -> int:
        """Samples of a training window."""
        return round(self.train_wav_length * self.sampling_frequency)

    @property
    def window_frames(self) -> int:
        """Feature frames of a window."""
        return round(self.train_wav_length * self.sampling_frequency / self.stft_hop_size) + 1

    @property
    def hop_frames(self) -> int:
        """Feature frames from one window to the next at inference."""
        return round(self.eval_wav_hop_length * self.sampling_frequency / self.stft_hop_size)


CONFIGS: dict[str, SeldConfig] = {
    "full": SeldConfig(),
    "demo": SeldConfig(
        out_channels1=16,
        out_channels2=32,
        out_channels3=64,
        d_model=96,
        d_ff=256,
        dropout=0.1,
        log_features=True,
        pool_bins=4,
        train_wav_length=2.55,  # twice the published: places of sounds in diffuse rooms get surer
        eval_wav_hop_length=2.4,
        even_windows=True,
        threshold=0.5,
    ),
    "tiny": SeldConfig(
        out_channels1=4,
        out_channels2=8,
        out_channels3=8,
        d_model=16,
        d_ff=32,
        n_heads=2,
        n_layers=1,
        log_features=True,
        pool_bins=8,
        even_windows=True,
    ),
}
"""Configurations by name: the published network, the bundled one, and one for tests."""


class DoubleConv(nn.Module):
    """Two 3×3 convolutions, each with batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in (inputs, outputs):
            layers += [
                nn.Conv2d(width, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        self.double_conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


def _conv_block(inputs: int, outputs: int, pool_time: int) -> nn.Sequential:
    """A double convolution, then half the bins and 1/`pool_time` of the frames."""
    return nn.Sequential(DoubleConv(inputs, outputs), nn.AvgPool2d((pool_time, 2)))


def _attention(config: SeldConfig) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(
        config.d_model, config.n_heads, config.d_ff, config.dropout, batch_first=True
    )
    return nn.TransformerEncoder(layer, config.n_layers, enable_nested_tensor=False)


def cross_stitch(weight: Tensor, sed: Tensor, doa: Tensor) -> tuple[Tensor, Tensor]:
    """Mix two branches [N, C, T, F] channel by channel with weights [C, 2, 2].

    As in the published network, the position branch receives the activity branch already mixed.
    """
    w = weight[:, :, :, None, None]
    sed = w[:, 0, 0] * sed + w[:, 0, 1] * doa
    return sed, w[:, 1, 0] * sed + w[:, 1, 1] * doa


class Seld(nn.Module):
    """features [N, C, F, T] → activity logits and x, both [N, class_num, T'], at the feature rate.

    x is 0 at the left edge of the frame and 1 at the right one, and not clamped. T' is T rounded
    down to a multiple of 4 (with the default interp_ratio).
    """

    def __init__(self, config: SeldConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.out_channels1, config.out_channels2, config.out_channels3, config.d_model)
        for index, width in enumerate(widths[:3], 1):
            weight = torch.empty(width, 2, 2).uniform_(0.1, 0.9)
            self.register_parameter(f"stitch{index}", nn.Parameter(weight))
        for branch, inputs in (("sed", config.in_channels_sed), ("doa", config.in_channels)):
            for index, width in enumerate(widths, 1):
                block = _conv_block(inputs, width, pool_time=2 if index <= 2 else 1)
                self.add_module(f"{branch}_conv_block{index}", block)
                inputs = width
        self.sed_trans_track1 = _attention(config)
        self.doa_trans_track1 = _attention(config)
        self.fc_sed_track1 = nn.Linear(config.d_model, config.class_num)
        self.fc_doa_track1 = nn.Linear(config.d_model, config.class_num)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        sed, doa = self.embed(features)
        x = self._position(self.fc_doa_track1(doa))
        return self._repeat(self.fc_sed_track1(sed)), self._repeat(x)

    def embed(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """What the last layers of activity and position see, both [N, T / 4, d_model]."""
        config = self.config
        if features.ndim != 4 or features.shape[1:3] != (config.in_channels, config.bins):
            raise ValueError(
                f"features must be (N, {config.in_channels}, {config.bins}, T), "
                f"got {tuple(features.shape)}"
            )
        doa = self._prepare(features.transpose(2, 3))
        sed = doa[:, : config.in_channels_sed]
        for index in (1, 2, 3, 4):
            sed = self.get_submodule(f"sed_conv_block{index}")(sed)
            doa = self.get_submodule(f"doa_conv_block{index}")(doa)
            if index < 4:
                sed, doa = cross_stitch(self.get_parameter(f"stitch{index}"), sed, doa)
        return (
            self.sed_trans_track1(sed.mean(3).transpose(1, 2)),
            self.doa_trans_track1(doa.mean(3).transpose(1, 2)),
        )

    def _prepare(self, x: Tensor) -> Tensor:
        """Features [N, C, T, F] as the first convolutions take them."""
        if self.config.log_features:
            level = torch.log10(x[:, :2].clamp_min(1e-3)) + 1.0
            x = torch.cat([level, torch.cos(x[:, 2:])], dim=1)
        if self.config.pool_bins > 1:
            x = functional.avg_pool2d(x, (1, self.config.pool_bins))
        return x

    def _position(self, x: Tensor) -> Tensor:
        if self.config.act_azi != "none":
            x = torch.sigmoid(x) if self.config.act_azi == "sigmoid" else torch.tanh(x)
        return x if self.config.range_azi == "0to256_0to1" else (x + 1.0) / 2.0

    def _repeat(self, x: Tensor) -> Tensor:
        """[N, T / 4, classes] → [N, classes, T]."""
        return x.transpose(1, 2).repeat_interleave(self.config.interp_ratio, dim=2)


_PUBLISHED_NAMES = {
    "in_channels": "ch",
    "in_channels_sed": "ch_sed",
}


def from_published(published: Mapping[str, Any] | None) -> SeldConfig:
    """Our configuration for the authors' constructor arguments (None: the released ones).

    Takes the network's own arguments (`net_config` with its "conv" and "transformer" parts,
    `class_num`, `in_channels`, …), the command-line arguments that name features and windows, and
    the mappings of their files (`feature_config`, `threshold`), at the top level or under
    "constructor", "arguments" and "args".
    """
    arguments = dict(published or {})
    for nest in ("constructor", "arguments", "args"):
        if isinstance(arguments.get(nest), Mapping):
            arguments = {**arguments[nest], **{k: v for k, v in arguments.items() if k != nest}}
    net = arguments.get("net_config") or {}
    for part in ("conv", "transformer"):
        arguments.update(net.get(part, arguments.get(part) or {}))
    feature_config = arguments.get("feature_config") or {}
    feature = arguments.get("feature", "amp_phasediff")
    if feature != "amp_phasediff":
        raise ValueError(f"feature must be 'amp_phasediff', got {feature!r}")
    channels = feature_config.get(feature, {})
    for name, published_name in _PUBLISHED_NAMES.items():
        if published_name in channels:
            arguments.setdefault(name, channels[published_name])
    if "base_channel" in feature_config:
        arguments.setdefault("base_channel", feature_config["base_channel"])
    if arguments.get("threshold_presence") is not None:
        arguments.setdefault("threshold", arguments["threshold_presence"])
    names = {f.name for f in fields(SeldConfig)}
    return SeldConfig(**{k: v for k, v in arguments.items() if k in names and v is not None})


FORMAT = ModelFormat(
    kind="seld",
    config=SeldConfig,
    build=Seld,
    from_published=from_published,
    wrappers=("model_state_dict",),
)
