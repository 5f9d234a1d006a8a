"""The mel VAE: log mel spectrograms of one channel to latents at half the frame rate, and back.

Every layer preserves the magnitude of what passes (EDM2, arXiv 2312.02696): kernels are normalised
for each output channel whenever they are used, sums are weighted, and there are no biases. Parameters
bear the names of the published checkpoint; its kernels are read as they are, since normalising once
after loading, as the authors do, gives the same as normalising at every use.
Source: MMAudio (arXiv 2412.15322) as its public code behaves.

Shapes: B clips (or channels), M mel bands, F mel frames, C latent channels, L latents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.fields import Bands, Between, Channels, Factor, Items, Kernel, check
from savg.hub import ModelFormat

__all__ = ["CONFIGS", "FORMAT", "MelVae", "MelVaeConfig", "Posterior"]

EPS = 1e-4
SILU_MAGNITUDE = 0.596
RESIDUAL_SHARE = 0.3


@dataclass(frozen=True)
class MelVaeConfig:
    """Sizes of a mel VAE; the defaults are the published one at 16 kHz.

    data_dim: mel bands; embed_dim: latent channels; hidden_dim · ch_mult: channels of each level,
    which has one more block in the decoder; down_layers: levels after which time is halved;
    num_res_blocks: blocks of each level; kernel_size: of the convolutions in time;
    clip_act: limit of activations.
    """

    data_dim: Bands = 80
    embed_dim: Channels = 20
    hidden_dim: Channels = 384
    ch_mult: Annotated[tuple[Factor, ...], Items(1, 10)] = (1, 2, 4)
    num_res_blocks: Annotated[int, Between(1, 32)] = 2
    down_layers: Annotated[tuple[Annotated[int, Between(0, 9)], ...], Items(0, 10)] = (0,)
    kernel_size: Kernel = 3
    clip_act: Annotated[float, Between(1e-3, 1e9)] = 256.0

    def __post_init__(self) -> None:
        check(self)
        if any(not 0 <= level < len(self.ch_mult) - 1 for level in self.down_layers):
            raise ValueError(
                f"down_layers must be levels before the last of {len(self.ch_mult)}, "
                f"got {self.down_layers}"
            )
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {self.kernel_size}")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return tuple(self.hidden_dim * factor for factor in self.ch_mult)

    @property
    def frames_per_latent(self) -> int:
        """Mel frames per latent."""
        return 2 ** len(self.down_layers)


CONFIGS: dict[str, MelVaeConfig] = {
    "16k": MelVaeConfig(),
    "44k": MelVaeConfig(data_dim=128, embed_dim=40, hidden_dim=512),
    "full": MelVaeConfig(),
    "demo": MelVaeConfig(embed_dim=12, hidden_dim=64, ch_mult=(1, 1, 1)),
    "tiny": MelVaeConfig(data_dim=6, embed_dim=2, hidden_dim=8, num_res_blocks=1),
}
"""By name: the two published networks; "full" is "16k", the one that is frozen in [S2]."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """The encoder's distribution of latents [B, C, L]: independent normal distributions."""

    mean: Tensor
    logvar: Tensor

    @property
    def std(self) -> Tensor:
        """Standard deviations [B, C, L]."""
        return torch.exp(0.5 * self.logvar)

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Latents [B, C, L] drawn from the distributions."""
        device = self.mean.device if generator is None else generator.device
        noise = torch.randn(self.mean.shape, generator=generator, device=device).to(self.mean)
        return self.mean + self.std * noise

    def kl(self, as_published: bool = False) -> Tensor:
        """Divergence from standard normal latents [B, C, L], in nats.

        as_published: the published code's value, which halves only the square of the mean.
        """
        rest = self.logvar.exp() - 1 - self.logvar
        return 0.5 * self.mean.square() + (rest if as_published else 0.5 * rest)


def normalized(x: Tensor, dim: int) -> Tensor:
    """`x` scaled to a mean square of about one along `dim`."""
    count = x.shape[dim]
    norm = torch.linalg.vector_norm(x.float(), dim=dim, keepdim=True) / math.sqrt(count)
    return x / (EPS + norm).to(x.dtype)


def silu(x: Tensor) -> Tensor:
    """SiLU, scaled so that the output for normal input has a mean square of one."""
    return functional.silu(x) / SILU_MAGNITUDE


def blend(x: Tensor, update: Tensor, share: float = RESIDUAL_SHARE) -> Tensor:
    """The weighted sum of x and `update`, scaled to the magnitude of independent summands."""
    return torch.lerp(x, update, share) / math.hypot(1 - share, share)


class Conv(nn.Module):
    """Convolution whose kernel is normalised for each output channel when it is used."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel))

    def gains(self) -> Tensor:
        """The factor of each output channel [outputs]."""
        norm = torch.linalg.vector_norm(self.weight.float(), dim=(1, 2))
        return 1 / (norm + EPS * math.sqrt(self.weight[0].numel()))

    def kernel(self) -> Tensor:
        """The normalised kernel."""
        return self.weight * self.gains()[:, None, None]

    def forward(self, x: Tensor, gain: Tensor | float = 1.0) -> Tensor:
        out = functional.conv1d(x, self.weight, padding=self.weight.shape[-1] // 2)
        # scaling the output is scaling the kernel, without a second copy of it
        return out * (gain * self.gains())[:, None].to(out.dtype)


class ResidualBlock(nn.Module):
    """Normalise over channels, two activated convolutions, and a weighted sum with the input."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv1 = Conv(inputs, outputs, kernel)
        self.conv2 = Conv(outputs, outputs, kernel)
        self.nin_shortcut = Conv(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        x = normalized(x, dim=1)
        update = self.conv2(silu(self.conv1(silu(x))))
        return blend(x if self.nin_shortcut is None else self.nin_shortcut(x), update)


class AttentionBlock(nn.Module):
    """Attention over time with one head; queries, keys and values are normalised over channels.

    In the projection's output the three run fastest: (channel, query | key | value).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = Conv(width, 3 * width, 1)
        self.proj_out = Conv(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        parts = normalized(self.qkv(x).unflatten(1, (-1, 3)), dim=1)
        q, k, v = (part.transpose(1, 2) for part in parts.unbind(2))
        out = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return blend(x, self.proj_out(out))


class Halve(nn.Module):
    """Half the frames: averages of two between two 1×1 convolutions; an odd last one is dropped."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = Conv(width, width, 1)
        self.conv2 = Conv(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(functional.avg_pool1d(self.conv1(x), 2))


class Double(nn.Module):
    """Every frame twice, then a convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = Conv(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.repeat_interleave(2, dim=-1))


class Level(nn.Module):
    """Residual blocks of one resolution; `downsample` or `upsample` follows at some levels."""

    def __init__(self, inputs: int, outputs: int, blocks: int, config: MelVaeConfig) -> None:
        super().__init__()
        self.limit = config.clip_act
        self.block = nn.ModuleList(
            ResidualBlock(inputs if i == 0 else outputs, outputs, config.kernel_size)
            for i in range(blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x).clamp(-self.limit, self.limit)
        for change in (getattr(self, name, None) for name in ("downsample", "upsample")):
            x = x if change is None else change(x)
        return x


class Middle(nn.Module):
    """Two residual blocks with attention between them."""

    def __init__(self, width: int, config: MelVaeConfig) -> None:
        super().__init__()
        self.limit = config.clip_act
        self.block_1 = ResidualBlock(width, width, config.kernel_size)
        self.attn_1 = AttentionBlock(width)
        self.block_2 = ResidualBlock(width, width, config.kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x))).clamp(-self.limit, self.limit)


class Encoder(nn.Module):
    """Normalised mel spectrograms [B, M, F] to means and log variances [B, 2C, L]."""

    def __init__(self, config: MelVaeConfig) -> None:
        super().__init__()
        widths, kernel = config.widths, config.kernel_size
        self.learnable_gain = nn.Parameter(torch.zeros([]))
        self.conv_in = Conv(config.data_dim, config.hidden_dim, kernel)
        self.down = nn.ModuleList()
        for i, (inputs, outputs) in enumerate(
            zip((config.hidden_dim, *widths), widths, strict=False)
        ):
            level = Level(inputs, outputs, config.num_res_blocks, config)
            if i in config.down_layers:
                level.downsample = Halve(outputs)
            self.down.append(level)
        self.mid = Middle(widths[-1], config)
        self.conv_out = Conv(widths[-1], 2 * config.embed_dim, kernel)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(silu(self.mid(x)), self.learnable_gain + 1)


class Decoder(nn.Module):
    """Latents [B, C, L] to normalised mel spectrograms [B, M, F]."""

    def __init__(self, config: MelVaeConfig) -> None:
        super().__init__()
        widths, kernel = config.widths, config.kernel_size
        self.learnable_gain = nn.Parameter(torch.zeros([]))
        self.conv_in = Conv(config.embed_dim, widths[-1], kernel)
        self.mid = Middle(widths[-1], config)
        self.up = nn.ModuleList()
        for i, width in enumerate(widths):
            coarser = widths[min(i + 1, len(widths) - 1)]
            level = Level(coarser, width, config.num_res_blocks + 1, config)
            if i - 1 in config.down_layers:
                level.upsample = Double(width)
            self.up.append(level)
        self.conv_out = Conv(widths[0], config.data_dim, kernel)

    def forward(self, z: Tensor) -> Tensor:
        x = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(silu(x), self.learnable_gain + 1)


class MelVae(nn.Module):
    """Mel spectrograms of one channel [B, M, F] to latents [B, C, L] and back.

    data_mean, data_std [1, M, 1]: of the mel bands over the training audio; a new network has
    zeros and ones, and its trainer sets them.
    """

    data_mean: Tensor
    data_std: Tensor

    def __init__(self, config: MelVaeConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("data_mean", torch.zeros(1, config.data_dim, 1))
        self.register_buffer("data_std", torch.ones(1, config.data_dim, 1))
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def encode(self, mel: Tensor) -> Posterior:
        """The distribution of latents of log mel spectrograms [B, M, F]."""
        moments = self.encoder((mel - self.data_mean) / self.data_std)
        mean, logvar = moments.chunk(2, dim=1)
        return Posterior(mean, logvar.clamp(-30, 20))

    def decode(self, latent: Tensor) -> Tensor:
        """Log mel spectrograms of latents [B, C, L]."""
        return self.decoder(latent) * self.data_std + self.data_mean

    def forward(
        self, mel: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Posterior]:
        """The spectrogram after encoding and decoding a drawn latent, and the distribution."""
        posterior = self.encode(mel)
        return self.decode(posterior.sample(generator)), posterior


def from_published(published: Mapping[str, Any] | None = None) -> MelVaeConfig:
    """The configuration for the authors' constructor arguments; None: the released one at 16 kHz.

    {"name": "44k"} names the released one at 44.1 kHz. Attention exists in the middle alone: the
    released arguments request it at a level that does not exist.
    """
    arguments = dict(published or {})
    if "name" in arguments:
        name = arguments.pop("name")
        if name not in ("16k", "44k"):
            raise ValueError(f"name must be '16k' or '44k', got {name!r}")
        return CONFIGS[name]
    attention = arguments.pop("attn_layers", ())
    for name in ("ch_mult", "down_layers"):
        if name in arguments:
            arguments[name] = tuple(arguments[name])
    config = MelVaeConfig(**arguments)
    if any(level < len(config.ch_mult) for level in attention):
        raise ValueError(
            f"attn_layers must name none of {len(config.ch_mult)} levels, got {list(attention)}"
        )
    return config


FORMAT = ModelFormat(
    kind="mel_vae", config=MelVaeConfig, build=MelVae, from_published=from_published
)
