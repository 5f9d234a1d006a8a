"""From mel spectrograms to waveforms once there is something to take the phases from.

Mel bands become a non-negative spectrum by multiplicative updates (Lee & Seung 2001), which stays near
the one that they start from. Vocoders use it to give a waveform the levels of a spectrogram, and to
make stereo of one excitation.

Shapes: B clips (or channels), M mel bands, F mel frames, K = n_fft / 2 + 1 bins, T = F · hop samples.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.audio.diffuse import reverberation
from savg.audio.spectra import from_bands, overlap_add
from savg.models.mel import MelConfig, mel_bands
from savg.models.stereo_levels import common_mel, diffuse_share

LOUDEST = 2.0
"""Largest log10 of a mel band: a full-scale sine has about 0.6."""
FAINT = 1e-6
"""Magnitude that a bin without sound starts from when it gets a level."""


def check_mel(mel: Tensor, bands: int, channels: int = 0) -> None:
    """ValueError unless mel spectrograms are [B, bands, F], or [B, channels, bands, F] of channels."""
    shape = [channels, bands] if channels else [bands]
    if mel.ndim != len(shape) + 2 or list(mel.shape[1:-1]) != shape:
        expected = ", ".join(map(str, shape))
        raise ValueError(f"mel spectrograms must be [B, {expected}, F], got {list(mel.shape)}")


class Inversion(nn.Module):
    """Between waveforms and the frames of a log mel spectrogram, which holds base-10 logarithms.

    updates: of the spectrum from its bands; stored: whether the mel filters are saved as weights.
    """

    bands: Tensor
    window: Tensor

    def __init__(self, mel: MelConfig, updates: int, stored: bool = False) -> None:
        super().__init__()
        self.mel, self.updates = mel, updates
        if self.mel.norm_fn != "log10":
            raise ValueError(f"norm_fn of mel must be 'log10', got {self.mel.norm_fn!r}")
        with torch.device("cpu"):  # numbers, no weights: also where the network has no memory yet
            self.register_buffer("bands", mel_bands(self.mel), persistent=stored)
            self.register_buffer("window", torch.hann_window(self.mel.win_size), persistent=False)

    def magnitudes(self, mel: Tensor, start: Tensor | None = None) -> Tensor:
        """Non-negative spectra [B, K, F] with the mel bands [B, M, F], the nearest to `start`."""
        bands = self.bands.float()
        target = 10 ** mel.float().clamp(max=LOUDEST)
        if start is None:
            start = bands.T @ (target / bands.sum(1).square().clamp_min(1e-9)[:, None]) + 1e-9
        return from_bands(target, bands, start, self.updates)

    def spectrum(self, audio: Tensor) -> Tensor:
        """Complex spectra [B, K, F] of audio [B, T], framed as the mel spectrogram is."""
        c = self.mel
        padded = functional.pad(audio, ((c.n_fft - c.hop_size) // 2,) * 2)
        return torch.stft(
            padded, c.n_fft, c.hop_size, c.win_size, self.window, center=False, return_complex=True
        )

    def waveform(self, spectrum: Tensor) -> Tensor:
        """Samples [B, T] whose frames are nearest to spectra [B, K, F] in least squares."""
        return overlap_add(spectrum, self.window, self.mel.hop_size)

    def levelled(self, audio: Tensor, mel: Tensor, iterations: int = 0) -> Tensor:
        """Audio [B, T] with about its own phases and the levels of mel spectrograms [B, M, F].

        iterations: of Griffin-Lim, which let the phases of neighbouring frames agree.
        """
        spectrum = self.spectrum(audio)
        magnitudes = self.magnitudes(mel, spectrum.abs() + FAINT)
        for _ in range(iterations):
            spectrum = self.spectrum(self.waveform(torch.polar(magnitudes, spectrum.angle())))
        return self.waveform(torch.polar(magnitudes, spectrum.angle()))

    def two_channels(self, excitation: Callable[[Tensor], Tensor], mel: Tensor) -> Tensor:
        """Audio [B, 2, T] in −1..1 of mel spectrograms [B, 2, M, F], 0 left.

        excitation: audio [B, T] of mel spectrograms [B, M, F]; it gets the mean power of both channels,
        whose phases both have. The side gets as much diffuse sound as the spectrograms tell of.
        """
        middle = excitation(common_mel(mel))
        diffuse = reverberation(middle, self.mel.sampling_rate) * diffuse_share(mel)[:, None]
        channels = torch.stack((middle + diffuse, middle - diffuse), dim=1)
        levelled = self.levelled(channels.flatten(0, 1), mel.flatten(0, 1))
        return levelled.unflatten(0, mel.shape[:2]).clamp(-1, 1)
