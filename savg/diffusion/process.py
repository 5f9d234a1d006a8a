"""The diffusion process: one object owns noising, loss and denoising, so they cannot disagree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.diffusion.host import on_device
from savg.diffusion.schedule import Schedule

State = tuple[Tensor, ...]
Model = Callable[[State, Tensor], Sequence[Tensor]]
"""model(state, t[B]) → one prediction for each tensor of the state.

Samplers give the times t on the host, whatever the state's device (see `savg.diffusion.host`); in
training they lie where the state does.
"""

Factor = Tensor | float
"""One number for all samples, or a tensor [B, 1, …]."""

Prediction = Literal["eps", "v", "x0"]
Variance = Literal["fixed_large", "fixed_small", "learned_range"]


@dataclass(frozen=True, eq=False)
class Diffusion:
    """A schedule and what the network predicts.

    prediction: "eps" the noise, "v" = √ᾱ·noise − √(1−ᾱ)·x_0 (Salimans & Ho 2022), or "x0".
    variance: of ancestral steps; "learned_range" networks give twice the channels on `channel_axis`
    (prediction, then where the log variance lies between its bounds; Nichol & Dhariwal 2021).
    """

    schedule: Schedule
    prediction: Prediction = "eps"
    variance: Variance = "fixed_large"
    channel_axis: int = 1

    def __post_init__(self) -> None:
        if self.prediction not in ("eps", "v", "x0"):
            raise ValueError(f"prediction must be 'eps', 'v' or 'x0', got {self.prediction!r}")
        if self.variance not in ("fixed_large", "fixed_small", "learned_range"):
            raise ValueError(
                f"variance must be one of {', '.join(get_args(Variance))}, got {self.variance!r}"
            )

    def draw_times(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Uniform random steps [count] for training."""
        return torch.randint(0, len(self.schedule), (count,), generator=generator)

    def add_noise(self, clean: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """x_t of clean data [B, …] at steps [B]."""
        alpha, sigma = self.coefficients(step, clean)
        return alpha * clean + sigma * noise

    def coefficients(self, step: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """√ᾱ and √(1−ᾱ) at steps [B], shaped to multiply `like`."""
        return self._at("alphas", step, like), self._at("sigmas", step, like)

    def training_loss(
        self,
        model: Model,
        clean: State,
        step: Tensor,
        noise: State,
        weights: Sequence[float] | None = None,
        min_snr: float | None = None,
        v_limit: float | None = None,
        emphasis: Sequence[Tensor | None] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Loss of each sample [B] and its part for each modality (mean squared errors [B]).

        weights: of the modalities (default 1 each). emphasis: weights of each modality's values, in
        its shape, None for 1. min_snr: γ of min-SNR weighting (Hang et al.
        2023). v_limit: weigh predictions of x_0 as those of v, by SNR + 1, at most v_limit (Li &
        He 2025, who bound 1/σ): where patches have more values than the network has
        channels, x_0 is learned and v is not. Learned variances add their variational bound in
        bits, through which the mean gets no gradient (Nichol & Dhariwal 2021).
        """
        noisy = tuple(self.add_noise(x, e, step) for x, e in zip(clean, noise, strict=True))
        outputs = model(noisy, self.model_times(step))
        parts, bounds = [], []
        stressed = emphasis if emphasis is not None else [None] * len(noisy)
        for x, x_t, e, output, stress in zip(clean, noisy, noise, outputs, stressed, strict=True):
            output = output.float()
            if self.variance == "learned_range":
                output, extra = output.chunk(2, dim=self.channel_axis)
                bounds.append(self._variational_bound(x, x_t, output.detach(), extra, step))
            target = self._target(x, e, step)
            error = (output - target).square()
            parts.append((error if stress is None else error * stress).flatten(1).mean(1))
        factor = self._snr_weight(step, min_snr, v_limit)
        shares = weights if weights is not None else [1.0] * len(parts)
        total = sum(share * part for share, part in zip(shares, parts, strict=True)) * factor
        return torch.as_tensor(total + sum(bounds)), parts

    def model_times(self, step: Tensor) -> Tensor:
        """The network's times [B] at steps [B]."""
        return self._table("times", step.device)[step]

    def split(self, output: Tensor, noisy: Tensor) -> tuple[Tensor, Tensor | None]:
        """A network's output as prediction and, where variances are learned, the rest."""
        if self.variance != "learned_range":
            return output, None
        if output.shape[self.channel_axis] != 2 * noisy.shape[self.channel_axis]:
            raise ValueError(
                "output must be of twice the channels of noisy, "
                f"got {list(output.shape)} for {list(noisy.shape)}"
            )
        prediction, extra = output.chunk(2, dim=self.channel_axis)
        return prediction, extra

    def to_clean(self, output: Tensor, noisy: Tensor, alpha: Factor, sigma: Factor) -> Tensor:
        """x_0 from a prediction."""
        if self.prediction == "eps":
            return (noisy - sigma * output) / alpha
        if self.prediction == "v":
            return alpha * noisy - sigma * output
        return output

    def to_noise(self, output: Tensor, noisy: Tensor, alpha: Factor, sigma: Factor) -> Tensor:
        """The noise from a prediction."""
        if self.prediction == "eps":
            return output
        if self.prediction == "v":
            return alpha * output + sigma * noisy
        return (noisy - alpha * output) / sigma

    def log_variance(self, extra: Tensor | None, step: Tensor, like: Tensor) -> Tensor:
        """Log variance of the ancestral step from `step`, shaped like the data."""
        if self.variance == "fixed_large":
            return self._at("fixed_large_log_variance", step, like)
        low = self._at("posterior_log_variance_clipped", step, like)
        if extra is None:
            return low
        share = (extra + 1.0) / 2.0
        return share * self._at("log_betas", step, like) + (1.0 - share) * low

    def posterior_mean(self, clean: Tensor, noisy: Tensor, step: Tensor) -> Tensor:
        """Mean of x_{t−1} given x_0 and x_t."""
        of_clean = self._at("posterior_mean_of_clean", step, noisy)
        return of_clean * clean + self._at("posterior_mean_of_noisy", step, noisy) * noisy

    def _at(self, name: str, step: Tensor, like: Tensor) -> Tensor:
        """A row of the schedule at steps [B], on `like`'s device, float32, shaped to multiply it."""
        picked = self._table(name, like.device)[step.to(like.device)].to(torch.float32)
        return picked.reshape(-1, *[1] * (like.ndim - 1))

    def _table(self, name: str, device: torch.device) -> Tensor:
        """A row of the schedule on a device, copied there once: a copy waits for the device."""
        return self._kept(name, lambda: getattr(self.schedule, name), device)

    def _kept(
        self, name: object, values: Callable[[], NDArray[Any]], device: torch.device
    ) -> Tensor:
        key = (name, str(device))
        if key not in self._tables:
            with torch.inference_mode(False):  # training may use it after sampling
                table = torch.as_tensor(values())
                if table.is_floating_point():  # no float64: not every device has it
                    table = table.to(torch.float32)
                self._tables[key] = on_device(table, device)
        return self._tables[key]

    @cached_property
    def _tables(self) -> dict[tuple[object, str], Tensor]:
        return {}

    def _target(self, clean: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        if self.prediction == "eps":
            return noise
        if self.prediction == "x0":
            return clean
        alpha, sigma = self.coefficients(step, clean)
        return alpha * noise - sigma * clean

    def _snr_weight(
        self, step: Tensor, gamma: float | None, v_limit: float | None
    ) -> Tensor | float:
        """Weights of the samples [B] at steps [B], on their device."""
        if v_limit is not None and (gamma is not None or self.prediction != "x0"):
            raise ValueError(
                "v_limit must be None for predictions other than x0 and with min_snr, "
                f"got {v_limit}"
            )
        if v_limit is None and gamma is None:
            return 1.0
        device = step.device
        table = self._kept(
            ("weight", gamma, v_limit), lambda: self._weights(gamma, v_limit), device
        )
        return table[step]

    def _weights(self, gamma: float | None, v_limit: float | None) -> NDArray[np.float32]:
        snr = self.schedule.alphas_cumprod / (1.0 - self.schedule.alphas_cumprod)
        if v_limit is not None:
            return np.minimum(snr + 1.0, v_limit).astype(np.float32)
        assert gamma is not None
        capped = np.minimum(snr, gamma)
        weight = {"eps": capped / snr, "v": capped / (snr + 1.0), "x0": capped}[self.prediction]
        return np.asarray(weight, np.float32)

    def _variational_bound(
        self, clean: Tensor, noisy: Tensor, output: Tensor, extra: Tensor, step: Tensor
    ) -> Tensor:
        """KL divergence from the true step to the learned one in bits [B]; at step 0 the negative
        log likelihood of 8-bit frames."""
        alpha, sigma = self.coefficients(step, noisy)
        guess = self.to_clean(output, noisy, alpha, sigma)
        mean = self.posterior_mean(guess, noisy, step)
        log_variance = self.log_variance(extra, step, noisy)
        true_mean = self.posterior_mean(clean, noisy, step)
        true_log = self._at("posterior_log_variance_clipped", step, noisy)
        kl = 0.5 * (
            log_variance
            - true_log
            - 1.0
            + torch.exp(true_log - log_variance)
            + (true_mean - mean).square() * torch.exp(-log_variance)
        )
        nll = -_log_likelihood_8_bit(clean, mean, 0.5 * log_variance)
        first = (step == 0).reshape(-1, *[1] * (clean.ndim - 1))
        return torch.where(first, nll, kl).flatten(1).mean(1) / np.log(2.0)


def _log_likelihood_8_bit(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log probability that a Gaussian falls into the 8-bit cell of x in −1..1."""
    inverse = torch.exp(-log_scale)
    upper = torch.special.ndtr((x - mean + 1.0 / 255.0) * inverse)
    lower = torch.special.ndtr((x - mean - 1.0 / 255.0) * inverse)
    inside = torch.where(x > 0.999, 1.0 - lower, torch.where(x < -0.999, upper, upper - lower))
    return inside.clamp_min(1e-12).log()
