"""Averages of weights over training steps: exponential, or equal parts of the last steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from savg.train.optim import Optimisation


class Average:
    """Weights and float buffers averaged in float32; whole-number buffers are copied.

    `ema`: decay grows with the steps n as (1 + n)/(warm-up + n) up to `ema_decay`; `ema_exp`: YOLOX's
    rule, the decay is `ema_decay`·(1 − exp(−n/2000)) [Ge et al. 2021]; `swa`: the latest weights
    until `average_start`, then the mean of every `average_every`-th step's [Izmailov et al. 2018].
    """

    def __init__(self, model: torch.nn.Module, optim: Optimisation) -> None:
        self.optim = optim
        self.state = {
            key: value.detach().clone().float() if value.is_floating_point() else value.clone()
            for key, value in model.state_dict().items()
        }

    @torch.no_grad()
    def update(
        self, model: torch.nn.Module, step: int, skipped: torch.Tensor | None = None
    ) -> None:
        """Include the weights after `step` steps (counted from 1).

        skipped: on the device, 1 where the step was left out and the average stays as it is.
        """
        weight = self.weight(step)
        if not weight:
            return
        floats, sources = [], []
        for key, value in model.state_dict().items():
            if value.is_floating_point():
                floats.append(self.state[key])
                sources.append(value.float())
            else:
                self.state[key].copy_(value)
        if skipped is None:
            torch._foreach_lerp_(floats, sources, weight)
            return
        changes = torch._foreach_sub(sources, floats)
        torch._foreach_mul_(changes, weight * (1 - skipped))
        torch._foreach_add_(floats, changes)

    def weight(self, step: int) -> float:
        """The share of the latest weights in the average after `step` steps."""
        optim = self.optim
        if optim.average == "ema":
            return 1 - min(optim.ema_decay, (1 + step) / (optim.ema_warmup + step))
        if optim.average == "ema_exp":
            return 1 - optim.ema_decay * (1 - math.exp(-step / 2000))
        if step <= optim.average_start:
            return 1.0
        count, remainder = divmod(step - optim.average_start, optim.average_every)
        return 0.0 if remainder else 1.0 / count

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue from a saved average."""
        for key, value in self.state.items():
            value.copy_(state[key])
