"""Recipe of the second stage: the flow network from scratch, conditioned on the clips' video [S2].

Latents of the frozen mel VAE, and with the published features those of CLIP and Synchformer, are
computed first, for every clip, plain and mirrored. An encoder of the network's own takes small
frames instead. Half of the clips are mirrored: frames flipped, channels swapped, boxes too.

Published (MMAudio): AdamW 1e-4 with betas 0.9 and 0.95, weight decay 1e-6, 1,000 steps of warm-up, a
tenth after 80 % and 90 % of 300,000 steps, gradient norm 1, conditions dropped with probability 0.1,
bfloat16. Batch 32 is [S2]'s (MMAudio's own is 512).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from savg.device import choose
from savg.diffusion.flow import GUIDANCE, STEPS, FlowMatching, euler
from savg.errors import CheckpointError, SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.hub import Card, load_component, part_folder
from savg.metrics.statistics import correlation
from savg.models.direction import CONDITIONS
from savg.models.direction import mirrored as flipped
from savg.models.mel_vae import MelVae
from savg.models.mmaudio_lengths import SequenceLengths
from savg.models.stereo import join_latents, per_channel, split_latents
from savg.models.synchformer import Synchformer
from savg.models.visual_flow import CONFIGS as NETWORKS
from savg.models.visual_flow import VisualFlow, VisualFlowConfig, VisualInputs
from savg.pipelines.clip_images import MODEL, OpenClipImages, require_open_clip
from savg.pipelines.visual_features import ClipAndSync, EncoderFrames, with_boxes
from savg.train.audio_data import RANDOM, load_vae, mel_image
from savg.train.clip_set import ClipSet
from savg.train.direction_data import POINTS, direction_of
from savg.train.direction_data import withheld as without_some
from savg.train.feature_maps import Row, feature_maps
from savg.train.mel_vae import level_db
from savg.train.mmaudio_data import LatentSet, latent_rows, stored_inputs, visual_rows
from savg.train.muon import Muon
from savg.train.optim import Draw, Optimisation
from savg.train.recipe import Batch, Recipe, Scalars, on_gpu
from savg.train.sheets import write_sheet
from savg.train.sources import ClipSpec, Synthetic, card_of, open_clips
from savg.video import Video


@dataclass(frozen=True)
class MMAudioRecipe(Recipe):
    """vae: folder or Hub repo id of the frozen mel VAE (a component, or a pipeline with one),
    required; synchformer: likewise, for a network without an encoder; clip_weights: open_clip's
    name of CLIP, for the same; size: side of the frames; drop: share of clips without any
    condition; box_drop: share of clips without boxes alone, so that one network serves with and
    without them; direction_drop: share of clips from which each condition of a directed network
    is withheld, and of those from which all are; other_frames: share of the clips told both sound
    and x that see another clip's frames and boxes, so that what is told decides; optimizer_kind:
    "adamw" or "muon"; guidance, sample_steps, samples: of the sheets."""

    model: VisualFlowConfig
    synthetic: Synthetic
    vae: str = ""
    synchformer: str = ""
    clip_weights: str = MODEL
    clips: ClipFormat = SAVGBENCH
    size: int = 64
    drop: float = 0.1
    box_drop: float = 0.0
    direction_drop: float = 0.5
    other_frames: float = 0.0
    optimizer_kind: str = "adamw"
    samples: int = 8
    sample_steps: int = STEPS
    guidance: float = GUIDANCE
    kind: ClassVar[str] = "visual_flow"
    free: ClassVar[frozenset[str]] = Recipe.free | {"vae", "synchformer", "guidance"}

    @property
    def lengths(self) -> SequenceLengths:
        """Lengths of the clips' sequences."""
        return SequenceLengths(self.clips.duration, self.model.flow.sample_rate)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Fields of `VisualInputs` that the network takes, in a batch's order."""
        names: tuple[str, ...] = ("frames",)
        if self.model.encoder is None:
            names = "clip", "sync"
        names += ("boxes",) if self.model.boxes else ()
        return (*names, "direction") if self.model.direction else names

    def build(self) -> torch.nn.Module:
        return VisualFlow(self.model)

    def open(self, data: str, run: Path) -> LatentSet:
        if self.clips.sample_rate != self.model.flow.sample_rate:
            raise SavgError(
                f"Sample rate of the clips must be the network's {self.model.flow.sample_rate} Hz, got "
                f"{self.clips.sample_rate} Hz."
            )
        if self.model.encoder is None and not (run / "data" / "visual").is_dir():
            require_open_clip()
        clips = open_clips(data, run, ClipSpec(self.clips, self.size), self.synthetic)
        if self.model.boxes and not any(len(clips.boxes(i)) for i in range(len(clips))):
            raise SavgError(
                f"{data} has no person boxes: annotate the clips first, or set boxes=0."
            )
        device = choose().device  # the run's own: see `savg.device.preferring`
        vae, name = self._vae()
        folder = run / "data"
        maps = feature_maps(
            folder / "latents",
            {"vae": name, "clips": clips.origin(), "seconds": float(self.clips.seconds)},
            len(clips),
            lambda: latent_rows(clips, vae.to(device), self.lengths),
            "latents",
        )
        if self.model.encoder is None:
            maps |= self._features(clips, folder / "visual", device)
        return LatentSet(clips, maps, vae.cpu())

    def fit(self, model: torch.nn.Module, data: LatentSet) -> None:
        """Set the mean and deviation of the latents over clips and time, the same for both channels."""
        assert isinstance(model, VisualFlow)
        total = squares = np.zeros(data.vae.config.embed_dim)
        for row in data.maps["moments"]:
            mean = row[:, 0].astype(np.float64)
            total = total + mean.mean((0, 2))
            squares = squares + np.square(mean).mean((0, 2))
        mean = total / len(data)
        deviation = np.sqrt(np.maximum(squares / len(data) - mean**2, 1e-6))
        for target, values in ((model.flow.latent_mean, mean), (model.flow.latent_std, deviation)):
            target.data.copy_(torch.from_numpy(np.tile(values, 2)).float()[None, None])

    def batch(self, data: LatentSet, draws: list[Draw]) -> Batch:
        moments, inputs = [], []
        for draw in draws:
            mirrored = bool(draw.rng.random() < 0.5)
            row = torch.from_numpy(np.array(data.maps["moments"][draw.index]))
            moments.append(row.flip(0) if mirrored else row)
            inputs.append(self.visual_inputs(data, draw.index, mirrored))
        stacked = VisualInputs.stack(inputs)
        return torch.stack(moments), *(getattr(stacked, name) for name in self.input_names)

    def visual_inputs(self, data: LatentSet, index: int, mirrored: bool = False) -> VisualInputs:
        """The inputs [1, …] of a clip."""
        inputs, points = self._seen(data, index, mirrored), self.model.direction
        if not points:
            return inputs
        labels, boxes = data.clips.labels(index), data.clips.boxes(index)
        told = direction_of(labels, boxes, self.clips, points)
        return replace(inputs, direction=(flipped(told) if mirrored else told)[None])

    def _seen(self, data: LatentSet, index: int, mirrored: bool) -> VisualInputs:
        """What is seen of a clip."""
        if self.model.encoder is None and not self.model.boxes:
            return stored_inputs(data, index, mirrored)
        video = Video(data.clips.video(index), Fraction(self.clips.fps), data.clips.boxes(index))
        video = video.mirrored() if mirrored else video
        if self.model.encoder is None:
            inputs = stored_inputs(data, index, mirrored)
        else:
            inputs = EncoderFrames(self.model.encoder)(video, 0, self.lengths)
        if not self.model.boxes:
            return inputs
        return with_boxes(inputs, video, 0, self.lengths, self.model.boxes)

    def loss(
        self, model: torch.nn.Module, batch: Batch, step: int, seed: int
    ) -> tuple[Tensor, Scalars]:
        moments, *tensors = batch
        device = moments.device
        flow = FlowMatching()
        random: dict[str, Any] = {
            "generator": torch.Generator(device).manual_seed(seed), "device": device
        }  # fmt: skip
        t = flow.draw_times(len(moments), random["generator"])
        dropped = torch.rand(len(moments), **random) < self.drop
        mean, deviation = (join_latents(part) for part in moments.float().unbind(2))
        latent_noise, noise = (torch.randn(mean.shape, **random) for _ in range(2))
        unwrapped: Any = getattr(model, "module", model)  # out of DistributedDataParallel
        data = unwrapped.flow.normalize(mean + deviation * latent_noise)
        inputs = VisualInputs(**dict(zip(self.input_names, tensors, strict=True)))
        if self.box_drop and inputs.boxes is not None:
            withheld = torch.rand(len(moments), **random) < self.box_drop
            inputs = without_boxes(inputs, withheld)
        if inputs.direction is not None:
            told = without_some(inputs.direction, self.direction_drop, random["generator"])
            inputs = replace(inputs, direction=told)
            if self.other_frames:
                chosen = torch.rand(len(moments), **random) < self.other_frames
                inputs = seeing_others(inputs, chosen & fully_told(told))
        velocity = model(flow.interpolate(noise, data, t), t, inputs, self.lengths, dropped)
        losses = flow.loss(velocity.float(), noise, data)
        return losses.mean(), {}

    def optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if self.optimizer_kind == "muon":
            assert isinstance(model, VisualFlow)
            return Muon(*matrices(model, trained), self.optim.lr, self.optim.weight_decay)
        return torch.optim.AdamW(
            trained,
            lr=self.optim.lr,
            betas=(0.9, 0.95),
            weight_decay=self.optim.weight_decay,
            fused=on_gpu(model),
        )

    def evaluate(self, model: torch.nn.Module, data: LatentSet, sheet: Path) -> dict[str, float]:
        """Write spectrograms of both channels, real above generated; compare level differences."""
        assert isinstance(model, VisualFlow)
        count = min(self.samples, len(data))
        chosen = np.linspace(0, len(data) - 1, count).round().astype(int).tolist()
        told = VisualInputs.stack([self.visual_inputs(data, i) for i in chosen])
        inputs = replace(told, direction=None)
        scores = self._scores(model, data, chosen, inputs, sheet)
        if told.direction is not None:
            directed = self._scores(model, data, chosen, told, None)
            scores |= {
                f"{name}_directed": directed[name] for name in directed if "data" not in name
            }
        if self.box_drop and inputs.boxes is not None:
            unboxed = without_boxes(inputs, torch.ones(count, dtype=torch.bool))
            unboxed_scores = self._scores(model, data, chosen, unboxed, None)
            scores |= {
                f"{name}_without_boxes": score
                for name, score in unboxed_scores.items()
                if "data" not in name
            }
        return scores

    def _scores(
        self,
        model: VisualFlow,
        data: LatentSet,
        chosen: list[int],
        inputs: VisualInputs,
        sheet: Path | None,
    ) -> dict[str, float]:
        generated_latents = self.generate(model, inputs, len(chosen))
        moments = torch.from_numpy(np.stack([data.maps["moments"][i] for i in chosen]))
        device = generated_latents.device
        vae = data.vae.to(device)
        mels = [
            per_channel(vae.decode, latents)
            for latents in (moments[:, :, 0].float().to(device), split_latents(generated_latents))
        ]
        if sheet is not None:
            rows = [[mel_image(side) for side in clip] for kind in mels for clip in kind[:4]]
            write_sheet(sheet, rows)
        real, generated = ((level_db(mel)[:, 0] - level_db(mel)[:, 1]).cpu() for mel in mels)
        match = correlation(generated.tolist(), real.tolist(), 1).r
        scores = {
            "side_error_db": float((generated - real).abs().mean()),
            "side_spread_db": float(generated.std(correction=0)),
            "side_spread_data_db": float(real.std(correction=0)),
            "latent_std": float(model.flow.normalize(generated_latents).std()),
        }
        return scores if match is None else {**scores, "side_match": float(match)}

    def generate(
        self, model: VisualFlow, inputs: VisualInputs, count: int, seed: int = 1
    ) -> Tensor:
        """Latents [count, L, 2C] of the VAE from fixed noise."""
        device = next(model.parameters()).device
        generator = torch.Generator().manual_seed(seed)
        shape = (count, self.lengths.latent, self.model.flow.latent_dim)
        noise = torch.randn(shape, generator=generator).to(device)
        conditions = model.condition(inputs.to(device), self.lengths)
        empty = model.flow.empty_conditions(self.lengths, count)
        latents = euler(
            FlowMatching(),
            model.flow,
            noise,
            conditions,
            empty,
            steps=self.sample_steps,
            guidance=self.guidance,
        )
        return model.flow.unnormalize(latents)

    def card(self, data: str) -> Card:
        facts = {"channels": 2, "seconds": float(self.clips.seconds), "box_drop": self.box_drop}
        return card_of(data, facts)

    def _vae(self) -> tuple[MelVae, str]:
        """The frozen VAE, and the SHA-256 of its file."""
        vae, name = load_vae(self.vae, self.model.flow.latent_dim // 2)
        if 2 * vae.config.embed_dim != self.model.flow.latent_dim:
            raise CheckpointError(
                f"{self.vae}: latent channels of the VAE must be half of the flow network's "
                f"{self.model.flow.latent_dim}, got {vae.config.embed_dim}."
            )
        return vae, name

    def _features(
        self, clips: ClipSet, folder: Path, device: torch.device
    ) -> dict[str, NDArray[Any]]:
        """Maps of CLIP's and Synchformer's features; loads both networks if they must be computed."""
        if not self.synchformer:
            raise SavgError(
                "synchformer must be the folder of Synchformer's weights: --set synchformer=DIR."
            )
        place = part_folder(self.synchformer, "synchformer")
        encoder, card = load_component(place, "synchformer")
        origin = {
            "clip": self.clip_weights,
            "synchformer": card.sha256,
            "clips": clips.origin(),
            "seconds": float(self.clips.seconds),
        }

        def rows() -> Iterator[Row]:
            images = OpenClipImages.from_pretrained(self.clip_weights, device)
            assert isinstance(encoder, Synchformer)
            visual = ClipAndSync(images, encoder.to(device))
            return visual_rows(clips, visual, self.lengths, Fraction(self.clips.fps))

        return feature_maps(folder, origin, len(clips), rows, "visual features")


def without_boxes(inputs: VisualInputs, withheld: Tensor) -> VisualInputs:
    """The inputs with the boxes of clips `withheld` (bool [B]) zeroed, as if nobody were there."""
    assert inputs.boxes is not None
    return replace(inputs, boxes=inputs.boxes * ~withheld[:, None, None, None])


def fully_told(direction: Tensor) -> Tensor:
    """Which clips are told both their sound and its x, by their directions [B, 2 + P]: bool [B]."""
    sound, x = (direction[:, CONDITIONS[name]].isfinite().all(dim=1) for name in ("sound", "x"))
    return sound & x


def seeing_others(inputs: VisualInputs, chosen: Tensor) -> VisualInputs:
    """The inputs with everything that is seen by the clips `chosen` (bool [B]) that of the clip before.

    Directions stay. Frames mostly show what clips are told, so that a network learns to look and not
    to listen; at generation they may show it faintly, or something else.
    """

    def swapped(part: Tensor | None) -> Tensor | None:
        if part is None:
            return None
        where = chosen.view(-1, *[1] * (part.ndim - 1))
        return torch.where(where, part.roll(1, dims=0), part)

    seen = {name: swapped(getattr(inputs, name)) for name in ("frames", "clip", "sync", "boxes")}
    return replace(inputs, **seen)


def matrices(model: VisualFlow, trained: list[nn.Parameter]) -> tuple[list[Any], list[Any]]:
    """The inner matrices and kernels, whose updates Muon orthogonalises, and other parameters."""
    outer = [model.flow.audio_input_proj[0], model.flow.final_layer, model.flow.t_embed]
    outer += [layer for layer in (model.boxes, model.direction) if layer is not None]
    outer += [] if model.encoder is None else [model.encoder.look[0]]
    outer_ids = {id(p) for module in outer for p in module.parameters()}
    inner = {
        id(module.weight)
        for module in model.modules()
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d)
        and id(module.weight) not in outer_ids
    }
    return [p for p in trained if id(p) in inner], [p for p in trained if id(p) not in inner]


CONFIGS = {
    "full": MMAudioRecipe(
        optim=Optimisation(
            steps=300_000,
            batch=32,
            lr=1e-4,
            warmup=1000,
            schedule="tenths",
            weight_decay=1e-6,
            clip_norm=1.0,
            ema_decay=0.9999,
            save_every=1000,
            sample_every=5000,
        ),
        model=NETWORKS["full"],
        synthetic=Synthetic(worlds=("varied",), clips=(20_000,)),
        size=SAVGBENCH.size,
    ),
    "demo": MMAudioRecipe(
        optim=Optimisation(
            steps=12_000,
            batch=16,
            lr=2e-3,
            warmup=200,
            cooldown=4000,
            final_lr=0.02,
            weight_decay=0.01,
            ema_decay=0.998,
            log_every=25,
            save_every=100,
            sample_every=1000,
        ),
        model=replace(NETWORKS["demo"], boxes=3, direction=POINTS),
        synthetic=Synthetic(worlds=("solo",), clips=(4000,)),
        box_drop=0.5,
        direction_drop=0.2,
        other_frames=0.3,
        optimizer_kind="muon",
        samples=16,
    ),
    "tiny": MMAudioRecipe(
        optim=Optimisation(
            steps=4, batch=2, lr=1e-3, warmup=2, ema_decay=0.9, log_every=1, save_every=2,
            sample_every=4,
        ),
        model=replace(NETWORKS["tiny"], direction=POINTS),
        synthetic=Synthetic(worlds=("demo",), clips=(3,)),
        vae=RANDOM,
        clips=ClipFormat(frames=4, fps=4),
        size=16,
        samples=2,
        sample_steps=2,
    ),
}  # fmt: skip
CONFIGS["full_boxes"] = replace(CONFIGS["full"], model=replace(NETWORKS["full"], boxes=3))
"""With person boxes, to compare with the published inputs alone."""

CONFIGS["full_directed"] = replace(
    CONFIGS["full"], model=replace(NETWORKS["full"], boxes=3, direction=POINTS)
)
"""With boxes, and told what to be."""
