"""A small vocoder with a source: log mel spectrograms to waveforms by filtered pulses and noise.

A network at the frame rate that sees magnitudes alone cannot advance the phase of a sustained tone:
where the spectrogram stands still, its output repeats with the hop. So blocks predict the pitch and the
filters of two sources, pulses whose phase is the running sum of the pitch, and noise, as in neural
source-filter models (arXiv 1904.12088) and differentiable synthesisers (2001.04643); pitch is a
distribution over bins (1802.06182), the pulses' filter has minimum phase. What the filters make gives
the phases, the spectrogram itself gives the levels.

Shapes: B clips (or channels), M mel bands, P pitches, F mel frames, J = 2F synthesis frames,
K = n_fft / 2 + 1 bins of these, T = F · hop samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.audio.spectra import overlap_add
from savg.fields import Bands, Between, Channels, Depth, Factor, check
from savg.hub import ModelFormat
from savg.models.istft_vocoder import Block
from savg.models.mel import CONFIGS as MELS
from savg.models.mel import MelConfig, mel_bands
from savg.models.mel_inversion import Inversion, check_mel

__all__ = ["CONFIGS", "FORMAT", "HarmonicVocoder", "HarmonicVocoderConfig"]

QUIETEST = 1e-5
"""Smallest amplitude of a mel band (`savg.models.mel`)."""
LARGEST_GAIN = 8.0
"""Largest logarithm of a filter's gain over what the spectrogram says."""
SEARCH = 4
"""Bins on both sides of the likeliest pitch that its mean is taken over."""


@dataclass(frozen=True)
class HarmonicVocoderConfig:
    """mel: name of the published mel spectrogram; num_mels: its bands; width: channels of the blocks;
    depth: number of blocks; ratio: how many times a block is wider inside; pitches: number of them, on
    a logarithmic scale from `lowest` to `highest` Hz; iterations: of Griffin-Lim, and updates: of the
    spectrum from its bands, by which the waveform gets the spectrogram's levels."""

    mel: str = "16k"
    num_mels: Bands = 80
    width: Channels = 160
    depth: Depth = 6
    ratio: Factor = 2
    pitches: Annotated[int, Between(2, 10_000)] = 241
    lowest: float = 55.0
    highest: float = 1760.0
    iterations: Annotated[int, Between(0, 1000)] = 8
    updates: Annotated[int, Between(1, 1000)] = 10

    def __post_init__(self) -> None:
        check(self)
        if self.mel not in MELS:
            raise ValueError(f"mel must be one of {', '.join(MELS)}, got {self.mel!r}")
        if not 0 < self.lowest < self.highest < MELS[self.mel].sampling_rate / 2:
            raise ValueError(
                f"lowest and highest must be increasing pitches in Hz, got {self.lowest} and "
                f"{self.highest}"
            )

    @property
    def spectrogram(self) -> MelConfig:
        """The mel spectrogram that goes in."""
        return replace(MELS[self.mel], num_mels=self.num_mels)

    @property
    def hop(self) -> int:
        """Samples per mel frame."""
        return MELS[self.mel].hop_size


CONFIGS: dict[str, HarmonicVocoderConfig] = {
    "full": HarmonicVocoderConfig(width=384, depth=8, ratio=3),
    "demo": HarmonicVocoderConfig(),
    "tiny": HarmonicVocoderConfig(
        num_mels=6, width=12, depth=2, pitches=11, iterations=1, updates=2
    ),
}


class HarmonicVocoder(nn.Module):
    """Log mel spectrograms of one channel [B, M, F] to waveforms [B, 1, F · hop] in −1..1."""

    window: Tensor
    spread: Tensor
    octaves: Tensor

    def __init__(self, config: HarmonicVocoderConfig) -> None:
        super().__init__()
        self.config, self.mel = config, config.spectrogram
        self.inversion = Inversion(self.mel, config.updates)
        self.hop, self.n_fft = self.mel.hop_size // 2, self.mel.n_fft // 2
        self.bins = self.n_fft // 2 + 1
        width = config.width
        self.begin = nn.Conv1d(config.num_mels, width, 7, padding=3)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            Block(width, config.ratio * width, 1 / config.depth) for _ in range(config.depth)
        )
        self.end = nn.LayerNorm(width)
        self.pitch = nn.Linear(width, config.pitches)
        self.gains = nn.Linear(width, 4 * self.bins)
        nn.init.zeros_(self.gains.weight)
        nn.init.zeros_(self.gains.bias)
        with torch.device("cpu"):  # numbers, no weights: also where the network has no memory yet
            window = torch.hann_window(self.n_fft)
            spread = _spread(mel_bands(self.mel))[:, ::2].contiguous()
            octaves = math.log2(config.highest / config.lowest)
            scale = torch.linspace(0, octaves, config.pitches) + math.log2(config.lowest)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("spread", spread, persistent=False)
        self.register_buffer("octaves", scale, persistent=False)

    def predict(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of pitches [B, P, F], and logarithms of gains [B, 2, K, J]: of pulses, of noise."""
        x = self.norm(self.begin(mel).transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        x = self.end(x.transpose(1, 2))
        gains = self.gains(x).unflatten(-1, (2, 2, self.bins))  # [B, F, step, source, K]
        gains = gains.permute(0, 3, 4, 1, 2).flatten(3)
        return self.pitch(x).transpose(1, 2).float(), gains.float().clamp(max=LARGEST_GAIN)

    def hertz(self, logits: Tensor) -> Tensor:
        """Pitch [B, F] in Hz: the mean around the likeliest bin of logits [B, P, F]."""
        best = logits.argmax(1, keepdim=True)
        at = torch.arange(logits.shape[1], device=logits.device)[None, :, None]
        near = logits.masked_fill((at - best).abs() > SEARCH, -torch.inf).softmax(1)
        return 2 ** (near * self.octaves[:, None]).sum(1)

    def filtered(self, mel: Tensor, hertz: Tensor, gains: Tensor, noise: Tensor) -> Tensor:
        """The waveform [B, T] of sources through filters.

        mel [B, M, F], hertz [B, F], gains [B, 2, K, J] as predicted, noise [B or 1, T] of variance 1.
        """
        amplitude = (self.spread.T @ (10 ** mel.float())).clamp_min(QUIETEST).log()
        amplitude = _twice(amplitude)
        pulses = pulse_train(hertz, self.mel.hop_size, self.mel.sampling_rate)
        share = (_twice(hertz[:, None]) / self.mel.sampling_rate).log()
        of_pulses = gains[:, 0] + amplitude + share
        of_noise = gains[:, 1] + amplitude - 0.5 * math.log(0.375 * self.mel.n_fft)
        spectrum = self.analyse(pulses) * minimum_phase(of_pulses, self.n_fft)
        spectrum = spectrum + self.analyse(noise) * of_noise.exp()
        return overlap_add(spectrum, self.window.float(), self.hop)

    def analyse(self, audio: Tensor) -> Tensor:
        """Complex spectra [B, K, J] of audio [B, T]; frames start every hop from (hop − n_fft) / 2."""
        padded = functional.pad(audio, ((self.n_fft - self.hop) // 2,) * 2)
        window = self.window.float()
        return torch.stft(
            padded, self.n_fft, self.hop, window=window, center=False, return_complex=True
        )

    def excited(self, mel: Tensor) -> Tensor:
        """The waveform [B, T] that the network alone makes of mel spectrograms [B, M, F]."""
        logits, gains = self.predict(mel)
        samples = mel.shape[-1] * self.mel.hop_size
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(1, samples, generator=generator).to(mel.device)
        return self.filtered(mel, self.hertz(logits), gains, noise)

    def excitation(self, mel: Tensor) -> Tensor:
        """Audio [B, T] of mel spectrograms [B, M, F] with their levels, not limited."""
        return self.inversion.levelled(self.excited(mel), mel, self.config.iterations)

    def forward(self, mel: Tensor) -> Tensor:
        check_mel(mel, self.config.num_mels)
        return self.excitation(mel).clamp(-1, 1)[:, None]

    def stereo(self, mel: Tensor) -> Tensor:
        """Audio [B, 2, T] in −1..1 of mel spectrograms [B, 2, M, F], 0 left."""
        check_mel(mel, self.config.num_mels, 2)
        return self.inversion.two_channels(self.excitation, mel)


def _spread(bands: Tensor) -> Tensor:
    """Weights [M, K] that interpolate the mean amplitude of each band at every bin, from bands [M, K].

    Bins below the first or above the last centre take that band.
    """
    area = bands.sum(1)
    centre = (bands * torch.arange(bands.shape[1])).sum(1) / area.clamp_min(1e-9)
    at = torch.arange(bands.shape[1], dtype=torch.float32)
    upper = torch.searchsorted(centre.contiguous(), at).clamp(1, len(centre) - 1)
    low, high = centre[upper - 1], centre[upper]
    share = ((at - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)
    weights = torch.zeros_like(bands)
    index = torch.arange(bands.shape[1])
    weights[upper - 1, index] += 1 - share
    weights[upper, index] += share
    return weights / area.clamp_min(1e-9)[:, None]


def _twice(x: Tensor) -> Tensor:
    """Frames [B, K, F] at twice the rate [B, K, 2F], linearly between their centres."""
    return functional.interpolate(x, scale_factor=2, mode="linear")


def pulse_train(hertz: Tensor, hop: int, rate: int) -> Tensor:
    """All harmonics below half of `rate`, each of amplitude 1, of pitches [B, F]: [B, F · hop].

    The closed form of the sum of cosines; the highest harmonic fades in with its distance from half
    of the rate. Pitches glide in octaves between frames.
    """
    octaves = functional.interpolate(hertz.log2()[:, None], scale_factor=hop, mode="linear")[:, 0]
    # Whole cycles are dropped from frame to frame, so that float32 suffices: not every device has more.
    cycles = (2.0**octaves / rate).unflatten(-1, (-1, hop)).cumsum(-1)
    parts = cycles[..., -1:] - cycles[..., -1:].round()
    cycles = (cycles + parts.cumsum(-2) - parts).flatten(-2)
    angle = (cycles - cycles.round()) * 2 * math.pi
    count = (rate / 2) / 2.0**octaves - 1
    whole = count.floor()
    half = torch.where(angle.abs() < 1e-4, torch.full_like(angle, 1e-4), angle) / 2
    below = torch.sin((2 * whole + 1) * half) / (2 * torch.sin(half)) - 0.5
    return below + (count - whole) * torch.cos((whole + 1) * angle)


def minimum_phase(log_gain: Tensor, n_fft: int) -> Tensor:
    """Complex filters [B, K, J] of minimum phase with logarithms of gains [B, K, J]."""
    cepstrum = torch.fft.irfft(log_gain, n_fft, dim=1)
    fold = torch.zeros(n_fft, device=log_gain.device)
    fold[0] = fold[n_fft // 2] = 1.0
    fold[1 : n_fft // 2] = 2.0
    return torch.fft.rfft(cepstrum * fold[:, None], dim=1).exp()


def from_published(published: Mapping[str, Any] | None = None) -> HarmonicVocoderConfig:
    """The configuration for its own arguments (nobody else publishes one); None: the full one."""
    return HarmonicVocoderConfig(**published) if published else CONFIGS["full"]


FORMAT = ModelFormat(
    kind="harmonic_vocoder",
    config=HarmonicVocoderConfig,
    build=HarmonicVocoder,
    from_published=from_published,
)
