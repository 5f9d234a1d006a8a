"""Recipes of vocoders: mel spectrograms of one channel to waveforms, with or against discriminators.

"full" is BigVGAN's training (arXiv 2206.04658): least-squares discriminators of periods and
resolutions, features matched (2), mel error (45), Adam 1e-4 with betas 0.8 and 0.99, batch 32 of
8,192 samples.
Both sides take their step at once, from one backward pass, instead of in turn. The small vocoder
also has a spectral loss, and can do without discriminators.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from savg.models.bigvgan import CONFIGS as BIGVGAN
from savg.models.bigvgan import BigVgan, BigVganConfig
from savg.models.discriminators import CONFIGS as DISCRIMINATORS
from savg.models.discriminators import AdversarialVocoder, Discriminators, DiscriminatorsConfig
from savg.models.istft_vocoder import CONFIGS as NETWORKS
from savg.models.istft_vocoder import IstftVocoder, IstftVocoderConfig
from savg.train.audio_data import (
    RANDOM,
    AudioRecipe,
    adversarial,
    frozen_vae,
    log_mel,
    spectral_distance,
)
from savg.train.clip_set import ClipSet
from savg.train.harmonic_vocoder import DEMO as HARMONIC
from savg.train.harmonic_vocoder import TINY as HARMONIC_TINY
from savg.train.optim import Optimisation
from savg.train.recipe import Batch, Recipe, Scalars, on_gpu
from savg.train.sources import Synthetic


@dataclass(frozen=True, kw_only=True)
class VocoderRecipe(AudioRecipe):
    """discriminators: None for none; discriminators_from: the step from which they take part;
    mel_weight, spectral_weight, matching_weight: of the errors of mel spectrograms, of spectra, and
    of the features of the discriminators' layers. The vocoder's adversarial loss has weight one.
    vae: folder or Hub repo id of a mel VAE through which spectrograms go first, since those are a
    vocoder's inputs when it generates, "" for none; decoded: share of the spectrograms that do."""

    model: IstftVocoderConfig | BigVganConfig
    discriminators: DiscriminatorsConfig | None = None
    discriminators_from: int = 0
    mel_weight: float = 5.0
    spectral_weight: float = 1.0
    matching_weight: float = 2.0
    vae: str = ""
    decoded: float = 0.5
    kind: ClassVar[str] = "istft_vocoder"
    network: ClassVar[str] = "network."
    unused_parameters: ClassVar[bool] = True
    free: ClassVar[frozenset[str]] = Recipe.free | {"vae"}

    @property
    def bands(self) -> int:
        return self.model.num_mels

    def build(self) -> torch.nn.Module:
        config = self.model
        network = (
            IstftVocoder(config) if isinstance(config, IstftVocoderConfig) else BigVgan(config)
        )
        return AdversarialVocoder(
            network, None if self.discriminators is None else Discriminators(self.discriminators)
        )

    def loss(
        self, model: torch.nn.Module, batch: Batch, step: int, seed: int
    ) -> tuple[Tensor, Scalars]:
        real = batch[0]
        mel = log_mel(real, self.mel)
        judging = self.discriminators is not None and step >= self.discriminators_from
        waveform, judged = model(self.vocoder_input(mel, seed), real if judging else None)
        waveform = waveform.float()
        error = functional.l1_loss(log_mel(waveform, self.mel), mel)
        total, scalars = self.mel_weight * error, {"mel": error}
        if self.spectral_weight:
            scalars["spectral"] = spectral_distance(waveform, real)
            total = total + self.spectral_weight * scalars["spectral"]
        if judging:
            discriminators, vocoder, matching = adversarial(judged)
            scalars |= {"discriminators": discriminators, "vocoder": vocoder, "matching": matching}
            total = total + discriminators + vocoder + self.matching_weight * matching
        return total, scalars

    def vocoder_input(self, mel: Tensor, seed: int) -> Tensor:
        """The spectrograms [B, M, F], a random share of them encoded and decoded by the VAE."""
        if not self.vae:
            return mel
        vae = frozen_vae(self.vae, mel.device)
        generator = torch.Generator(mel.device).manual_seed(seed)
        uniform = torch.rand(len(mel), generator=generator, device=mel.device)
        chosen = (uniform < self.decoded)[:, None, None]
        with torch.no_grad():
            return torch.where(chosen, vae.decode(vae.encode(mel).mean), mel)

    def optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            model.parameters(),
            lr=self.optim.lr,
            betas=(0.8, 0.99),
            weight_decay=self.optim.weight_decay,
            fused=on_gpu(model),
        )

    def evaluate(self, model: torch.nn.Module, data: ClipSet, sheet: Path) -> dict[str, float]:
        assert isinstance(model, AdversarialVocoder)
        real = self.evaluation_audio(data, next(model.parameters()).device)
        waveform = model(log_mel(real, self.mel))[0].float()
        return self.waveform_scores(waveform, real, sheet)


@dataclass(frozen=True, kw_only=True)
class BigVganRecipe(VocoderRecipe):
    """The published vocoder."""

    kind: ClassVar[str] = "bigvgan"


SPECTRAL: dict[str, VocoderRecipe] = {
    "full": BigVganRecipe(
        optim=Optimisation(
            steps=1_000_000,
            batch=32,
            lr=1e-4,
            schedule="cosine",
            final_lr=0.1,
            weight_decay=0.01,
            clip_norm=1000.0,
            average="ema",
            ema_decay=0.999,
            save_every=1000,
            sample_every=5000,
        ),
        model=BIGVGAN["full"],
        synthetic=Synthetic(worlds=("varied",), clips=(20_000,)),
        discriminators=DISCRIMINATORS["full"],
        frames=32,
        mel_weight=45.0,
        spectral_weight=0.0,
    ),
    "demo": VocoderRecipe(
        optim=Optimisation(
            steps=12_000,
            batch=16,
            lr=1e-3,
            warmup=100,
            cooldown=6000,
            final_lr=0.02,
            ema_decay=0.998,
            clip_norm=10.0,
            log_every=25,
            save_every=100,
            sample_every=1000,
        ),
        model=NETWORKS["demo"],
        synthetic=Synthetic(worlds=("demo", "varied"), clips=(1000, 1000)),
        discriminators=DISCRIMINATORS["demo"],
        discriminators_from=4000,
        frames=64,
    ),
    "tiny": VocoderRecipe(
        optim=Optimisation(
            steps=4, batch=2, lr=1e-3, warmup=2, ema_decay=0.9, log_every=1, save_every=2,
            sample_every=4,
        ),
        model=NETWORKS["tiny"],
        synthetic=Synthetic(worlds=("demo",), clips=(3,)),
        discriminators=DISCRIMINATORS["tiny"],
        discriminators_from=2,
        vae=RANDOM,
        frames=16,
        samples=2,
    ),
}  # fmt: skip
SPECTRAL["vocos"] = replace(
    SPECTRAL["demo"],
    model=NETWORKS["full"],
    discriminators=DISCRIMINATORS["full"],
    discriminators_from=0,
    optim=replace(SPECTRAL["full"].optim, lr=5e-4),
    mel_weight=45.0,
    synthetic=SPECTRAL["full"].synthetic,
)
"""The spectral vocoder in its published size, with BigVGAN's discriminators."""
CONFIGS: dict[str, AudioRecipe] = {
    **SPECTRAL,
    "harmonic": HARMONIC,
    "harmonic_tiny": HARMONIC_TINY,
}
"""By name; "harmonic" is the vocoder with a source."""
