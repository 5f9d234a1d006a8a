"""Stereo audio as an image and back: a log-mel spectrogram and the curve of its panning.

A small network learns an image of 400 × 96 values sooner than 160,000 samples. Of stereo it
holds what localises a single source: for each moment the share of (left − right) in (left + right), as
in parametric stereo coding (Breebaart et al. 2005). Phases are those of a vocoder, or estimated by fast
Griffin-Lim iterations (Perraudin et al. 2013), the room's diffuse sound is replaced by a fixed
reverberation: the spectrogram and the direction are restored, the samples are not. Panning is −1 all
right … +1 all left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, TypeAlias

from savg.audio.mel import htk_bands
from savg.fields import Bands, Between, Rate, Samples, check

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

Vocoder: TypeAlias = "Callable[[Tensor], Tensor]"
"""Log mel spectrograms [B, M, F] → waveforms [B, 1, T]."""

INVERSION_STEPS = 30
"""Multiplicative updates from mel bands to a non-negative spectrum (Lee & Seung 2001)."""


@dataclass(frozen=True)
class MelAudio:
    """Stereo [..., 2, T] ↔ image [..., bands + pan_copies, T / hop], of about unit variance.

    bands: mel bands (HTK scale) from `lowest` Hz to half of `rate`; hop, window: samples; quietest: the
    magnitude below which everything is silence; mean, deviation: of the logarithms; pan_copies: rows
    that all carry the panning, its weight in a mean squared error and against noise; pan_gain: its
    factor there; pan_seconds: over which panning is averaged; diffuse: level of the diffuse side signal
    that decoding adds, relative to the middle one; iterations: of Griffin-Lim. Raises
    ValueError for impossible values.
    """

    rate: Rate = 16000
    bands: Bands = 80
    hop: Samples = 200
    window: Samples = 800
    lowest: float = 60.0
    quietest: Annotated[float, Between(1e-12, 1)] = 3e-3
    mean: Annotated[float, Between(-100, 100)] = -2.3
    deviation: Annotated[float, Between(1e-6, 100)] = 1.8
    pan_copies: Bands = 16
    pan_gain: Annotated[float, Between(1e-6, 1e6)] = 3.0
    pan_seconds: Annotated[float, Between(0, 60)] = 0.5
    diffuse: Annotated[float, Between(0, 10)] = 0.2
    iterations: Annotated[int, Between(0, 1000)] = 32

    def __post_init__(self) -> None:
        check(self, "MelAudio.{}")
        if self.window < 2 * self.hop:
            raise ValueError(f"MelAudio.window must be ≥ two hops, got {self.window} samples.")
        if not 0 < self.lowest < self.rate / 2:
            raise ValueError(
                f"MelAudio.lowest must be below half of the rate, got {self.lowest} Hz."
            )

    @property
    def rows(self) -> int:
        """Rows of the image: bands, then copies of the panning."""
        return self.bands + self.pan_copies

    def columns(self, samples: int) -> int:
        """Columns of the image of `samples` samples; ValueError where they are no multiple of hop."""
        if samples % self.hop:
            raise ValueError(f"samples must be a multiple of {self.hop}, got {samples}.")
        return samples // self.hop

    def encode(self, audio: Tensor) -> Tensor:
        """Stereo [..., 2, T] → image [..., rows, T / hop], float32."""
        import torch

        columns = self.columns(audio.shape[-1])
        left, right = audio.float().unbind(-2)
        mid, side = (left + right) / 2, (left - right) / 2
        flat = mid.reshape(-1, mid.shape[-1])
        spectrum = self._spectrum(flat)[..., :columns].abs()
        mel = (_filters(self) @ spectrum).clamp_min(self.quietest).log()
        mel = ((mel - self.mean) / self.deviation).reshape(*mid.shape[:-1], self.bands, columns)
        pan = self._panning(mid, side)[..., None, :] * self.pan_gain
        return torch.cat([mel, pan.expand(*pan.shape[:-2], self.pan_copies, columns)], dim=-2)

    def decode(self, image: Tensor, vocoder: Vocoder | None = None) -> Tensor:
        """Image [..., rows, N] → stereo [..., 2, N·hop] with its spectrogram and panning.

        vocoder: of the published mel spectrogram at 16 kHz, whose phases the audio gets.
        """
        import torch
        import torch.nn.functional as F

        from savg.audio.diffuse import reverberation

        mel, copies = image.float().split([self.bands, self.pan_copies], dim=-2)
        lead, columns = mel.shape[:-2], mel.shape[-1]
        flat = mel.reshape(-1, self.bands, columns) * self.deviation + self.mean
        bands = flat.clamp(max=8.0).exp()
        magnitudes, samples = self._magnitudes(bands), columns * self.hop
        if vocoder is None:
            mid = self._waveform(magnitudes, samples)
        else:
            mid = self._voiced(bands, vocoder(self._published(magnitudes))[:, 0], samples)
        pan = (copies.mean(-2).reshape(-1, 1, columns) / self.pan_gain).clamp(-1, 1)
        smooth = F.interpolate(pan, scale_factor=float(self.hop), mode="linear")[:, 0]
        side = smooth * mid + self.diffuse * reverberation(mid, self.rate)
        stereo = torch.stack([mid + side, mid - side], dim=-2)
        return stereo.reshape(*lead, 2, columns * self.hop)

    def mirror(self, image: Tensor) -> Tensor:
        """The image [..., rows, N] of the audio with its channels swapped."""
        import torch

        mel, copies = image.split([self.bands, self.pan_copies], dim=-2)
        return torch.cat([mel, -copies], dim=-2)

    def _panning(self, mid: Tensor, side: Tensor) -> Tensor:
        """Share of the side in the middle signal [..., N], smoothed and weighted by power."""
        import torch
        import torch.nn.functional as F

        products = (
            torch.stack([mid * side, mid * mid], dim=-2).unflatten(-1, (-1, self.hop)).sum(-1)
        )
        reach = max(1, round(self.pan_seconds * self.rate / self.hop))
        kernel = torch.hann_window(2 * reach + 1, periodic=False, device=mid.device)[None, None]
        flat = products.reshape(-1, 1, products.shape[-1])
        kernel = kernel + 1e-3  # a pause longer than the window takes its neighbours' value
        both = F.conv1d(flat, kernel, padding=reach).reshape(products.shape)
        share, power = both.unbind(-2)
        return (share / power.clamp_min(1e-9)).clamp(-1, 1)

    def _spectrum(self, audio: Tensor) -> Tensor:
        import torch

        window = torch.hann_window(self.window, device=audio.device)
        return torch.stft(
            audio, self.window, self.hop, window=window, return_complex=True, pad_mode="constant"
        )

    def _magnitudes(self, mel: Tensor, start: Tensor | None = None) -> Tensor:
        """Non-negative spectra [B, window/2 + 1, N] with the mel bands [B, bands, N], near `start`."""
        from savg.audio.spectra import from_bands

        filters = _filters(self).to(mel.device)
        if start is None:
            start = filters.T @ (mel / filters.sum(1)[:, None].square().clamp_min(1e-6))
        return from_bands(mel, filters, start.clamp_min(1e-6), INVERSION_STEPS)

    def _published(self, magnitudes: Tensor) -> Tensor:
        """Log mel spectrograms [B, M, F] as published at 16 kHz of spectra [B, window/2 + 1, N].

        Both grids are read between their points; amplitudes grow with the window.
        """
        import torch
        import torch.nn.functional as F

        from savg.models.mel import CONFIGS, mel_bands

        config = CONFIGS["16k"]
        columns = magnitudes.shape[-1]
        frames = -(-columns * self.hop // config.hop_size)
        at = (torch.arange(frames) + 0.5) * config.hop_size / self.hop  # centres, in columns
        rows = torch.linspace(-1, 1, config.n_fft // 2 + 1)
        grid = torch.stack(
            torch.broadcast_tensors((at / (columns - 1) * 2 - 1)[None, :], rows[:, None]), dim=-1
        ).to(magnitudes)
        spectrum = F.grid_sample(
            magnitudes[:, None],
            grid.expand(len(magnitudes), -1, -1, -1),
            padding_mode="border",
            align_corners=True,
        )[:, 0]
        mel = mel_bands(config).to(magnitudes) @ spectrum * (config.win_size / self.window)
        return mel.clamp_min(1e-5).log10()

    def _voiced(self, mel: Tensor, audio: Tensor, samples: int) -> Tensor:
        """Audio [B, samples] with the phases of audio [B, T ≥ samples] and mel bands [B, bands, N]."""
        import torch
        import torch.nn.functional as F

        spectrum = self._spectrum(F.pad(audio, (0, max(0, samples - audio.shape[-1])))[:, :samples])
        mel = torch.cat([mel, mel[..., -1:]], dim=-1)
        magnitudes = self._magnitudes(mel, spectrum.abs() + 1e-6)
        window = torch.hann_window(self.window, device=mel.device)
        spectrum = torch.polar(magnitudes, spectrum.angle())
        return torch.istft(spectrum, self.window, self.hop, window=window, length=samples)

    def _waveform(self, magnitudes: Tensor, samples: int) -> Tensor:
        """Audio [B, samples] with about these magnitudes [B, bins, N]."""
        import torch

        from savg.audio.spectra import griffin_lim

        magnitudes = torch.cat([magnitudes, magnitudes[..., -1:]], dim=-1)
        window = torch.hann_window(self.window, device=magnitudes.device)

        def inverse(spectrum: Tensor) -> Tensor:
            return torch.istft(spectrum, self.window, self.hop, window=window, length=samples)

        return griffin_lim(magnitudes, self._spectrum, inverse, self.iterations, floor=1e-9)


@lru_cache(maxsize=8)
def _filters(mel_audio: MelAudio) -> torch.Tensor:
    """Triangular mel filters [bands, window/2 + 1] that each sum to one."""
    import torch

    bands = htk_bands(
        mel_audio.rate, mel_audio.window, mel_audio.bands, mel_audio.lowest, mel_audio.rate / 2
    )
    return torch.from_numpy(bands).float()
