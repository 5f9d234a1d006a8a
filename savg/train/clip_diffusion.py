"""Shared by the recipes of diffusion models of clips: process, loss, samples, card [S1, S2, code]."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from savg.annotation import Boxes
from savg.data.joint_codec import JointCodec
from savg.diffusion import Diffusion, Schedule
from savg.diffusion.dpm_solver import Predictor, multistep, time_steps
from savg.diffusion.process import State
from savg.format import SAVGBENCH, ClipFormat
from savg.hub import Card, model_format
from savg.models.direction import mirrored
from savg.models.joint_config import JointUNetConfig
from savg.models.joint_unet import CoupledUNet
from savg.pipelines.direction import Directed, Direction
from savg.pipelines.guidance import Denoiser
from savg.train.clip_set import ClipSet
from savg.train.direction_data import direction_of, withheld
from savg.train.muon import Muon, split
from savg.train.optim import Draw
from savg.train.recipe import Batch, Recipe, Scalars, on_gpu
from savg.train.sheets import evenly_spaced, write_sheet
from savg.train.sources import ClipSpec, Synthetic, card_of, open_clips

MODALITIES = ("video", "audio")
"""Names of a batch's tensors, in order."""

Emphasis = list[Tensor | None] | None
"""Weights of each modality's values, in its shape; None for 1."""

PLACES = (40.0, 84.0, 128.0, 172.0, 216.0)
"""x in pixels of what directed samples are asked for."""


@dataclass(frozen=True)
class ClipDiffusion(Recipe):
    """Training of a diffusion network of clips, or of their video alone.

    prediction: "eps", "v" or "x0"; diffusion_steps: times of the diffusion; min_snr: γ of min-SNR
    weighting, 0 for none; v_limit: largest weight of an x0 prediction weighed as v, 0 for none;
    clips: the format, whose frame is the codec's; synthetic: what is drawn for `--data synthetic`;
    focus: a share of the samples whose time is drawn between two shares of the diffusion, where the
    layout is decided, instead of from all of it; optimizer_kind: "adamw" or "muon";
    checkpoint_attention: recompute attention to save memory; figure_weight: of the error inside
    persons' boxes, where it is 1 elsewhere; direction_drop: share of clips from which each condition
    of a directed network is withheld, and of those from which all are;
    samples, sample_steps: of the sheets.
    """

    model: JointUNetConfig
    codec: JointCodec
    synthetic: Synthetic
    clips: ClipFormat = SAVGBENCH
    prediction: str = "eps"
    diffusion_steps: int = 1000
    min_snr: float = 0.0
    v_limit: float = 0.0
    focus: tuple[float, float, float] = (0.0, 0.6, 0.95)
    optimizer_kind: str = "adamw"
    checkpoint_attention: bool = False
    figure_weight: float = 1.0
    direction_drop: float = 0.2
    samples: int = 6
    sample_steps: int = 24
    free: ClassVar[frozenset[str]] = Recipe.free | {"guidance"}
    audio: ClassVar[bool] = True
    """Whether the clips' audio is needed."""

    @cached_property
    def diffusion(self) -> Diffusion:
        """The process that training and sampling share; its tables stay on the device."""
        return Diffusion(Schedule.linear(self.diffusion_steps), self.prediction)  # type: ignore[arg-type]

    @property
    def weights(self) -> tuple[float, ...]:
        """Weight of the mean squared error of each modality."""
        return (1.0,)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of one clip's tensors at the network's input."""
        return (self.codec.video_shape(self.clips),)

    def build(self) -> torch.nn.Module:
        model = model_format(self.kind).build(self.model)
        assert isinstance(model, CoupledUNet)
        model.checkpoint_attention = self.checkpoint_attention
        return model

    def predict(
        self, model: torch.nn.Module, state: State, t: Tensor, direction: Tensor | None = None
    ) -> State:
        """The network's output for the tensors of all modalities."""
        told = {} if direction is None else {"direction": direction}
        output = model(*state, t, **told)
        return output if isinstance(output, tuple) else (output,)

    def open(self, data: str, run: Path) -> ClipSet:
        spec = ClipSpec(self.clips, self.codec.size, audio=self.audio)
        return open_clips(data, run, spec, self.synthetic)

    def video_of(self, data: ClipSet, index: int) -> Tensor:
        """The network's video tensor of one clip."""
        return self.codec.encode_video(torch.from_numpy(data.video(index)))

    def with_labels(
        self, data: ClipSet, draws: list[Draw], flips: list[bool], batch: Batch
    ) -> Batch:
        """The batch with what labels and boxes say of its clips.

        For a directed network what each clip is told [B, 2 + points]; with a weight of figures the
        weights of the video's values, in its shape. flips: whether each clip is mirrored.
        """
        points, labelled = self.model.direction, list(batch)
        if points:
            rows = [
                direction_of(data.labels(d.index), data.boxes(d.index), self.clips, points)
                for d in draws
            ]
            told = zip(rows, flips, strict=True)
            labelled.append(torch.stack([mirrored(row) if flip else row for row, flip in told]))
        if self.figure_weight != 1:
            weights = [self.figures(data.boxes(draw.index)) for draw in draws]
            shown = zip(weights, flips, strict=True)
            labelled.append(torch.stack([x.flip(-1) if flip else x for x, flip in shown]))
        return tuple(labelled)

    def figures(self, boxes: Boxes) -> Tensor:
        """The weight of each value of a clip's video, in its shape."""
        size, scale = self.codec.size, self.codec.size / self.clips.size
        weights = np.ones((self.clips.frames, size, size, 3), np.float32)
        for frame, box in zip(boxes.frames, boxes.xyxy * scale, strict=True):
            low = np.floor(box[:2]).astype(int).clip(0)
            high = np.ceil(box[2:]).astype(int).clip(0)
            across, down = slice(low[0], high[0]), slice(low[1], high[1])
            weights[frame, down, across] = self.figure_weight
        # As frames are: the codec maps 0..255 to −1..1.
        return (self.codec.encode_video(torch.from_numpy(weights)) + 1) * 127.5

    def loss(
        self, model: torch.nn.Module, batch: Batch, step: int, seed: int
    ) -> tuple[Tensor, Scalars]:
        clips, direction, emphasis = self.unpacked(batch)
        generator = torch.Generator(clips[0].device).manual_seed(seed)
        times = self.times(len(clips[0]), generator)
        noise = noise_like(clips, generator)
        if direction is not None:
            direction = withheld(direction, self.direction_drop, generator)
        return self.denoising_loss(model, clips, times, noise, direction, emphasis)

    def unpacked(self, batch: Batch) -> tuple[State, Tensor | None, Emphasis]:
        """The clips' tensors, what they are told, and weights of their values (None: 1)."""
        clips, labelled = batch[: len(self.shapes)], list(batch[len(self.shapes) :])
        direction = labelled.pop(0) if self.model.direction else None
        if self.figure_weight == 1:
            return clips, direction, None
        return clips, direction, [labelled.pop(0), *(None for _ in clips[1:])]

    def denoising_loss(
        self,
        model: torch.nn.Module,
        clean: State,
        times: Tensor,
        noise: State,
        direction: Tensor | None,
        emphasis: Emphasis,
    ) -> tuple[Tensor, Scalars]:
        """Mean loss of predicting clean tensors through noise at times [B], and its parts."""
        total, parts = self.diffusion.training_loss(
            lambda state, t: self.predict(model, state, t, direction),
            clean,
            times,
            noise,
            self.weights,
            self.min_snr or None,
            self.v_limit or None,
            emphasis,
        )
        named = zip(MODALITIES, parts, strict=False)
        return total.mean(), {name: part.mean() for name, part in named}

    def times(self, count: int, generator: torch.Generator) -> Tensor:
        """Random diffusion times [count], on the generator's device."""
        device = generator.device
        uniform = torch.randint(
            0, self.diffusion_steps, (count,), generator=generator, device=device
        )
        share, low, high = self.focus
        if not share:
            return uniform
        first, last = round(low * self.diffusion_steps), round(high * self.diffusion_steps)
        inner = torch.randint(first, last, (count,), generator=generator, device=device)
        chosen = torch.rand(count, generator=generator, device=device) < share
        return torch.where(chosen, inner, uniform)

    def optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        if self.optimizer_kind == "muon":
            assert isinstance(model, CoupledUNet)
            outer = [model.input_blocks[0], *model.heads]
            outer += [] if model.direction is None else [model.direction]
            return Muon(*split(model, outer), self.optim.lr, self.optim.weight_decay)
        return torch.optim.AdamW(
            model.parameters(),
            lr=self.optim.lr,
            betas=(0.9, 0.99),
            weight_decay=self.optim.weight_decay,
            fused=on_gpu(model),
        )

    @abstractmethod
    def denoiser(
        self, model: torch.nn.Module, count: int, seed: int, directed: Directed | None = None
    ) -> Denoiser:
        """The network as a pipeline samples it, for clips 0 … count − 1 of a seed."""

    def generate(
        self, model: torch.nn.Module, count: int, seed: int = 1, directed: Directed | None = None
    ) -> State:
        """Tensors of all modalities of `count` clips, from fixed noise."""
        start = self.start(count, seed, next(model.parameters()).device)
        torch.manual_seed(seed)
        return self.solve(self.denoiser(model, count, seed, directed), start)

    def start(self, count: int, seed: int, device: torch.device) -> State:
        """Noise of all modalities of `count` clips, which belongs to a seed."""
        generator = torch.Generator().manual_seed(seed)
        return tuple(
            torch.randn(count, *shape, generator=generator).to(device) for shape in self.shapes
        )

    def solve(self, denoiser: Denoiser, start: State) -> State:
        """What a denoiser makes of noise."""
        times = time_steps(self.diffusion, self.sample_steps, "logSNR", snap=True)
        return multistep(Predictor(self.diffusion, denoiser), start, times)

    def directed(self, model: torch.nn.Module) -> Iterator[tuple[float, State]]:
        """x in pixels, and a sample of one person who speaks there, for places from left to right.

        Nothing for a network that takes no direction.
        """
        if not self.model.direction:
            return
        device = next(model.parameters()).device
        for seed, place in enumerate(PLACES):
            direction = Direction("speech", (place,), 1)
            directed = Directed.of(direction, self.model.direction, device)
            yield place, self.generate(model, 1, seed, directed)

    def save_sheet(self, frames: Tensor, path: Path) -> None:
        """Write eight frames each of the first eight clips [N, F, size, size, 3]."""
        first = self.codec.first_row
        rows = frames[:, :, first : first + self.codec.rows].cpu().numpy()
        write_sheet(path, [evenly_spaced(clip, 8) for clip in rows[:8]], scale=2)

    def card(self, data: str) -> Card:
        facts = {
            "mirrored": False,
            "prediction": self.prediction,
            "diffusion_steps": self.diffusion_steps,
            "codec": self.codec.to_dict(),
        }
        return card_of(data, facts)


def noise_like(state: State, generator: torch.Generator) -> State:
    """Noise of the shapes of `state`, on its device."""
    return tuple(torch.randn(x.shape, generator=generator, device=x.device) for x in state)
