"""Diffusion in continuous time t, 0 (clean) to 1 (noise): x_t = cos(πt/2) · x_0 + sin(πt/2) · noise.

Networks predict v = cos(πt/2) · noise − sin(πt/2) · x_0 (Salimans and Ho 2022), as Stable Audio's do.
One object owns noising, target, loss and times; the sampler is a function. A network is
`model(x[B, …], t[B]) -> v`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from savg.diffusion.progress import OnStep, report

VModel = Callable[[Tensor, Tensor], Tensor]

STEPS = 150


@dataclass(frozen=True)
class CosineDiffusion:
    """The process; sigma_min, sigma_max: noise over signal, tan(πt/2), at a sampler's last and first
    evaluation, the published ones of stable-audio-open-1.0."""

    sigma_min: float = 0.3
    sigma_max: float = 500.0

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max:
            raise ValueError(
                f"sigma_min must be above 0 and below sigma_max {self.sigma_max}, got {self.sigma_min}"
            )

    def draw_times(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Random times [count] for training: the logistic function of a standard normal.

        They are on the generator's device.
        """
        device = None if generator is None else generator.device
        return torch.sigmoid(torch.randn(count, generator=generator, device=device))

    def add_noise(self, data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t [B, …] at times t [B]."""
        alpha, sigma = _factors(t, data)
        return alpha * data + sigma * noise

    def loss(self, predicted: Tensor, data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Mean squared error of predictions of v at times t [B], for each sample [B]."""
        alpha, sigma = _factors(t, data)
        return (predicted - (alpha * noise - sigma * data)).square().flatten(1).mean(1)

    def predicted_data(self, x: Tensor, v: Tensor, t: Tensor) -> Tensor:
        """x_0 of a prediction at x_t."""
        alpha, sigma = _factors(t, x)
        return alpha * x - sigma * v

    def times(self, steps: int) -> Tensor:
        """Times [steps] of a sampler's evaluations, float64: even in the logarithm of tan(πt/2)."""
        if steps < 1:
            raise ValueError(f"steps must be ≥ 1, got {steps}")
        ends = math.log(self.sigma_max), math.log(self.sigma_min)
        return torch.linspace(*ends, steps, dtype=torch.float64).exp().atan() * (2 / math.pi)


def _factors(t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    angle = (t * (math.pi / 2)).reshape(-1, *[1] * (like.ndim - 1))
    return angle.cos(), angle.sin()


@torch.no_grad()
def multistep(
    diffusion: CosineDiffusion,
    model: VModel,
    noise: Tensor,
    *,
    steps: int = STEPS,
    on_step: OnStep | None = None,
) -> Tensor:
    """Data [B, …] from `noise` by DPM-Solver++ of second order (2M, Lu et al. 2022).

    One evaluation a step; the last one's x_0 is the result. Raises Cancelled if `on_step` returns
    False.
    """
    times = diffusion.times(steps).tolist()
    angles = [t * math.pi / 2 for t in times]
    lams = [-math.log(math.tan(angle)) for angle in angles]  # half the log signal-to-noise ratio
    x, before = noise, noise
    for i, t in enumerate(times):
        at = torch.full((len(x),), t, dtype=x.dtype, device=x.device)
        clean = diffusion.predicted_data(x, model(x, at), at)
        if on_step is not None:
            report(on_step, i + 1, steps, (clean,))
        if i == steps - 1:
            return clean
        h = lams[i + 1] - lams[i]
        target = clean
        if i:
            share = h / (2 * (lams[i] - lams[i - 1]))
            target = (1 + share) * clean - share * before
        alpha, sigma = math.cos(angles[i + 1]), math.sin(angles[i + 1])
        x = (sigma / math.sin(angles[i])) * x - alpha * math.expm1(-h) * target
        before = clean
    raise AssertionError("a sampler must have a step")
