"""A sampler's many steps in few (progressive distillation, Salimans & Ho 2022).

A student goes from time s to t in one first-order step (DDIM), which its prediction of x_0 decides; a
teacher goes the same way in several. The student learns the x_0 that takes it to where the teacher
arrives. Times are continuous, as in `savg.diffusion.dpm_solver`, noise first.
"""

from __future__ import annotations

import torch
from torch import Tensor

from savg.diffusion.dpm_solver import Spacing, snapped, time_steps
from savg.diffusion.process import Diffusion, State
from savg.diffusion.schedule import Schedule


def teacher_times(
    diffusion: Diffusion, steps: int, substeps: int, spacing: Spacing
) -> tuple[Tensor, ...]:
    """For each of a student's `steps` the times of its teacher's, from its start to its end.

    All are times of the schedule; where two of a step fall on the same one it is visited once, so that
    a step has 2 … substeps + 1 times. Starts and ends are those of `time_steps(…, steps, snap=True)`.
    ValueError for more steps than the schedule tells apart, of which one would have no length.
    """
    fine = time_steps(diffusion, steps * substeps, spacing)
    parts = [
        snapped(diffusion.schedule, fine[first : first + substeps + 1])
        for first in range(0, steps * substeps, substeps)
    ]
    if min(map(len, parts)) < 2:
        raise ValueError(
            f"steps must be so few that they start at different times, got {steps} of "
            f"{len(diffusion.schedule)} times"
        )
    return tuple(parts)


def one_step_x0(schedule: Schedule, start: State, end: State, s: Tensor, t: Tensor) -> State:
    """The x_0 with which one first-order step from `start` at time s [] arrives at `end` at time t [].

    x_t = (σ_t/σ_s)·x_s + (α_t − α_s·σ_t/σ_s)·x_0, solved for x_0.
    """
    alpha_s, alpha_t = (float(schedule.log_alpha(time).exp()) for time in (s, t))
    sigma_s, sigma_t = (float(torch.sqrt(1 - schedule.log_alpha(u).mul(2).exp())) for u in (s, t))
    kept = sigma_t / sigma_s
    gain = alpha_t - alpha_s * kept
    return tuple((y - kept * x) / gain for x, y in zip(start, end, strict=True))
