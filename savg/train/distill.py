"""Recipe of a student that samples clips in one to eight steps as its teacher does in many.

Progressive distillation (Salimans & Ho 2022) with guidance in the teacher (Meng et al. 2023): from true
clips in noise the guided teacher takes several steps of its own solver, and the student learns the
prediction that takes it to the same place in one. A student is sampled by first-order steps, without
guidance, and can be the teacher of one with fewer steps.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from savg.diffusion.distillation import one_step_x0, teacher_times
from savg.diffusion.dpm_solver import Predictor, Spacing, multistep
from savg.diffusion.host import on_device
from savg.diffusion.process import State
from savg.errors import CheckpointError
from savg.hub import Card
from savg.models.direction import CONDITIONS
from savg.models.joint_unet import JointUNet
from savg.pipelines.description import MOST_LEARNT_STEPS
from savg.pipelines.direction import Directed
from savg.pipelines.guidance import Denoiser, Guidance, MirrorGuidance, NoiseGuidance
from savg.pipelines.joint import joint_denoiser
from savg.pipelines.sampling import SamplerConfig
from savg.pipelines.video import video_denoiser
from savg.train.audio_data import RANDOM
from savg.train.clip_diffusion import ClipDiffusion, noise_like
from savg.train.clip_set import ClipSet
from savg.train.direction_data import withheld
from savg.train.joint import CONFIGS as JOINT
from savg.train.joint import JointRecipe
from savg.train.recipe import Batch, Recipe, Scalars
from savg.train.teacher import Teacher, teacher_card
from savg.train.video import CONFIGS as VIDEO
from savg.train.video import VideoRecipe

S = TypeVar("S", bound="Distillation")

COMPARED = 4
"""Samples at most that are compared with the teacher's from the same noise."""


@dataclass(frozen=True)
class Distillation(ClipDiffusion):
    """Training of a student network, which starts from its teacher's weights.

    teacher: folder or Hub repo id of the network to distil (a component, or a pipeline with one),
    required; few_steps: of the student; teacher_steps: of the teacher within each of them;
    teacher_order: of its solver (a student that teaches takes order 1, without guidance); spacing: of
    the steps, "logSNR", "time_uniform" or "time_quadratic"; limit: how predicted x0 are kept in range,
    by its name in `savg.diffusion.thresholding`; direction_weights: of sound, people and x in what the
    teacher predicts for a directed clip (1 each: as trained); guidance: of the teacher.
    """

    teacher: str = ""
    few_steps: int = 4
    teacher_steps: int = 4
    teacher_order: int = 2
    spacing: Spacing = "logSNR"
    limit: str = "clamp_first"
    direction_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    free: ClassVar[frozenset[str]] = Recipe.free

    def __post_init__(self) -> None:
        for name in ("few_steps", "teacher_steps"):
            if not 1 <= getattr(self, name) <= MOST_LEARNT_STEPS:
                raise ValueError(
                    f"{name} must be in 1..{MOST_LEARNT_STEPS}, got {getattr(self, name)}."
                )
        if self.teacher_order not in (1, 2, 3):
            raise ValueError(f"teacher_order must be 1, 2 or 3, got {self.teacher_order}.")
        if len(self.direction_weights) != len(CONDITIONS) or min(self.direction_weights) < 0:
            raise ValueError(
                f"direction_weights must be {len(CONDITIONS)} numbers ≥ 0, "
                f"got {self.direction_weights}."
            )
        _ = self.sampler, self.intervals  # which refuse what cannot be

    @property
    def sampler(self) -> SamplerConfig:
        """How the student is sampled."""
        return SamplerConfig(
            "dpmpp_multistep", self.few_steps, 1, self.spacing, snap=True, limit=self.limit
        )

    @cached_property
    def intervals(self) -> tuple[Tensor, ...]:
        """The teacher's times in each of the student's steps."""
        return teacher_times(self.diffusion, self.few_steps, self.teacher_steps, self.spacing)

    @cached_property
    def student_times(self) -> Tensor:
        """Where the student's steps start, and where the last one ends."""
        return torch.cat([part[:1] for part in self.intervals] + [self.intervals[-1][-1:]])

    @cached_property
    def teaching(self) -> Teacher:
        """The frozen teacher on the device of the run. SavgError where it does not fit the recipe."""
        return self.loaded_teacher().placed()

    def loaded_teacher(self) -> Teacher:
        """The teacher on the CPU. CheckpointError for none, and for a student of other steps."""
        teacher = Teacher.load(self.teacher, self)
        if teacher.steps not in (None, self.few_steps * self.teacher_steps):
            raise CheckpointError(
                f"{self.teacher}: few_steps · teacher_steps must be the {teacher.steps} steps that the "
                f"teacher was distilled for, got {self.few_steps} · {self.teacher_steps}."
            )
        return teacher

    @abstractmethod
    def denoiser_of(
        self,
        network: torch.nn.Module,
        guidance: Any,
        count: int,
        seed: int,
        directed: Directed | None,
    ) -> Denoiser:
        """A network as its pipeline samples `count` clips of a seed with this guidance."""

    @property
    @abstractmethod
    def teacher_guidance(self) -> Guidance:
        """The guidance of a teacher that is no student."""

    def denoiser(
        self, model: torch.nn.Module, count: int, seed: int, directed: Directed | None = None
    ) -> Denoiser:
        return self.denoiser_of(model, type(self.teacher_guidance)(), count, seed, directed)

    def open(self, data: str, run: Path) -> ClipSet:
        self.loaded_teacher()  # what does not fit is refused before clips are packed
        return super().open(data, run)

    def fit(self, model: torch.nn.Module, data: Any) -> None:
        """Start from the teacher's weights."""
        model.load_state_dict(self.loaded_teacher().network.state_dict())

    def loss(
        self, model: torch.nn.Module, batch: Batch, step: int, seed: int
    ) -> tuple[Tensor, Scalars]:
        clips, direction, emphasis = self.unpacked(batch)
        if self.teaching.mirrored:
            clips = (clips[0].flip(-1), *clips[1:])
            emphasis = emphasis and [part if part is None else part.flip(-1) for part in emphasis]
        generator = torch.Generator(clips[0].device).manual_seed(seed)
        noise = noise_like(clips, generator)
        if direction is not None:
            direction = withheld(direction, self.direction_drop, generator)
        clean, times, noise = self.lesson(clips, noise, direction, seed)
        return self.denoising_loss(model, clean, times, noise, direction, emphasis)

    @torch.no_grad()
    def lesson(
        self, clips: State, noise: State, direction: Tensor | None, seed: int
    ) -> tuple[State, Tensor, State]:
        """What the student shall predict, at which times [B], and the noise that it then sees there.

        The student's steps go round the samples of a batch, beginning with one that the seed decides.
        """
        schedule, device = self.diffusion.schedule, clips[0].device
        clean, fresh = ([torch.empty_like(part) for part in clips] for _ in range(2))
        indices = torch.empty(len(clips[0]), dtype=torch.long)
        for place in range(min(self.few_steps, len(clips[0]))):
            rows = slice(place, None, self.few_steps)
            times = self.intervals[(place + seed) % self.few_steps]
            index = int(schedule.model_times(times[0]))
            alpha, sigma = float(schedule.alphas[index]), float(schedule.sigmas[index])
            both = zip(clips, noise, strict=True)
            start = tuple(alpha * x[rows] + sigma * e[rows] for x, e in both)
            told = None if direction is None else direction[rows]
            end = self.taught(start, times, seed, told)
            x0 = one_step_x0(schedule, start, end, times[0], times[-1])
            indices[rows] = index
            for part, (x, seen) in enumerate(zip(x0, start, strict=True)):
                clean[part][rows] = x
                fresh[part][rows] = (seen - alpha * x) / sigma
        return tuple(clean), on_device(indices, device), tuple(fresh)

    def taught(self, start: State, times: Tensor, seed: int, told: Tensor | None = None) -> State:
        """Where the guided teacher arrives from `start` through `times`, told directions [B, …]."""
        teacher, guidance = self.teaching, self.teacher_guidance
        weights: Mapping[str, float] = dict(zip(CONDITIONS, self.direction_weights, strict=True))
        directed = None if told is None else Directed.of_rows(told, weights)
        guidance = type(guidance)() if teacher.is_student else guidance
        count, order = len(start[0]), 1 if teacher.is_student else self.teacher_order
        denoiser = self.denoiser_of(teacher.network, guidance, count, seed, directed)
        predictor = Predictor(teacher.diffusion, denoiser, clip_x0=self.sampler.thresholding)
        return multistep(predictor, start, times, min(order, len(times) - 1))

    def solve(self, denoiser: Denoiser, start: State) -> State:
        predictor = Predictor(self.diffusion, denoiser, clip_x0=self.sampler.thresholding)
        return multistep(predictor, start, self.student_times, order=1)

    def evaluate(self, model: torch.nn.Module, data: Any, sheet: Path) -> dict[str, float]:
        """The scores of samples, and how far they are from the teacher's (root mean squares)."""
        scores = super().evaluate(model, data, sheet)
        count, seed = min(COMPARED, self.samples), 2
        samples = self.generate(model, count, seed)
        start = self.start(count, seed, samples[0].device)
        torch.manual_seed(seed)
        every = torch.cat([part[:-1] for part in self.intervals] + [self.intervals[-1][-1:]])
        wanted = self.taught(start, every, seed)
        for name, own, its in zip(("video", "audio"), samples, wanted, strict=False):
            scores[f"{name}_to_teacher"] = float((own - its).float().square().mean().sqrt())
        return scores

    def card(self, data: str) -> Card:
        """The licence is the teacher's; the student's sampler is among the facts."""
        card, teacher = super().card(data), teacher_card(self.teacher, self.kind)
        own = {
            "mirrored": teacher.facts.get("mirrored", False),
            "sampler": asdict(self.sampler),
            "teacher": teacher.sha256 or teacher.origin,
        }
        origin = f"{card.origin}, distilled from weights {teacher.origin}"
        return replace(card, licence=teacher.licence, origin=origin, facts={**card.facts, **own})


@dataclass(frozen=True)
class JointDistillation(Distillation, JointRecipe):
    """A student of a joint network."""

    @property
    def teacher_guidance(self) -> MirrorGuidance:
        return self.guidance

    def denoiser_of(
        self,
        network: torch.nn.Module,
        guidance: Any,
        count: int,
        seed: int,
        directed: Directed | None,
    ) -> Denoiser:
        assert isinstance(network, JointUNet)
        return joint_denoiser(
            network, self.codec, self.diffusion, guidance,
            directed=directed, seed=seed, clips=range(count),
        )  # fmt: skip


@dataclass(frozen=True)
class VideoDistillation(Distillation, VideoRecipe):
    """A student of a video network."""

    @property
    def teacher_guidance(self) -> NoiseGuidance:
        return self.guidance

    def denoiser_of(
        self,
        network: torch.nn.Module,
        guidance: Any,
        count: int,
        seed: int,
        directed: Directed | None,
    ) -> Denoiser:
        clips = range(count)
        return video_denoiser(network, self.diffusion, guidance, seed, clips, directed=directed)


def student(kind: type[S], recipe: ClipDiffusion, **changes: Any) -> S:
    """The recipe of a student of what a recipe trains, with the same settings but `changes`."""
    own = {one.name: getattr(recipe, one.name) for one in fields(recipe)}
    own["model"] = replace(recipe.model, dropout=0.0)
    return kind(**{**own, **changes})


def _configs(kind: type[S], recipes: Mapping[str, ClipDiffusion]) -> dict[str, S]:
    full, demo = recipes["full"].optim, recipes["demo"].optim
    optims = {
        "full": replace(full, steps=50_000, lr=1e-4, warmup=1000, cooldown=40_000, clip_norm=1.0),
        "demo": replace(
            demo, steps=1200, lr=5e-4, warmup=20, cooldown=900, ema_decay=0.99, sample_every=200
        ),
        "tiny": recipes["tiny"].optim,
    }
    # A prediction of noise says nothing of x0 where a short way begins, at pure noise.
    whole: dict[str, Any] = {
        "optim": optims["full"],
        "prediction": "v",
        "teacher_steps": 8,
        "limit": "dynamic_threshold",
    }
    return {
        "full": student(kind, recipes["full"], **whole),
        "full_directed": student(kind, recipes["full_directed"], **whole),
        "demo": student(kind, recipes["demo"], optim=optims["demo"]),
        "tiny": student(
            kind, recipes["tiny"], optim=optims["tiny"], teacher=RANDOM, few_steps=2,
            teacher_steps=2, prediction="x0",
        ),
    }  # fmt: skip


CONFIGS: dict[str, Distillation] = {
    **_configs(JointDistillation, JOINT),
    **{f"video_{name}": one for name, one in _configs(VideoDistillation, VIDEO).items()},
}
