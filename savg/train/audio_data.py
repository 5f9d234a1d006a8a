"""Shared by recipes of mel spectrograms and waveforms: crops of one channel, and losses.

Waveforms are [B, T] in −1..1 at 16 kHz; each channel of a clip is a sample by itself, as in [S2].
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.hub import Card, load_component, part_folder
from savg.models.discriminators import DiscriminatorOutput
from savg.models.mel import CONFIGS as MELS
from savg.models.mel import MelConfig, MelSpectrogram
from savg.models.mel_vae import CONFIGS as VAES
from savg.models.mel_vae import MelVae
from savg.train.clip_set import ClipSet
from savg.train.optim import Draw
from savg.train.recipe import Batch, Recipe
from savg.train.sheets import Image, write_sheet
from savg.train.sources import ClipSpec, Synthetic, card_of, open_clips

RESOLUTIONS = ((512, 128), (1024, 256), (2048, 512))
"""(n_fft, hop) in samples of the spectra that waveforms are compared by."""

RANDOM = "random"
"""In place of a folder: a VAE of random weights, for tests."""

STATISTICS = 512
"""Clips at most whose audio means and deviations are computed from."""


@dataclass(frozen=True)
class AudioRecipe(Recipe):
    """frames: mel frames of a crop; gain_db: crops are made louder or softer by up to this;
    synthetic: what is drawn for `--data synthetic`; samples: clips of a sheet."""

    synthetic: Synthetic
    clips: ClipFormat = SAVGBENCH
    frames: int = 128
    gain_db: float = 6.0
    samples: int = 8
    free: ClassVar[frozenset[str]] = Recipe.free

    @property
    @abstractmethod
    def bands(self) -> int:
        """Mel bands of the network."""

    @property
    def mel(self) -> MelConfig:
        """The mel spectrogram."""
        return replace(MELS["16k"], num_mels=self.bands)

    def open(self, data: str, run: Path) -> ClipSet:
        return open_clips(data, run, ClipSpec(self.clips, 16, video=False), self.synthetic)

    def batch(self, data: ClipSet, draws: list[Draw]) -> Batch:
        samples = self.frames * self.mel.hop_size
        crops = []
        for draw in draws:
            rng = draw.rng
            channel = data.audio(draw.index)[int(rng.integers(2))]
            start = int(rng.integers(max(1, len(channel) - samples + 1)))
            crop = channel[start : start + samples]
            crop = np.pad(crop, (0, samples - len(crop)))
            gain = 10 ** (rng.uniform(-self.gain_db, self.gain_db) / 20)
            crops.append(np.clip(crop * np.float32(gain), -1, 1))
        return (torch.from_numpy(np.stack(crops)),)

    def evaluation_audio(self, data: ClipSet, device: torch.device) -> Tensor:
        """Left and right channels [2 · samples, T] of evenly spread clips, for scores."""
        count = min(self.samples, len(data))
        chosen = np.linspace(0, len(data) - 1, count).round().astype(int).tolist()
        channels = np.concatenate([data.audio(i) for i in chosen])
        length = channels.shape[1] // (2 * self.mel.hop_size) * 2 * self.mel.hop_size
        return torch.from_numpy(channels[:, :length]).to(device)

    def waveform_scores(self, waveform: Tensor, real: Tensor, sheet: Path) -> dict[str, float]:
        """How far waveforms [B, T] are from real ones; both spectrograms side by side on a sheet."""
        made, mel = log_mel(waveform, self.mel), log_mel(real, self.mel)
        write_sheet(sheet, [[mel_image(a)] for pair in zip(mel, made, strict=True) for a in pair])
        return {
            "mel_error": float((made - mel).abs().mean()),
            "spectral": float(spectral_distance(waveform, real)),
            "level_db": float(20 * torch.log10(waveform.std() / real.std().clamp_min(1e-6))),
        }

    def card(self, data: str) -> Card:
        return card_of(data, {})


@lru_cache(maxsize=4)
def spectrogram(config: MelConfig, device: torch.device) -> MelSpectrogram:
    """The module that computes mel spectrograms, on a device."""
    with torch.inference_mode(False):  # training may use it after sampling
        return MelSpectrogram(config).to(device)


def log_mel(audio: Tensor, config: MelConfig) -> Tensor:
    """Log mel spectrograms [B, M, F] of waveforms [B, T], float32."""
    return spectrogram(config, audio.device)(audio.float())


def band_statistics(data: ClipSet, config: MelConfig) -> tuple[Tensor, Tensor]:
    """Mean and deviation [1, M, 1] of the mel bands over both channels of the first clips."""
    total = squares = torch.zeros(config.num_mels, dtype=torch.float64)
    frames = 0
    for index in range(min(len(data), STATISTICS)):
        mel = log_mel(torch.from_numpy(data.audio(index)), config).double()
        total = total + mel.sum((0, 2))
        squares = squares + mel.square().sum((0, 2))
        frames += mel.shape[0] * mel.shape[2]
    mean = total / frames
    deviation = (squares / frames - mean.square()).clamp_min(0).sqrt()
    return mean.float()[None, :, None], deviation.clamp_min(1e-2).float()[None, :, None]


def load_vae(source: str, channels: int | None = None) -> tuple[MelVae, str]:
    """The frozen mel VAE of a component or pipeline folder or a Hub repo id, and its file's SHA-256.

    "random": random weights of `channels` latent channels, for tests. SavgError for any other
    source without a mel VAE.
    """
    if source == RANDOM:
        config = VAES["tiny"] if channels is None else replace(VAES["tiny"], embed_dim=channels)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return MelVae(config).eval().requires_grad_(False), RANDOM
    if not source:
        raise SavgError("vae must be the folder of a trained mel VAE: --set vae=DIR.")
    vae, card = load_component(part_folder(source, "vae"), "mel_vae")
    assert isinstance(vae, MelVae)
    return vae.requires_grad_(False), card.sha256


@lru_cache(maxsize=2)
def frozen_vae(source: str, device: torch.device) -> MelVae:
    """The VAE of `load_vae` on a device, loaded once."""
    with torch.inference_mode(False):
        return load_vae(source)[0].to(device)


def spectral_distance(predicted: Tensor, real: Tensor) -> Tensor:
    """Distance of waveforms [B, T] by their spectra at several resolutions: relative error and log
    error (arXiv 1910.11480)."""
    total = predicted.new_zeros(())
    for n_fft, hop in RESOLUTIONS:
        window = torch.hann_window(n_fft, device=predicted.device)
        a, b = (
            torch.stft(x, n_fft, hop, window=window, return_complex=True).abs().clamp_min(1e-5)
            for x in (predicted, real)
        )
        relative = (a - b).norm(dim=(1, 2)) / b.norm(dim=(1, 2)).clamp_min(1e-2)
        total = total + relative.mean() + (a.log() - b.log()).abs().mean()
    return total / len(RESOLUTIONS)


def adversarial(judged: list[list[DiscriminatorOutput]]) -> tuple[Tensor, Tensor, Tensor]:
    """Least-squares losses of the discriminators and of the vocoder, and the L1 error of features.

    judged: outputs of all discriminators, as `AdversarialVocoder` returns them.
    """
    discriminator = vocoder = matching = judged[0][0].scores.new_zeros(())
    for real, predicted, for_vocoder in zip(*judged, strict=True):
        discriminator = (
            discriminator + (1 - real.scores).square().mean() + predicted.scores.square().mean()
        )
        vocoder = vocoder + (1 - for_vocoder.scores).square().mean()
        for a, b in zip(real.features, for_vocoder.features, strict=True):
            matching = matching + functional.l1_loss(b, a.detach())
    return discriminator, vocoder, matching


def mel_image(mel: Tensor, low: float = -5.0, high: float = 1.5) -> Image:
    """A mel spectrogram [M, F] as a grey image [M, F, 3], low bands at the bottom."""
    grey = ((mel.float().cpu().numpy()[::-1] - low) / (high - low) * 255).clip(0, 255)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
