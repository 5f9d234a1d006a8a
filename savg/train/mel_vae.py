"""Recipe of the mel VAE: spectrograms of one channel through few latents and back.

[S2] uses the released VAE, whose training is not published with it; these settings are ours. Loss:
absolute error of the normalised spectrogram, and the latents' divergence. Small networks blur
detail, and the median of a logarithm is softer than the audio: two more terms weigh the loud bands
and the level of every frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from savg.models.mel_vae import CONFIGS as NETWORKS
from savg.models.mel_vae import MelVae, MelVaeConfig
from savg.train.audio_data import AudioRecipe, band_statistics, log_mel, mel_image
from savg.train.clip_set import ClipSet
from savg.train.optim import Optimisation
from savg.train.recipe import Batch, Scalars, on_gpu
from savg.train.sheets import write_sheet
from savg.train.sources import Synthetic

SIX_DB = 10 ** (6 / 20)


@dataclass(frozen=True, kw_only=True)
class MelVaeRecipe(AudioRecipe):
    """kl_weight: of the divergence of a latent, in nats; loud_weight: of the error of loud bands;
    level_weight: of the error of a frame's level, in 10 dB."""

    model: MelVaeConfig
    kl_weight: float = 1e-2
    loud_weight: float = 0.0
    level_weight: float = 0.0
    kind: ClassVar[str] = "mel_vae"

    @property
    def bands(self) -> int:
        return self.model.data_dim

    def build(self) -> torch.nn.Module:
        return MelVae(self.model)

    def fit(self, model: torch.nn.Module, data: ClipSet) -> None:
        """Set the mean and deviation of the mel bands."""
        assert isinstance(model, MelVae)
        mean, deviation = band_statistics(data, self.mel)
        model.data_mean.copy_(mean)
        model.data_std.copy_(deviation)

    def loss(
        self, model: torch.nn.Module, batch: Batch, step: int, seed: int
    ) -> tuple[Tensor, Scalars]:
        mel = log_mel(batch[0], self.mel)
        reconstruction, posterior = model(mel)  # the training loop seeds the latents' noise
        unwrapped: Any = getattr(model, "module", model)  # out of DistributedDataParallel
        deviation = unwrapped.data_std
        reconstruction = reconstruction.float()
        error = functional.l1_loss(reconstruction / deviation, mel / deviation)
        kl = posterior.kl().float().mean()
        loud, level = loud_error(reconstruction, mel), level_error(reconstruction, mel)
        total = error + self.kl_weight * kl + self.loud_weight * loud + self.level_weight * level
        return total, {"error": error, "kl": kl, "loud": loud, "level": level}

    def optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            model.parameters(),
            lr=self.optim.lr,
            betas=(0.9, 0.99),
            weight_decay=self.optim.weight_decay,
            fused=on_gpu(model),
        )

    def evaluate(self, model: torch.nn.Module, data: ClipSet, sheet: Path) -> dict[str, float]:
        assert isinstance(model, MelVae)
        audio = self.evaluation_audio(data, model.data_std.device)
        mel = log_mel(audio, self.mel)
        reconstruction = model.decode(model.encode(mel).mean)
        write_sheet(
            sheet, [[mel_image(a)] for pair in zip(mel, reconstruction, strict=True) for a in pair]
        )
        softer = log_mel(audio / SIX_DB, self.mel)
        softer_reconstruction = model.decode(model.encode(softer).mean)
        change = level_db(reconstruction) - level_db(softer_reconstruction)
        return {
            "mel_error": float((reconstruction - mel).abs().mean()),
            "level_error_db": float((level_db(reconstruction) - level_db(mel)).abs().mean()),
            "six_db": float(change.mean()),
            "latent_std": float(model.encode(mel).mean.std()),
        }


def loud_error(reconstruction: Tensor, real: Tensor) -> Tensor:
    """Mean absolute error of log mel spectrograms [B, M, F], weighted by √amplitude of `real`."""
    weight = 10 ** (real / 2)
    share = weight / weight.sum((-2, -1), keepdim=True).clamp_min(1e-6)
    return ((reconstruction - real).abs() * share).sum((-2, -1)).mean()


def level_error(reconstruction: Tensor, real: Tensor) -> Tensor:
    """Mean absolute error of frames' levels of log mel spectrograms [B, M, F], in units of 10 dB."""
    a, b = (
        (10 ** (2 * mel.clamp(max=3.0))).mean(-2).clamp_min(1e-10) for mel in (reconstruction, real)
    )
    return (a.log10() - b.log10()).abs().mean()


def level_db(mel: Tensor) -> Tensor:
    """Level [...] in dB of base-10 log mel spectrograms [..., M, F], over all bands and frames."""
    return 10 * torch.log10((10 ** (2 * mel.float())).mean((-2, -1)))


_DEMO: dict[str, Any] = {
    "steps": 4000,
    "batch": 16,
    "lr": 4e-3,
    "warmup": 100,
    "cooldown": 2500,
    "final_lr": 0.02,
    "ema_decay": 0.998,
    "log_every": 25,
    "save_every": 100,
    "sample_every": 500,
}

CONFIGS = {
    "full": MelVaeRecipe(
        optim=Optimisation(
            steps=200_000,
            batch=64,
            lr=1e-4,
            warmup=1000,
            ema_decay=0.9999,
            save_every=1000,
            sample_every=5000,
        ),
        model=NETWORKS["full"],
        synthetic=Synthetic(worlds=("varied",), clips=(20_000,)),
        frames=314,
    ),
    "demo": MelVaeRecipe(
        optim=Optimisation(**_DEMO),
        model=NETWORKS["demo"],
        synthetic=Synthetic(worlds=("solo", "demo"), clips=(2000, 500)),
        gain_db=9.0,
        loud_weight=1.0,
        level_weight=0.5,
    ),
    "tiny": MelVaeRecipe(
        optim=Optimisation(
            steps=4, batch=2, lr=1e-3, warmup=2, ema_decay=0.9, log_every=1, save_every=2,
            sample_every=4,
        ),
        model=NETWORKS["tiny"],
        synthetic=Synthetic(worlds=("demo",), clips=(3,)),
        frames=16,
        samples=2,
    ),
}  # fmt: skip
