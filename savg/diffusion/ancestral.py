"""Samplers that visit the steps of a schedule one by one: DDPM (Ho 2020) and DDIM (Song 2021)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from savg.diffusion.process import Diffusion, Model, State
from savg.diffusion.progress import OnStep, report
from savg.diffusion.thresholding import Thresholding, clamp

Draw = Callable[[int], Sequence[Tensor]]
"""k → the noise of the k-th step (1, 2, …), one tensor for each modality."""


@torch.no_grad()
def ddpm(
    diffusion: Diffusion,
    model: Model,
    start: State,
    draw: Draw,
    *,
    clip_x0: Thresholding | None = clamp,
    on_step: OnStep | None = None,
) -> State:
    """Ancestral sampling from noise `start` through all steps of the schedule.

    draw: fresh noise for each step; returning `start` every time reproduces the published
    super-resolution path. clip_x0: thresholding of the predicted x_0 (None: none).
    """
    state = start
    total = len(diffusion.schedule)
    for done, index in enumerate(reversed(range(total)), 1):
        step, clean, extras = _predict(diffusion, model, state, index, clip_x0)
        noise = draw(done)
        moved = []
        for x, x0, extra, fresh in zip(state, clean, extras, noise, strict=True):
            mean = diffusion.posterior_mean(x0, x, step)
            if index:
                spread = torch.exp(0.5 * diffusion.log_variance(extra, step, x))
                mean = mean + spread * fresh
            moved.append(mean)
        state = tuple(moved)
        report(on_step, done, total, clean)
    return state


@torch.no_grad()
def ddim(
    diffusion: Diffusion,
    model: Model,
    start: State,
    *,
    eta: float = 0.0,
    draw: Draw | None = None,
    clip_x0: Thresholding | None = clamp,
    on_step: OnStep | None = None,
) -> State:
    """DDIM from noise `start`; eta 0 adds no noise, eta 1 as much as DDPM (needs `draw`).

    clip_x0: thresholding of the predicted x_0 (None: none). ValueError for eta without `draw`.
    """
    if eta and draw is None:
        raise ValueError(f"draw must be given for eta above 0, got None for eta {eta}")
    state = start
    schedule = diffusion.schedule
    total = len(schedule)
    for done, index in enumerate(reversed(range(total)), 1):
        _, clean, _ = _predict(diffusion, model, state, index, clip_x0)
        now, before = schedule.alphas_cumprod[index], schedule.alphas_cumprod_prev[index]
        sigma = eta * np.sqrt((1 - before) / (1 - now)) * np.sqrt(1 - now / before)
        noise = draw(done) if draw is not None and index and eta else [None] * len(state)
        moved = []
        for x, x0, fresh in zip(state, clean, noise, strict=True):
            eps = (x - float(np.sqrt(now)) * x0) / float(np.sqrt(1 - now))
            value = float(np.sqrt(before)) * x0 + float(np.sqrt(1 - before - sigma**2)) * eps
            moved.append(value if fresh is None else value + float(sigma) * fresh)
        state = tuple(moved)
        report(on_step, done, total, clean)
    return state


def _predict(
    diffusion: Diffusion, model: Model, state: State, index: int, clip_x0: Thresholding | None
) -> tuple[Tensor, State, list[Tensor | None]]:
    """The step as a tensor [B], x_0 of each modality, and the networks' variance outputs."""
    step = torch.full((len(state[0]),), index, dtype=torch.long, device=state[0].device)
    times = torch.full((len(state[0]),), int(diffusion.schedule.times[index]), dtype=torch.long)
    clean, extras = [], []
    for x, output in zip(state, model(state, times), strict=True):
        prediction, extra = diffusion.split(output.float(), x)
        x0 = diffusion.to_clean(prediction, x, *diffusion.coefficients(step, x))
        clean.append(x0)
        extras.append(extra)
    state = tuple(clean)
    return step, clip_x0(state) if clip_x0 is not None else state, extras
