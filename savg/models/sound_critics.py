"""Networks that judge whether a waveform is a recording, for the adversarial training of vocoders.

Some fold the waveform into rows of one period and look along them (HiFi-GAN, arXiv 2010.05646), some
look at spectra of one resolution (UnivNet, 2106.07889); BigVGAN (2206.04658) trains with both.

Shapes: B waveforms, T samples. A critic gives scores and the features that it came by.
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
class CriticsConfig:
    """periods in samples, with `period_widths` channels; resolutions: (n_fft, hop, window) in samples,
    with `width` channels. The defaults are BigVGAN's."""

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
            raise ValueError("critics need at least one period or resolution")
        if min(self.periods, default=1) < 1 or self.width < 1 or not self.period_widths:
            raise ValueError("periods and widths of critics are positive")


CONFIGS: dict[str, CriticsConfig] = {
    "full": CriticsConfig(),
    "demo": CriticsConfig((2, 5, 11), (8, 32, 96, 96), ((1024, 256, 1024), (512, 64, 256)), 16),
    "tiny": CriticsConfig((3,), (4, 4), ((64, 16, 64),), 4),
}


class Judgement(NamedTuple):
    """Scores of one critic, and what its layers saw."""

    scores: Tensor
    features: list[Tensor]


class PeriodCritic(nn.Module):
    """Looks at every `period`-th sample, all phases side by side."""

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

    def forward(self, sound: Tensor) -> Judgement:
        missing = -sound.shape[-1] % self.period
        x = functional.pad(sound[:, None], (0, missing), mode="reflect")
        return judge(x.unflatten(-1, (-1, self.period)), self.layers, self.out)


class SpectrumCritic(nn.Module):
    """Looks at the magnitudes of a short-time spectrum."""

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

    def forward(self, sound: Tensor) -> Judgement:
        n_fft, hop, window = self.resolution
        shape = torch.hann_window(window, device=sound.device)
        spectrum = torch.stft(
            sound.float(), n_fft, hop, window, shape, return_complex=True, pad_mode="constant"
        )
        return judge(spectrum.abs().transpose(1, 2)[:, None], self.layers, self.out)


def judge(x: Tensor, layers: nn.ModuleList, out: nn.Module) -> Judgement:
    """Convolutions with leaky rectifiers; every layer's output is kept."""
    features = []
    for layer in layers:
        x = functional.leaky_relu(layer(x), SLOPE)
        features.append(x)
    x = out(x)
    return Judgement(x.flatten(1), [*features, x])


class Critics(nn.Module):
    """Waveforms [B, T] → one judgement from each critic."""

    def __init__(self, config: CriticsConfig) -> None:
        super().__init__()
        self.config = config
        self.each = nn.ModuleList(
            [
                *(PeriodCritic(period, config.period_widths) for period in config.periods),
                *(SpectrumCritic(resolution, config.width) for resolution in config.resolutions),
            ]
        )

    def forward(self, sound: Tensor) -> list[Judgement]:
        return [critic(sound) for critic in self.each]


class Contest(nn.Module):
    """A vocoder and its critics, judged so that one backward pass trains both sides.

    The critics see the vocoder's sound twice: cut off from it, for their own loss, and with their own
    weights held, for the vocoder's. config: the vocoder's.
    """

    def __init__(self, network: nn.Module, critics: Critics | None) -> None:
        super().__init__()
        self.network, self.critics = network, critics
        self.config = network.config

    def forward(
        self, mel: Tensor, real: Tensor | None = None
    ) -> tuple[Tensor, list[list[Judgement]]]:
        """The sound [B, T] of mel spectrograms [B, M, F], and with `real` sounds [B, T] the
        judgements of: real, made (for the critics), made (for the vocoder)."""
        made = self.network(mel)[:, 0]
        if self.critics is None or real is None:
            return made, []
        held = {name: value.detach() for name, value in self.critics.state_dict().items()}
        for_vocoder = torch.func.functional_call(self.critics, held, (made,))
        return made, [self.critics(real), self.critics(made.detach()), for_vocoder]
