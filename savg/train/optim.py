"""Optimisation of a run: lengths, learning rate, averaging and the order of samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Optimisation:
    """Hyper-parameters that every recipe shares.

    steps: optimiser steps; batch: samples per step over all processes and accumulated parts;
    accumulation: parts that a process computes one after another; lr: after `warmup` steps; warmup:
    steps in which lr rises from 0; schedule_end: step at which a cosine reaches its end; cooldown:
    last steps of a constant schedule, in which lr falls; weight_decay: of the optimiser; schedule:
    "constant" (with a linear fall to `final_lr` in the last `cooldown` steps), "cosine" (to
    `final_lr` at `schedule_end`, default the last step, then constant) or "tenths" (a tenth of lr
    after 80 % of the steps, a hundredth after 90 %); final_lr is a fraction of lr; clip_norm:
    largest gradient norm (0: no clipping); average: of weights, see `averaging.Average`; ema_decay:
    largest decay of the moving average; ema_warmup: steps by which its decay lags behind;
    average_start: step after which "swa" averages; average_every: steps between weights of "swa";
    seed: of weights, order and augmentation; log_every, save_every, sample_every are in steps (0:
    never).
    """

    steps: int
    batch: int
    lr: float
    accumulation: int = 1
    warmup: int = 0
    schedule: str = "constant"
    schedule_end: int | None = None
    cooldown: int = 0
    final_lr: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    average: str = "ema"
    ema_decay: float = 0.9999
    ema_warmup: int = 10
    average_start: int = 0
    average_every: int = 1
    seed: int = 0
    log_every: int = 20
    save_every: int = 500
    sample_every: int = 1000

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "accumulation", "average_every", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be ≥ 1, got {getattr(self, name)}.")
        for name in (
            "warmup",
            "cooldown",
            "weight_decay",
            "clip_norm",
            "save_every",
            "sample_every",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be ≥ 0, got {getattr(self, name)}.")
        if not self.lr > 0:
            raise ValueError(f"lr must be > 0, got {self.lr}.")
        if self.batch % self.accumulation:
            raise ValueError(
                f"batch must be a multiple of accumulation {self.accumulation}, got {self.batch}."
            )
        if self.schedule not in ("constant", "cosine", "tenths"):
            raise ValueError(
                f"schedule must be 'constant', 'cosine' or 'tenths', got {self.schedule!r}."
            )
        if self.average not in ("ema", "ema_exp", "swa"):
            raise ValueError(f"average must be 'ema', 'ema_exp' or 'swa', got {self.average!r}.")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must be ≥ 0 and < 1, got {self.ema_decay}.")

    def lr_at(self, step: int) -> float:
        """Learning rate of step `step`, counted from 0."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        if self.schedule == "tenths":
            drops = sum(step >= share * self.steps // 10 for share in (8, 9))
            return self.lr * 0.1**drops
        if self.schedule == "cosine":
            end = self.steps if self.schedule_end is None else self.schedule_end
            progress = min(1.0, (step - self.warmup) / max(1, end - self.warmup))
            fall = (1 + math.cos(math.pi * progress)) / 2
        else:
            fall = min(1.0, (self.steps - step) / self.cooldown) if self.cooldown else 1.0
        return self.lr * (self.final_lr + (1 - self.final_lr) * fall)


def seed_of(*parts: int) -> int:
    """A 63-bit seed that is a pure function of whole numbers, such as (seed, step, rank)."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


@dataclass(frozen=True)
class Draw:
    """One sample of a batch: index of the item, step, and the seed of its random augmentation."""

    index: int
    step: int
    seed: int

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator; the same on every call."""
        return np.random.default_rng(self.seed)


def draws(
    items: int, batch: int, step: int, seed: int, rank: int = 0, processes: int = 1
) -> list[Draw]:
    """The samples of process `rank` in step `step`: epochs of shuffled items, without state.

    Every item is drawn once an epoch; processes share each batch without overlap.
    """
    share = batch // processes
    first = step * batch + rank * share
    batch_draws = []
    for position in range(first, first + share):
        epoch, place = divmod(position, items)
        index = int(_order(items, seed, epoch)[place])
        batch_draws.append(Draw(index, step, seed_of(seed, 2, position)))
    return batch_draws


@lru_cache(maxsize=4)
def _order(items: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The items of an epoch in their order; drawing a million takes 20 ms."""
    return np.random.default_rng((seed, 1, epoch)).permutation(items)
