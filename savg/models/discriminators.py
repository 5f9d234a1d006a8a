"""Discriminators of recorded and generated waveforms, for the adversarial training of vocoders.

Multi-period discriminators fold the waveform into rows of one period (HiFi-GAN, arXiv 2010.05646),
multi-resolution ones take magnitude spectra (UnivNet, 2106.07889); BigVGAN (2206.04658) trains with
both.

Shapes: B waveforms, T samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

SLOPE = 0.1


@dataclass(frozen=True)
class DiscriminatorsConfig:
    """periods: of the period discriminators in samples; period_widths: channels of their layers;
    resolutions: (n_fft, hop, window) of the spectral ones in samples; width: channels of these. The
    defaults are BigVGAN's."""

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_widths: tuple[int, ...] = (32, 128, 512, 1024, 1024)
    resolutions: tuple[tuple[int, int, int], ...] = (
        (1024, 120, 600),
        (2048, 240, 1200),
        (512, 50, 240),
    )
    width: int = 32

    def __post_init__(self) -> None:
        if not self.periods and not self.resolutions:
            raise ValueError("periods and resolutions must not both be empty")
        if min(self.periods, default=1) < 1 or self.width < 1 or not self.period_widths:
            raise ValueError("periods and widths of discriminators must be ≥ 1")


CONFIGS: dict[str, DiscriminatorsConfig] = {
    "full": DiscriminatorsConfig(),
    "demo": DiscriminatorsConfig(
        (2, 5, 11), (8, 32, 96, 96), ((1024, 256, 1024), (512, 64, 256)), 16
    ),
    "tiny": DiscriminatorsConfig((3,), (4, 4), ((64, 16, 64),), 4),
}


class DiscriminatorOutput(NamedTuple):
    """scores [B, ·] of one discriminator, and features: the outputs of its layers, for matching."""

    scores: Tensor
    features: list[Tensor]


class PeriodDiscriminator(nn.Module):
    """Waveforms [B, T] as rows of `period` samples, convolved along the phases."""

    def __init__(self, period: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.period = period
        inputs = (1, *widths)
        self.layers = nn.ModuleList(
            weight_norm(
                nn.Conv2d(a, b, (5, 1), (3 if i < len(widths) - 1 else 1, 1), padding=(2, 0))
            )
            for i, (a, b) in enumerate(zip(inputs, widths, strict=False))
        )
        self.out = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, audio: Tensor) -> DiscriminatorOutput:
        missing = -audio.shape[-1] % self.period
        x = functional.pad(audio[:, None], (0, missing), mode="reflect")
        return discriminate(x.unflatten(-1, (-1, self.period)), self.layers, self.out)


class SpectrumDiscriminator(nn.Module):
    """Waveforms [B, T] as magnitudes of a short-time spectrum of one resolution."""

    def __init__(self, resolution: tuple[int, int, int], width: int) -> None:
        super().__init__()
        self.resolution = resolution
        shapes = [(1, (3, 9), (1, 1)), *[(width, (3, 9), (1, 2))] * 3, (width, (3, 3), (1, 1))]
        self.layers = nn.ModuleList(
            weight_norm(
                nn.Conv2d(inputs, width, kernel, stride, padding=(kernel[0] // 2, kernel[1] // 2))
            )
            for inputs, kernel, stride in shapes
        )
        self.out = weight_norm(nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, audio: Tensor) -> DiscriminatorOutput:
        n_fft, hop, window = self.resolution
        shape = torch.hann_window(window, device=audio.device)
        spectrum = torch.stft(
            audio.float(), n_fft, hop, window, shape, return_complex=True, pad_mode="constant"
        )
        return discriminate(spectrum.abs().transpose(1, 2)[:, None], self.layers, self.out)


def discriminate(x: Tensor, layers: nn.ModuleList, out: nn.Module) -> DiscriminatorOutput:
    """`layers` with leaky rectifiers, then `out`; every layer's output is a feature."""
    features = []
    for layer in layers:
        x = functional.leaky_relu(layer(x), SLOPE)
        features.append(x)
    x = out(x)
    return DiscriminatorOutput(x.flatten(1), [*features, x])


class Discriminators(nn.Module):
    """Waveforms [B, T] → one output from each discriminator."""

    def __init__(self, config: DiscriminatorsConfig) -> None:
        super().__init__()
        self.config = config
        self.each = nn.ModuleList(
            [
                *(PeriodDiscriminator(period, config.period_widths) for period in config.periods),
                *(
                    SpectrumDiscriminator(resolution, config.width)
                    for resolution in config.resolutions
                ),
            ]
        )

    def forward(self, audio: Tensor) -> list[DiscriminatorOutput]:
        return [discriminator(audio) for discriminator in self.each]


class AdversarialVocoder(nn.Module):
    """A vocoder and its discriminators, evaluated so that one backward pass trains both.

    The discriminators take the generated audio twice: detached, for their own loss, and with their
    weights detached, for the vocoder's. config: the vocoder's.
    """

    def __init__(self, network: nn.Module, discriminators: Discriminators | None) -> None:
        super().__init__()
        self.network, self.discriminators = network, discriminators
        self.config = network.config

    def forward(
        self, mel: Tensor, real: Tensor | None = None
    ) -> tuple[Tensor, list[list[DiscriminatorOutput]]]:
        """Audio [B, T] of mel spectrograms [B, M, F], and discriminator outputs (none without `real`).

        real [B, T]: recorded audio. The outputs are of recorded audio, of generated audio for the
        discriminators' loss, and of generated audio for the vocoder's.
        """
        generated = self.network(mel)[:, 0]
        if self.discriminators is None or real is None:
            return generated, []
        detached = {
            name: value.detach() for name, value in self.discriminators.state_dict().items()
        }
        for_vocoder = torch.func.functional_call(self.discriminators, detached, (generated,))
        for_discriminators = self.discriminators(generated.detach())
        return generated, [self.discriminators(real), for_discriminators, for_vocoder]
