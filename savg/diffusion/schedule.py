"""Discrete noise schedules, their respacing, and their continuous-time reading by DPM-Solver.

x_t = √ᾱ_t·x_0 + √(1 − ᾱ_t)·noise. Times are 0 (almost clean) … steps − 1 (almost noise). In
continuous time, t_i = (i + 1)/steps, log α is piecewise linear between these, and
λ = log(α/σ) is half the log signal-to-noise ratio (Lu et al. 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Schedule:
    """Variances `betas` [n] of the steps, and the network's time [n] at each.

    base_steps: length of the unspaced schedule that these times count in.
    """

    betas: Floats
    times: NDArray[np.int64]
    base_steps: int

    def __post_init__(self) -> None:
        betas = np.asarray(self.betas, np.float64)
        if betas.ndim != 1 or not len(betas) or (betas <= 0).any() or (betas > 1).any():
            raise ValueError(f"betas must be [n] above 0 and ≤ 1, got {betas.shape} {betas[:3]}")
        if len(self.times) != len(betas):
            raise ValueError(
                f"times must be {len(betas)}, one for each of betas, got {len(self.times)}"
            )

    @classmethod
    def linear(cls, steps: int = 1000) -> Schedule:
        """Linear betas from 0.0001 to 0.02, scaled by 1000/steps (Ho et al. 2020)."""
        scale = 1000.0 / steps
        betas = np.linspace(scale * 1e-4, scale * 0.02, steps, dtype=np.float64)
        return cls(betas, np.arange(steps), steps)

    def respaced(self, spacing: str | int) -> Schedule:
        """The schedule that visits some of the times only, with the same ᾱ there.

        spacing: "ddimN" (every k-th time, N of them), a number N, or "a,b,…" (of each of
        equal sections in turn, that number of times).
        """
        return self.visiting(_spaced_times(len(self.betas), str(spacing)))

    def visiting(self, used: NDArray[np.int64]) -> Schedule:
        """The schedule that visits these of its steps alone, which rise, with the same ᾱ there."""
        cumulative = self.alphas_cumprod[used]
        betas = 1.0 - cumulative / np.concatenate([[1.0], cumulative[:-1]])
        return Schedule(betas, self.times[used], self.base_steps)

    def __len__(self) -> int:
        return len(self.betas)

    @cached_property
    def alphas_cumprod(self) -> Floats:
        """ᾱ at each step."""
        return np.asarray(np.cumprod(1.0 - self.betas), np.float64)

    @cached_property
    def alphas_cumprod_prev(self) -> Floats:
        """ᾱ one step cleaner; 1 before the first."""
        return np.concatenate([[1.0], self.alphas_cumprod[:-1]])

    @cached_property
    def posterior_variance(self) -> Floats:
        """Variance of x_{t−1} given x_t and x_0."""
        return self.betas * (1.0 - self.alphas_cumprod_prev) / (1.0 - self.alphas_cumprod)

    @cached_property
    def posterior_log_variance_clipped(self) -> Floats:
        """Its logarithm, with the first entry (which is 0) replaced by the second."""
        return np.log(_second_first(self.posterior_variance))

    @cached_property
    def fixed_large_log_variance(self) -> Floats:
        """log β, with the first entry replaced by that of the posterior's second."""
        return np.log(np.concatenate([self.posterior_variance[1:2], self.betas[1:]]))

    @cached_property
    def posterior_mean_of_clean(self) -> Floats:
        """Factor of x_0 in the mean of x_{t−1} given x_0 and x_t."""
        return self.betas * np.sqrt(self.alphas_cumprod_prev) / (1.0 - self.alphas_cumprod)

    @cached_property
    def posterior_mean_of_noisy(self) -> Floats:
        """Factor of x_t in that mean."""
        alpha = np.sqrt(1.0 - self.betas)
        return alpha * (1.0 - self.alphas_cumprod_prev) / (1.0 - self.alphas_cumprod)

    @cached_property
    def alphas(self) -> Floats:
        """√ᾱ, the factor of x_0 in x_t."""
        return np.sqrt(self.alphas_cumprod)

    @cached_property
    def sigmas(self) -> Floats:
        """√(1 − ᾱ), the factor of the noise in x_t."""
        return np.sqrt(1.0 - self.alphas_cumprod)

    @cached_property
    def log_betas(self) -> Floats:
        """log β."""
        return np.log(self.betas)

    # Continuous time; tensors are float64 of any shape.

    @cached_property
    def _grid(self) -> tuple[Tensor, Tensor]:
        """t and log α at the steps, rising in t."""
        n = len(self)
        t = torch.arange(1, n + 1, dtype=torch.float64) / n
        return t, torch.from_numpy(0.5 * np.log(self.alphas_cumprod))

    @property
    def first_time(self) -> float:
        """The cleanest continuous time."""
        return 1.0 / len(self)

    def log_alpha(self, t: Tensor) -> Tensor:
        """log α at continuous times."""
        grid, values = self._grid
        return _interpolate(t, grid, values)

    def half_log_snr(self, t: Tensor) -> Tensor:
        """λ at continuous times."""
        return _half_log_snr(self.log_alpha(t))

    def time_of(self, half_log_snr: Tensor) -> Tensor:
        """The continuous time of λ."""
        t, log_alpha = self._grid
        target = -0.5 * torch.nn.functional.softplus(-2.0 * half_log_snr)
        return _interpolate(target.neg(), log_alpha.neg(), t)

    def model_times(self, t: Tensor) -> Tensor:
        """The network's integer times at continuous times: truncated, in float32 as published."""
        n = len(self)
        index = ((t.to(torch.float32) - 1.0 / n) * n).long().clamp(0, n - 1)
        return torch.from_numpy(np.asarray(self.times, np.int64))[index]


def _second_first(values: Floats) -> Floats:
    return np.concatenate([values[1:2], values[1:]]) if len(values) > 1 else values


def _half_log_snr(log_alpha: Tensor) -> Tensor:
    return log_alpha - 0.5 * torch.log(-torch.expm1(2.0 * log_alpha))


def _interpolate(x: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """Piecewise linear through (xs, ys), xs rising; the end pieces go on outside."""
    x = x.to(torch.float64)
    right = torch.searchsorted(xs, x.contiguous()).clamp(1, len(xs) - 1)
    left = right - 1
    share = (x - xs[left]) / (xs[right] - xs[left])
    return ys[left] + share * (ys[right] - ys[left])


def _spaced_times(steps: int, spacing: str) -> NDArray[np.int64]:
    """The steps to visit, rising."""
    if spacing.startswith("ddim"):
        count = _whole(spacing.removeprefix("ddim"), spacing)
        for every in range(1, steps + 1):
            if len(range(0, steps, every)) == count:
                return np.arange(0, steps, every)
        raise ValueError(
            f"spacing must visit one of every k steps, got {spacing!r} for {steps} steps"
        )
    counts = [_whole(part, spacing) for part in spacing.split(",")]
    base, extra = divmod(steps, len(counts))
    times: list[int] = []
    start = 0
    for section, count in enumerate(counts):
        size = base + (section < extra)
        if count > size:
            raise ValueError(
                f"counts of spacing must be ≤ {size} for a section of {size} steps, got {count}"
            )
        stride = (size - 1) / (count - 1) if count > 1 else 1.0
        place = 0.0
        for _ in range(count):  # by repeated addition, as published: ties round the same way
            times.append(start + round(place))
            place += stride
        start += size
    return np.array(sorted(set(times)), np.int64)


def _whole(text: str, spacing: str) -> int:
    if not (text.isascii() and text.strip().isdigit()) or int(text) < 1:
        raise ValueError(f"spacing must be 'ddimN', a number or numbers 'a,b', got {spacing!r}")
    return int(text)
