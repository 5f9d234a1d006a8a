"""Recipe of StereoSync: first a transformer of audio alone, then its ControlNet and conditions [S3].

Stage "base" trains the transformer without any condition on latents of the frozen mel VAE; it stands
in for stable-audio-open-1.0. Stage "branch" copies its first blocks into the ControlNet and trains that
and the projections of boxes and audio embedding; the transformer stays as it is. Features are computed
first. Half of the clips are mirrored: boxes flipped, channels swapped.

Published: v-prediction, AdamW 1e-4, batch 12, 3,000 steps, windows of 2 s of 44.1 kHz with 60 boxes;
`base` is then stable-audio-open-1.0 imported as a network of this kind, and `vae` its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from savg.detectors import default_detector
from savg.device import choose
from savg.diffusion.cosine import STEPS, CosineDiffusion, multistep
from savg.errors import CheckpointError, SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.hub import Card, load_component, part_folder
from savg.metrics.statistics import correlation
from savg.models import seld
from savg.models.stereosync import CONDITIONS, Conditions, StereoSync, StereoSyncConfig
from savg.models.stereosync import CONFIGS as NETWORKS
from savg.paths import existing
from savg.pipelines.optional_conditions import FACT, GRID
from savg.train.audio_data import RANDOM, mel_image
from savg.train.depth_files import DepthFiles
from savg.train.feature_maps import feature_maps
from savg.train.mel_vae import level_db
from savg.train.muon import Muon
from savg.train.optim import Draw, Optimisation
from savg.train.recipe import Batch, Recipe, Scalars, on_gpu
from savg.train.sheets import write_sheet
from savg.train.sources import ClipSpec, Synthetic, card_of, open_clips
from savg.train.stereosync_data import SteeredSet, mirrored, rows, statistics
from savg.train.stereosync_parts import CLAP, FILES, codec_from, depth_from, sound_from

DEPTH_WIDTH = 128
"""Of the frames that depth is seen in, in pixels, at least."""


@dataclass(frozen=True)
class StereoSyncRecipe(Recipe):
    """stage: what is trained, "base" or "branch"; vae: folder or Hub repo id of the frozen mel VAE
    (a component, or a pipeline with one), required; base: that of a network of stage "base",
    required by stage "branch"; semantic: that of the SELD network whose activations say what
    sounds, "clap" or "clap:USER/NAME" for CLAP, or "" for nothing; depth: that of a
    depth network, "depth_anything" or "depth_anything:USER/NAME", "files" for maps beside the
    videos, or "" for none; depth_embedding: "grid" or a network of open_clip's; size: side of the
    frames; samples: clips of the sheets; drop: share of clips from which each condition is withheld,
    and all of them; sigma_min, sigma_max, sample_steps: of the sheets' sampler; optimizer_kind: "adamw"
    or "muon"."""

    model: StereoSyncConfig
    synthetic: Synthetic
    stage: Literal["base", "branch"] = "branch"
    vae: str = ""
    base: str = ""
    semantic: str = "demo"
    depth: str = ""
    depth_embedding: str = GRID
    clips: ClipFormat = SAVGBENCH
    size: int = 16
    drop: float = 0.1
    optimizer_kind: str = "adamw"
    samples: int = 16
    sample_steps: int = 25
    sigma_min: float = 0.05
    sigma_max: float = 100.0
    kind: ClassVar[str] = "stereosync"
    free: ClassVar[frozenset[str]] = Recipe.free | {
        "vae",
        "base",
        "depth",
        "depth_embedding",
        "sigma_min",
        "sigma_max",
    }

    def __post_init__(self) -> None:
        if self.stage not in ("base", "branch"):
            raise ValueError(f"stage must be 'base' or 'branch', got {self.stage!r}.")

    @property
    def diffusion(self) -> CosineDiffusion:
        """The process, with the sheets' times."""
        return CosineDiffusion(self.sigma_min, self.sigma_max)

    def build(self) -> nn.Module:
        model = StereoSync(self.model)
        model.requires_grad_(False)
        for part in [model.network] if self.stage == "base" else model.trained():
            part.requires_grad_(True)
        for trunk in (model.network, model.control):
            trunk.timestep_features.requires_grad_(False)
        return model

    def open(self, data: str, run: Path) -> SteeredSet:
        size = max(self.size, DEPTH_WIDTH) if self.depth else self.size
        spec = ClipSpec(self.clips, size, persons=default_detector("persons"))
        clips = open_clips(data, run, spec, self.synthetic)
        tokens = self.model.tokens
        codec, name = codec_from(self.vae, self.model.audio.latents, self.clips.sample_rate)
        sound, sounding = sound_from(self.semantic, tokens.audio_width)
        maps = (
            DepthFiles(existing(data, "folder of training data"), self.clips)
            if self.depth == FILES
            else None
        )
        depth, seen = depth_from(self.depth, self.depth_embedding, tokens.depth_width, maps)
        codec.vae.to(choose().device)
        origin = {
            "vae": name,
            "semantic": sounding,
            "clips": clips.origin(),
            "seconds": float(self.clips.seconds),
            "frames": self.model.tokens.frames,
            "envelope": self.model.envelope,
            "layout": codec.layout,
        }
        if depth is not None:
            origin["depth"] = [seen, self.depth_embedding, tokens.maps, tokens.depth_width]
        features = feature_maps(
            run / "data" / "stereosync",
            origin,
            len(clips),
            lambda: rows(clips, codec, sound, self.model, depth),
        )
        codec.vae.cpu()
        return SteeredSet(clips, features, codec)

    def fit(self, model: nn.Module, data: SteeredSet) -> None:
        """Set the latents' statistics, or take a trained transformer and copy it into the branch."""
        assert isinstance(model, StereoSync)
        if self.stage == "branch" and self.base != RANDOM:
            base = self._base()
            model.network.load_state_dict(base.network.state_dict())
            if model.seconds is not None and base.seconds is not None:
                model.seconds.load_state_dict(base.seconds.state_dict())
            model.latent_mean.copy_(base.latent_mean)
            model.latent_std.copy_(base.latent_std)
        elif data.codec.normalised:
            mean, deviation = statistics(data)
            model.latent_mean.copy_(mean)
            model.latent_std.copy_(deviation)
        model.control.copy(model.network)

    def batch(self, data: SteeredSet, draws: list[Draw]) -> Batch:
        items = [
            self._item(data, draw.index, data.codec.flips and bool(draw.rng.random() < 0.5))
            for draw in draws
        ]
        return tuple(torch.stack(column) for column in zip(*items, strict=True))

    def _item(self, data: SteeredSet, index: int, flip: bool) -> tuple[Tensor, ...]:
        """Moments, boxes, envelope, embedding and, if there is some, depth of a clip; NaN for none."""
        names = ("moments", "boxes", "envelope", "audio")
        moments, boxes, envelope, audio = (np.array(data.maps[name][index]) for name in names)
        boxes[(boxes == -1).all(axis=1)] = np.nan
        if flip:
            moments, boxes = data.codec.swapped(moments), mirrored(boxes, SAVGBENCH.size)
        if not audio.any():
            audio[:] = np.nan
        depth = [np.array(data.maps["depth"][index][int(flip)])] if "depth" in data.maps else []
        return tuple(map(torch.from_numpy, (moments, boxes, envelope, audio, *depth)))

    def conditions(self, data: SteeredSet, indices: list[int]) -> tuple[Tensor, Conditions]:
        """Moments and conditions of clips."""
        items = zip(*(self._item(data, index, False) for index in indices), strict=True)
        moments, *values = (torch.stack(column) for column in items)
        return moments, self._conditions(*values)

    def _conditions(
        self, boxes: Tensor, envelope: Tensor, audio: Tensor, depth: Tensor | None = None
    ) -> Conditions:
        """Conditions of a batch, with its length for a network that is told it."""
        seconds = None
        if self.model.audio.overall:
            seconds = torch.zeros(len(boxes), 2, device=boxes.device)
            seconds[:, 1] = float(self.clips.seconds)
        return Conditions(boxes, depth, audio, envelope, seconds)

    def loss(self, model: nn.Module, batch: Batch, step: int, seed: int) -> tuple[Tensor, Scalars]:
        moments, *values = batch
        device, count = moments.device, len(moments)
        random: dict[str, Any] = {
            "generator": torch.Generator(device).manual_seed(seed), "device": device
        }  # fmt: skip
        t = self.diffusion.draw_times(count, random["generator"])
        mean, deviation = moments.float().unbind(1)
        latent_noise, noise = (torch.randn(mean.shape, **random) for _ in range(2))
        unwrapped: Any = getattr(model, "module", model)  # out of DistributedDataParallel
        data = unwrapped.normalize(mean + deviation * latent_noise)
        branch = self.stage == "branch"
        conditions = self._conditions(*values)
        alone = torch.rand(count, **random) < self.drop
        for kind in CONDITIONS:
            dropped = alone | (torch.rand(count, **random) < self.drop)
            conditions = conditions.without(kind, dropped if branch else None)
        v = model(self.diffusion.add_noise(data, noise, t), t, conditions, branch)
        return self.diffusion.loss(v.float(), data, noise, t).mean(), {}

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if self.optimizer_kind == "muon":
            inner = {
                id(layer.weight)
                for trunk in (model.network, model.control)
                for layer in trunk.transformer.layers.modules()  # type: ignore[union-attr]
                if isinstance(layer, nn.Linear)
            }
            matrices = [p for p in trained if id(p) in inner]
            others = [p for p in trained if id(p) not in inner]
            return Muon(matrices, others, self.optim.lr, self.optim.weight_decay)
        return torch.optim.AdamW(
            trained, lr=self.optim.lr, weight_decay=self.optim.weight_decay, fused=on_gpu(model)
        )

    def evaluate(self, model: nn.Module, data: SteeredSet, sheet: Path) -> dict[str, float]:
        """Write spectrograms of both channels, real above generated; compare sides and levels.

        Scores end in "_without_…" where a condition is withheld.
        """
        assert isinstance(model, StereoSync)
        count = min(self.samples, len(data))
        chosen = np.linspace(0, len(data) - 1, count).round().astype(int).tolist()
        moments, conditions = self.conditions(data, chosen)
        device = next(model.parameters()).device
        data.codec.vae.to(device)
        conditions = conditions.to(device)
        real = data.codec.mel(moments[:, 0].float().to(device))
        variants = {"": conditions}
        if self.stage == "branch":
            variants |= {
                f"_without_{kind}": conditions.without(kind) for kind in ("spatial", "envelope")
            }
        scores: dict[str, float] = {}
        for name, given in variants.items():
            mel = data.codec.mel(self.generate(model, given, moments.shape[2:]))
            if not name:
                images = [
                    [mel_image(side) for side in clip] for one in (real, mel) for clip in one[:4]
                ]
                write_sheet(sheet, images)
            scores |= {f"{key}{name}": value for key, value in _scores(mel, real).items()}
        return scores

    def generate(
        self, model: StereoSync, conditions: Conditions, size: Sequence[int], seed: int = 1
    ) -> Tensor:
        """Latents [B, C, L] of the VAE, of this `size` [C, L], from fixed noise."""
        device = next(model.parameters()).device
        boxes = conditions.boxes if conditions.boxes is not None else conditions.audio
        assert boxes is not None
        shape = (len(boxes), *size)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device)
        branch, nothing = self.stage == "branch", Conditions(seconds=conditions.seconds)
        latents = multistep(
            self.diffusion,
            lambda x, t: model(x, t, conditions if branch else nothing, branch),
            noise,
            steps=self.sample_steps,
        )
        return model.unnormalize(latents)

    def card(self, data: str) -> Card:
        facts: dict[str, Any] = {
            "channels": 2,
            "seconds": float(self.clips.seconds),
            "stage": self.stage,
        }
        if self.depth and self.stage == "branch":
            facts[FACT] = self.depth_embedding
        return card_of(data, facts)

    def _base(self) -> StereoSync:
        """The network of stage "base"."""
        if not self.base:
            raise SavgError("base must be the folder of a network of stage=base: --set base=DIR.")
        base = load_component(part_folder(self.base, "stereosync"), self.kind)[0]
        assert isinstance(base, StereoSync)
        if base.config.audio != self.model.audio:
            raise CheckpointError(
                f"{self.base}: the transformer must be {self.model.audio}, got {base.config.audio}."
            )
        return base


def _scores(mel: Tensor, real: Tensor) -> dict[str, float]:
    """How log mel spectrograms [B, 2, M, F] agree with the real ones.

    side_error_db: of the channels' level difference; side_match, level_match: correlations of that
    difference over clips, and of the level over clips and frames.
    """
    sides = [(level_db(x)[:, 0] - level_db(x)[:, 1]).cpu() for x in (mel, real)]
    levels = [(10 ** (2 * x.float())).mean((1, 2)).log10().flatten().cpu() for x in (mel, real)]
    scores = {"side_error_db": float((sides[0] - sides[1]).abs().mean())}
    for name, (one, other) in (("side_match", sides), ("level_match", levels)):
        match = correlation(one.tolist(), other.tolist(), 1).r
        if match is not None:
            scores[name] = float(match)
    return scores


CONFIGS = {
    "full": StereoSyncRecipe(
        optim=Optimisation(
            steps=3000, batch=12, lr=1e-4, ema_decay=0.999, save_every=250, sample_every=500
        ),
        model=NETWORKS["full"],
        synthetic=Synthetic(worlds=("varied",), clips=(4000,)),
        semantic=CLAP,
        clips=ClipFormat(frames=60, fps=30, sample_rate=44_100),
        samples=4,
        sample_steps=STEPS,
        sigma_min=0.3,
        sigma_max=500.0,
    ),
    "demo": StereoSyncRecipe(
        optim=Optimisation(
            steps=3000, batch=16, lr=2e-3, warmup=100, cooldown=1000, final_lr=0.02,
            weight_decay=0.01, ema_decay=0.998, log_every=25, save_every=100, sample_every=1000,
        ),
        model=NETWORKS["demo"],
        synthetic=Synthetic(worlds=("solo", "demo"), clips=(1000, 1000)),
        optimizer_kind="muon",
    ),
    "tiny": StereoSyncRecipe(
        optim=Optimisation(
            steps=4, batch=2, lr=1e-3, warmup=2, ema_decay=0.9, log_every=1, save_every=2,
            sample_every=4,
        ),
        model=replace(
            NETWORKS["tiny"],
            tokens=replace(NETWORKS["tiny"].tokens, audio_width=seld.CONFIGS["tiny"].d_model),
        ),
        synthetic=Synthetic(worlds=("demo",), clips=(3,)),
        vae=RANDOM,
        base=RANDOM,
        semantic=RANDOM,
        clips=ClipFormat(frames=4, fps=4),
        samples=2,
        sample_steps=2,
    ),
}  # fmt: skip
CONFIGS["demo_base"] = replace(
    CONFIGS["demo"],
    stage="base",
    optim=replace(CONFIGS["demo"].optim, steps=4000),
)
"""The transformer that `demo` is trained on."""
