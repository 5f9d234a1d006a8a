"""The recipe of the vocoder with a source: spectral losses, and pitch learnt from autocorrelations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from savg.models.harmonic_vocoder import CONFIGS as NETWORKS
from savg.models.harmonic_vocoder import HarmonicVocoder, HarmonicVocoderConfig
from savg.train.audio_data import AudioRecipe, log_mel, spectral_distance
from savg.train.clip_set import ClipSet
from savg.train.optim import Optimisation
from savg.train.recipe import Batch, Recipe, Scalars
from savg.train.sources import Synthetic

OCTAVE_COST = 0.03
"""What an octave of a longer period costs, in units of correlation (Boersma 1993 has 0.01)."""
SURE = (0.4, 0.8)
"""Correlations of frames whose pitch counts not at all, and fully."""


class HarmonicTraining(nn.Module):
    """The network, called as it is trained. config: the network's."""

    def __init__(self, network: HarmonicVocoder) -> None:
        super().__init__()
        self.network, self.config = network, network.config

    def forward(self, mel: Tensor, hertz: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms [B, T] of mel spectrograms [B, M, F] and noise [B, T], and logits [B, P, F].

        hertz [B, F]: the pitch of the pulses; None: the predicted one.
        """
        logits, gains = self.network.predict(mel)
        if hertz is None:
            hertz = self.network.hertz(logits.detach())
        return self.network.filtered(mel, hertz, gains, noise), logits


@dataclass(frozen=True, kw_only=True)
class HarmonicVocoderRecipe(AudioRecipe):
    """mel_weight, spectral_weight, pitch_weight, modulation_weight: of the errors of mel spectrograms,
    spectra, pitch and the modulations of envelopes; predicted_from: the step from which pulses have the
    predicted pitch, not the measured one."""

    model: HarmonicVocoderConfig
    mel_weight: float = 2.0
    spectral_weight: float = 1.0
    pitch_weight: float = 0.2
    modulation_weight: float = 0.5
    predicted_from: int = 1000
    kind: ClassVar[str] = "harmonic_vocoder"
    network: ClassVar[str] = "network."
    free: ClassVar[frozenset[str]] = Recipe.free

    @property
    def bands(self) -> int:
        return self.model.num_mels

    def build(self) -> nn.Module:
        return HarmonicTraining(HarmonicVocoder(self.model))

    def loss(self, model: nn.Module, batch: Batch, step: int, seed: int) -> tuple[Tensor, Scalars]:
        real = batch[0]
        mel = log_mel(real, self.mel)
        bins, sure = pitch_of(real, self.model)
        generator = torch.Generator(real.device).manual_seed(seed)
        noise = torch.randn(real.shape, generator=generator, device=real.device)
        hertz = None
        if step < self.predicted_from:
            span = (self.model.highest / self.model.lowest) ** (1 / (self.model.pitches - 1))
            hertz = self.model.lowest * span ** bins.float()
        waveform, logits = model(mel, hertz, noise)
        pitch = functional.cross_entropy(logits, bins, reduction="none", label_smoothing=0.05)
        scalars = {
            "mel": functional.l1_loss(log_mel(waveform, self.mel), mel),
            "spectral": spectral_distance(waveform, real),
            "pitch": (pitch * sure).sum() / sure.sum().clamp_min(1),
            "modulation": modulation_distance(waveform, real),
        }
        weights = (
            self.mel_weight, self.spectral_weight, self.pitch_weight, self.modulation_weight
        )  # fmt: skip
        total = sum(w * s for w, s in zip(weights, scalars.values(), strict=True))
        right = ((logits.argmax(1) - bins).abs() <= 2).float()
        scalars["pitch_right"] = (right * sure).sum() / sure.sum().clamp_min(1)
        assert isinstance(total, Tensor)
        return total, scalars

    def evaluate(self, model: nn.Module, data: ClipSet, sheet: Path) -> dict[str, float]:
        assert isinstance(model, HarmonicTraining)
        real = self.evaluation_audio(data, next(model.parameters()).device)
        waveform = model.network.excited(log_mel(real, self.mel))
        return self.waveform_scores(waveform, real, sheet)


def pitch_of(audio: Tensor, config: HarmonicVocoderConfig) -> tuple[Tensor, Tensor]:
    """Number of the pitch [B, F] of each mel frame of audio [B, T], and how sure it is [B, F], 0..1.

    The highest of the autocorrelation, divided by the window's own (Boersma 1993), at the periods of
    the configuration's pitches.
    """
    mel = config.spectrogram
    size = mel.n_fft
    pad = (size - mel.hop_size) // 2
    frames = functional.pad(audio, (pad, pad)).unfold(-1, size, mel.hop_size)
    window = torch.hann_window(size, device=audio.device)
    frames = (frames - frames.mean(-1, keepdim=True)) * window
    octaves = torch.linspace(0, 1, config.pitches, device=audio.device)
    hertz = config.lowest * (config.highest / config.lowest) ** octaves
    lags = mel.sampling_rate / hertz
    # the inverse transform of the power at these lags alone, fractions of samples among them
    bins = torch.arange(size + 1, device=audio.device)
    waves = (
        torch.cos(torch.pi / size * bins[:, None] * lags)
        * (2 - (bins % size == 0).float())[:, None]
    )

    def correlation(x: Tensor) -> Tensor:
        power = torch.fft.rfft(x, 2 * size).abs().square()
        return power @ waves / (2 * size)

    energy = frames.square().sum(-1)
    relative = correlation(frames) / (energy[..., None] + 1e-6)
    relative = relative / (correlation(window) / window.square().sum())
    best = (relative - OCTAVE_COST * (lags * hertz[-1] / mel.sampling_rate).log2()).argmax(-1)
    height = relative.gather(-1, best[..., None])[..., 0]
    loud = energy > energy.amax(-1, keepdim=True) * 1e-4
    sure = ((height - SURE[0]) / (SURE[1] - SURE[0])).clamp(0, 1) * loud
    return best, sure


def modulation_distance(predicted: Tensor, real: Tensor) -> Tensor:
    """How differently the envelopes of three bands of waveforms [B, T] waver at the rates of pitch.

    A voice's pulses show in the envelope of the band from 1 to 3 kHz (and 3 to 5, 5 to 7) at 16 kHz;
    its short-time spectrum is compared, averaged over 96 ms, which does not ask where the pulses stand.
    """

    def modulations(audio: Tensor) -> Tensor:
        bins = audio.shape[-1] // 16
        bands = torch.fft.rfft(audio)[:, bins : 7 * bins].unflatten(1, (3, -1))
        analytic = torch.fft.ifft(bands) / 8  # 2 kHz wide each, at 2,000 samples a second
        envelope = (torch.view_as_real(analytic).square().sum(-1) + 1e-9).sqrt().flatten(0, 1)
        window = torch.hann_window(128, device=audio.device)
        spectrum = torch.stft(envelope, 128, 32, window=window, return_complex=True).abs()
        return functional.avg_pool1d(spectrum, 6, 2)

    a, b = modulations(predicted), modulations(real)
    level = b[:, :1].mean(-1, keepdim=True) + 1e-3
    return ((a - b)[:, 4:] / level).abs().sum(1).mean()


DEMO = HarmonicVocoderRecipe(
    optim=Optimisation(
        steps=10_000,
        batch=8,
        lr=1.5e-3,
        warmup=100,
        cooldown=4000,
        final_lr=0.02,
        ema_decay=0.998,
        clip_norm=5.0,
        log_every=25,
        save_every=100,
        sample_every=2000,
    ),
    model=NETWORKS["demo"],
    synthetic=Synthetic(worlds=("furnished", "varied", "solo"), clips=(1000, 1000, 500)),
    frames=64,
)
TINY = HarmonicVocoderRecipe(
    optim=Optimisation(
        steps=4, batch=2, lr=1e-3, warmup=2, ema_decay=0.9, log_every=1, save_every=2,
        sample_every=4,
    ),
    model=NETWORKS["tiny"],
    synthetic=Synthetic(worlds=("demo",), clips=(3,)),
    predicted_from=2,
    frames=16,
    samples=2,
)  # fmt: skip
