"""What one optimiser step does with losses and gradients without waiting for a GPU.

On a CPU a gradient that is not finite is seen at once, and its step left out. On a GPU the host would
have to wait to see it: the step is left out by the device itself, and counted there until the next
line of the log.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from savg.errors import SavgError

if TYPE_CHECKING:
    from savg.train.averaging import Average

MAX_NONFINITE_STEPS = 10
"""Steps in a row without a finite gradient after which a run gives up."""

Scalar = Tensor | float


class Means:
    """Means of scalars over steps, kept where they were computed until they are read."""

    def __init__(self) -> None:
        self.values: dict[str, list[Scalar]] = {}

    def add(self, values: Mapping[str, Scalar]) -> None:
        """Include the scalars of a step."""
        for key, value in values.items():
            self.values.setdefault(key, []).append(value)

    def read(self) -> dict[str, float]:
        """The means since the last call; waits for the device."""
        means: dict[str, float] = {}
        tensors: dict[str, list[Tensor]] = {}
        for key, values in self.values.items():
            if isinstance(values[0], Tensor):
                tensors[key] = [torch.as_tensor(v).float() for v in values]
            else:
                means[key] = sum(map(float, values)) / len(values)
        if tensors:
            rows = torch.stack([v for own in tensors.values() for v in own]).cpu().double()
            for key, row in zip(
                tensors, rows.split([len(v) for v in tensors.values()]), strict=True
            ):
                means[key] = float(row.mean())
        order = list(self.values)
        self.values = {}
        return {key: means[key] for key in order}


class Guard:
    """Steps of an optimiser and an average, left out where the gradient is not finite."""

    def __init__(self, optimizer: torch.optim.Optimizer, average: Average) -> None:
        self.optimizer, self.average = optimizer, average
        self.in_row: Scalar = 0
        self.most_in_row: Scalar = 0

    def step(self, model: torch.nn.Module, max_norm: float, step: int) -> tuple[Scalar, Scalar]:
        """The step that makes `step` steps; returns the gradient's norm and 1 if it was left out."""
        parameters = [p for p in model.parameters() if p.grad is not None]
        norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
        if norm.device.type != "cuda" or not skips_on_device(self.optimizer):
            return self._seen(model, float(norm), step)
        bad = (~torch.isfinite(norm)).float()
        self.optimizer.found_inf = bad  # type: ignore[attr-defined]
        self.optimizer.step()
        self.average.update(model, step, bad)
        self.in_row = (self.in_row + bad) * bad
        self.most_in_row = torch.maximum(self.in_row, torch.as_tensor(self.most_in_row))
        return norm, bad

    def _seen(self, model: torch.nn.Module, norm: float, step: int) -> tuple[float, float]:
        finite = math.isfinite(norm)
        if finite:
            self.optimizer.step()
            self.average.update(model, step)
        self.in_row = 0 if finite else self.in_row + 1
        self.most_in_row = self.in_row
        return norm, float(not finite)

    def check(self, step: int, loss: float) -> None:
        """SavgError where the gradient was not finite for too many steps in a row."""
        if float(self.most_in_row) >= MAX_NONFINITE_STEPS:
            raise SavgError(
                f"The gradient has not been finite for {MAX_NONFINITE_STEPS} steps in a row (at step "
                f"{step}, loss {loss}): the run stops; resume it from its last checkpoint with a "
                "lower lr."
            )
        if isinstance(self.most_in_row, Tensor):
            self.most_in_row = self.in_row


def skips_on_device(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the optimiser leaves a step out where the tensor `found_inf` is 1."""
    return bool(getattr(optimizer, "_step_supports_amp_scaling", False))
