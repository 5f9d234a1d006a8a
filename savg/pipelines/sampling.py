"""The sampler of a pipeline and its settings, and noise that belongs to one clip alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Annotated, Any, Self

import numpy as np
import torch
from torch import Tensor

from savg.diffusion import Diffusion, Schedule
from savg.diffusion.ancestral import ddim, ddpm
from savg.diffusion.dpm_solver import (
    Predictor,
    Spacing,
    adaptive,
    multistep,
    singlestep,
    time_steps,
)
from savg.diffusion.host import on_device
from savg.diffusion.process import Model, Prediction, State, Variance
from savg.diffusion.progress import OnStep
from savg.diffusion.thresholding import THRESHOLDING, Thresholding
from savg.errors import CheckpointError, SavgError, brief
from savg.fields import Between, Share, check, from_json

SAMPLERS = ("dpmpp_multistep", "dpmpp_adaptive", "dpm_singlestep", "ddim", "ddpm")
"""Values of `SamplerConfig.name`."""

Steps = Annotated[int, Between(1, 100_000)]

ADAPTIVE_TOTAL = 100
"""Steps that the adaptive solver reports, however many it takes: hundredths of its way."""


@dataclass(frozen=True)
class SamplerConfig:
    """A sampler and its settings.

    steps: evaluations of the network (the adaptive solver takes as many as it needs); order and
    spacing: of the DPM-Solvers; snap: visit only times the network was trained at; limit: how the
    predicted x0 is kept in range, by its name in `savg.diffusion.thresholding` (None: as published,
    dynamic thresholding for DPM-Solver++ and clamping for DDIM and DDPM); batch_coupled: the published
    step size, shared by a batch; eta: noise of DDIM. SavgError for other values.
    """

    name: str = "dpmpp_adaptive"
    steps: Steps = 24
    order: int = 2
    spacing: Spacing = "logSNR"
    snap: bool = False
    limit: str | None = None
    batch_coupled: bool = False
    eta: Share = 0.0

    def __post_init__(self) -> None:
        if self.name not in SAMPLERS:
            raise SavgError(
                f"The sampler must be one of {', '.join(SAMPLERS)}, got {brief(self.name)}."
            )
        check(self, error=SavgError)
        if self.order not in (1, 2, 3):
            raise SavgError(f"order must be 1, 2 or 3, got {self.order}.")
        if self.limit is not None and self.limit not in THRESHOLDING:
            raise SavgError(
                f"limit must be one of {', '.join(THRESHOLDING)}, got {brief(self.limit)}."
            )

    def with_overrides(self, steps: int | None, name: str | None) -> Self:
        """These settings with another number of steps and sampler (None: as they are)."""
        changed = self if name is None else replace(self, name=name)
        return changed if steps is None else replace(changed, steps=steps)

    @property
    def total(self) -> int:
        """Steps that are reported while it runs."""
        return ADAPTIVE_TOTAL if self.name == "dpmpp_adaptive" else self.steps

    @property
    def thresholding(self) -> Thresholding | None:
        """The function named by `limit`."""
        visits = self.name in ("ddim", "ddpm")
        return THRESHOLDING[self.limit or ("clamp" if visits else "dynamic_threshold")]

    def run(
        self,
        diffusion: Diffusion,
        model: Model,
        start: State,
        noise: ClipNoise,
        on_step: OnStep | None = None,
    ) -> State:
        """The samples from noise `start`; noise: what is added on the way, clip by clip.

        SavgError for more steps than the network was trained with.
        """
        if self.steps > len(diffusion.schedule):
            raise SavgError(f"steps must be ≤ {len(diffusion.schedule)}, got {self.steps}.")
        if self.name in ("ddim", "ddpm"):
            return self._visit(spaced(diffusion, self.steps), model, start, noise, on_step)
        clean = self.name != "dpm_singlestep"
        predictor = Predictor(diffusion, model, clean=clean, clip_x0=self.thresholding)
        if self.name == "dpmpp_adaptive":
            order = max(2, self.order)
            coupled = self.batch_coupled
            return adaptive(predictor, start, order=order, batch_coupled=coupled, on_step=on_step)
        times = time_steps(diffusion, self.steps, self.spacing, snap=self.snap)
        solve = multistep if self.name == "dpmpp_multistep" else singlestep
        return solve(predictor, start, times, min(self.order, self.steps), on_step=on_step)

    def _visit(
        self,
        diffusion: Diffusion,
        model: Model,
        start: State,
        noise: ClipNoise,
        on_step: OnStep | None,
    ) -> State:
        def draw(_: int) -> Sequence[Tensor]:
            return noise.like(start)

        if self.name == "ddpm":
            return ddpm(diffusion, model, start, draw, clip_x0=self.thresholding, on_step=on_step)
        return ddim(
            diffusion,
            model,
            start,
            eta=self.eta,
            draw=draw,
            clip_x0=self.thresholding,
            on_step=on_step,
        )


def spaced(diffusion: Diffusion, steps: int) -> Diffusion:
    """The process at `steps` of its times.

    At a whole stride from time 0, as published for DDIM, where that comes close to pure noise;
    otherwise spread evenly from the first time to the last. A single step starts at the last time,
    where the noise is that of the start.
    """
    schedule = diffusion.schedule
    if steps == 1:
        return replace(diffusion, schedule=schedule.visiting(np.array([len(schedule) - 1])))
    try:
        chosen = schedule.respaced(f"ddim{steps}")
    except ValueError:
        chosen = None
    if chosen is None or chosen.times[-1] < 0.95 * (len(schedule) - 1):
        chosen = schedule.respaced(steps)
    return replace(diffusion, schedule=chosen)


@dataclass(frozen=True)
class DiffusionFacts:
    """What a component's card says of the diffusion that its network was trained with."""

    prediction: Prediction = "eps"
    variance: Variance = "fixed_large"
    diffusion_steps: Steps = 1000

    def __post_init__(self) -> None:
        check(self)


def diffusion_of(facts: Mapping[str, Any], **defaults: Any) -> Diffusion:
    """The process that a component's card describes, by the facts of `DiffusionFacts`.

    defaults: of facts that it does not have. CheckpointError for values out of range.
    """
    names = [field.name for field in fields(DiffusionFacts)]
    values = defaults | {name: facts[name] for name in names if name in facts}
    where = "The card of the weights describes no diffusion"
    known = from_json(DiffusionFacts, values, where, CheckpointError)
    try:
        schedule = Schedule.linear(known.diffusion_steps)
    except ValueError as error:
        raise CheckpointError(
            f"{where}: diffusion_steps must be enough for its noise, got {known.diffusion_steps}."
        ) from error
    return Diffusion(schedule, known.prediction, known.variance)


class NoisePurpose(IntEnum):
    """The use of random numbers; each purpose has its own stream.

    Windows of a video count on from AUDIO.
    """

    START = 0
    ON_THE_WAY = 1
    SUPERRES = 2
    SHIFTS = 3
    GUIDANCE = 4
    AUDIO = 1000


class ClipNoise:
    """Normal noise for clips of a seed; a clip's noise depends on the seed and its index alone.

    It is drawn on the CPU, so that it is the same on every device.
    """

    def __init__(self, seed: int, clips: Sequence[int], purpose: int) -> None:
        self.generators = [generator(seed, clip, purpose) for clip in clips]

    def draw(self, shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
        """Noise [clips, *shape]."""
        noise = [torch.randn(tuple(shape), generator=stream) for stream in self.generators]
        return on_device(torch.stack(noise), device)

    def like(self, state: State) -> State:
        """Noise of the shapes and on the device of `state`."""
        return tuple(self.draw(part.shape[1:], part.device) for part in state)


def generator(seed: int, clip: int, purpose: int) -> torch.Generator:
    """An independent stream of random numbers for one purpose in one clip of a seed."""
    words = np.random.SeedSequence((seed, clip, purpose)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(words[0] >> np.uint64(1)))
