"""Flow matching on straight paths from noise (time 0) to data (time 1).

One object owns interpolation, target, loss and times, so that training and sampling cannot disagree;
the sampler is a function. Sources: Lipman et al. 2023, Liu et al. 2023; MMAudio (arXiv 2412.15322)
for times, guidance and its 25 steps. A network is `model(x[B, …], t[B], conditions) -> velocity`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor

from savg.diffusion.progress import OnStep, report

C = TypeVar("C")
VelocityModel = Callable[[Tensor, Tensor, C], Tensor]

GUIDANCE = 4.5
STEPS = 25


@dataclass(frozen=True)
class FlowMatching:
    """Straight paths x_t = (1 − (1 − min_sigma) t) · noise + t · data.

    min_sigma: the noise left at t = 1.
    """

    min_sigma: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_sigma < 1:
            raise ValueError(f"min_sigma must be ≥ 0 and below 1, got {self.min_sigma}")

    def draw_times(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Random times [count] for training: the logistic function of a standard normal.

        They are on the generator's device.
        """
        device = None if generator is None else generator.device
        return torch.sigmoid(torch.randn(count, generator=generator, device=device))

    def interpolate(self, noise: Tensor, data: Tensor, t: Tensor) -> Tensor:
        """x_t [B, …] at times t [B]."""
        t = t.reshape(-1, *[1] * (data.ndim - 1))
        return (1 - (1 - self.min_sigma) * t) * noise + t * data

    def velocity(self, noise: Tensor, data: Tensor) -> Tensor:
        """The network's target [B, …], the same at all times of a path."""
        return data - (1 - self.min_sigma) * noise

    def loss(self, predicted: Tensor, noise: Tensor, data: Tensor) -> Tensor:
        """Mean squared error of a predicted velocity, for each sample [B]."""
        return (predicted - self.velocity(noise, data)).square().flatten(1).mean(1)

    def predicted_data(self, x: Tensor, t: float, velocity: Tensor) -> Tensor:
        """The data that a straight path through x at time t with this velocity ends at."""
        return x + (1 - t) * velocity

    def times(self, steps: int) -> Tensor:
        """The steps + 1 times of a sampler, evenly from noise to data."""
        if steps < 1:
            raise ValueError(f"steps must be ≥ 1, got {steps}")
        return torch.linspace(0, 1 - self.min_sigma, steps + 1)


def guide(conditional: Tensor, empty: Tensor, strength: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022): strength 1 is the conditional velocity."""
    return strength * conditional + (1 - strength) * empty


@torch.no_grad()
def euler(
    flow: FlowMatching,
    model: VelocityModel[C],
    noise: Tensor,
    conditions: C,
    empty: C | None = None,
    *,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
    on_step: OnStep | None = None,
) -> Tensor:
    """Data [B, …] from `noise` by Euler's method.

    empty: conditions to guide away from; without them, or with guidance below 1, they are not
    evaluated, as in the published code. Raises Cancelled if `on_step` returns False.
    """
    x = noise
    # on the host: reading one from a device would wait for it
    times = flow.times(steps).to(x.dtype)
    for done, (now, then) in enumerate(pairwise(times), 1):
        t = torch.full((len(x),), float(now), dtype=x.dtype, device=x.device)
        velocity = model(x, t, conditions)
        if empty is not None and guidance >= 1:
            velocity = guide(velocity, model(x, t, empty), guidance)
        if on_step is not None:
            report(on_step, done, steps, (flow.predicted_data(x, float(now), velocity),))
        x = x + float(then - now) * velocity
    return x
