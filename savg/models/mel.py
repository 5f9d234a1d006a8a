"""Mel spectrograms as the mel VAE and the vocoder were trained on.

A waveform in −1..1 (clipped beyond) becomes log amplitudes of overlapping bands, spaced evenly on
Slaney's mel scale (linear below 1 kHz, logarithmic above) and weighted by the inverse of their width
(Slaney 1998, the defaults of librosa). Source: behaviour of the published MMAudio code.

Shapes: … any leading axes, T samples, F = T // hop frames, M bands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.audio.mel import slaney_bands

LOGARITHMS: dict[str, Callable[[Tensor], Tensor]] = {"log10": torch.log10, "log": torch.log}


@dataclass(frozen=True)
class MelConfig:
    """How a mel spectrogram is taken; the defaults are the published ones at 16 kHz.

    sampling_rate, fmin, fmax in Hz; n_fft, hop_size, win_size in samples; norm_fn: "log10" or "log".
    """

    sampling_rate: int = 16_000
    n_fft: int = 1024
    num_mels: int = 80
    hop_size: int = 256
    win_size: int = 1024
    fmin: float = 0.0
    fmax: float = 8000.0
    norm_fn: str = "log10"

    def __post_init__(self) -> None:
        if self.norm_fn not in LOGARITHMS:
            raise ValueError(f"norm_fn must be one of {sorted(LOGARITHMS)}, got {self.norm_fn!r}")
        if not 0 <= self.fmin < self.fmax <= self.sampling_rate / 2:
            raise ValueError(
                f"fmin and fmax must be 0 ≤ fmin < fmax ≤ {self.sampling_rate / 2} Hz, "
                f"got {self.fmin} and {self.fmax}"
            )
        if not self.hop_size <= self.win_size <= self.n_fft:
            raise ValueError(
                f"sizes must be hop_size ≤ win_size ≤ n_fft, got {self.hop_size}, {self.win_size}, "
                f"{self.n_fft}"
            )


CONFIGS: dict[str, MelConfig] = {
    "16k": MelConfig(),
    "44k": MelConfig(44_100, 2048, 128, 512, 2048, 0.0, 22_050.0, "log"),
}
"""The two published variants."""


def mel_bands(config: MelConfig) -> Tensor:
    """Weight of every frequency bin in every band [M, n_fft / 2 + 1], float32."""
    c = config
    return slaney_bands(c.sampling_rate, c.n_fft, c.num_mels, c.fmin, c.fmax)


class MelSpectrogram(nn.Module):
    """Waveforms [..., T] to log mel spectrograms [..., M, F]."""

    mel_basis: Tensor
    hann_window: Tensor

    def __init__(self, config: MelConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mel_basis", mel_bands(config), persistent=False)
        self.register_buffer("hann_window", torch.hann_window(config.win_size), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        c = self.config
        if waveform.shape[-1] < c.n_fft:
            raise ValueError(f"waveforms must be of ≥ {c.n_fft} samples, got {waveform.shape[-1]}")
        flat = waveform.reshape(-1, waveform.shape[-1]).clamp(-1, 1)
        pad = (c.n_fft - c.hop_size) // 2
        flat = functional.pad(flat[:, None], (pad, pad), mode="reflect")[:, 0]
        spectrum = torch.stft(
            flat,
            c.n_fft,
            c.hop_size,
            c.win_size,
            self.hann_window,
            center=False,
            return_complex=True,
        )
        power = torch.view_as_real(spectrum).square().sum(-1)
        mel = self.mel_basis @ torch.sqrt(power + 1e-9)
        mel = LOGARITHMS[c.norm_fn](mel.clamp_min(1e-5))
        return mel.reshape(*waveform.shape[:-1], *mel.shape[1:])
