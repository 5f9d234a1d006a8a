"""A recipe small enough to test the loop: a line fitted to points, with dropout and batch norm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from savg.hub import Card
from savg.train.optim import Draw, Optimisation
from savg.train.recipe import Recipe


@dataclass(frozen=True)
class ToyConfig:
    width: int = 8


class Toy(torch.nn.Module):
    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(3, config.width),
            torch.nn.BatchNorm1d(config.width),
            torch.nn.Dropout(0.2),
            torch.nn.Linear(config.width, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


OPTIM = Optimisation(
    steps=12, batch=4, lr=1e-2, warmup=3, ema_decay=0.9, log_every=2, save_every=3, sample_every=6
)


@dataclass(frozen=True)
class ToyRecipe(Recipe):
    optim: Optimisation = OPTIM
    model: ToyConfig = ToyConfig()
    poison: int = -1
    kind: ClassVar[str] = "toy"

    def build(self) -> torch.nn.Module:
        return Toy(self.model)

    def open(self, data: str, run: Path) -> np.ndarray:
        return np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)

    def batch(self, data: np.ndarray, draws: list[Draw]) -> tuple[torch.Tensor, ...]:
        x = np.stack([data[draw.index] + 0.1 * draw.rng.normal(size=3) for draw in draws])
        return (torch.from_numpy(x.astype(np.float32)),)

    def loss(
        self, model: Any, batch: Any, step: int, seed: int
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        (x,) = batch
        noise = torch.randn(x.shape[:1], generator=torch.Generator().manual_seed(seed))
        error = model(x)[:, 0] - x.sum(1) - 0.01 * noise
        if self.poison >= 0:
            error = error * float("nan")
        return error.square().mean(), {"largest": error.abs().max()}

    def evaluate(self, model: Any, data: Any, sheet: Path) -> dict[str, float]:
        assert not model.training
        sheet.write_bytes(b"png")
        return {"error": float((model(torch.from_numpy(data))[:, 0]).abs().mean())}

    def card(self, data: str) -> Card:
        return Card("MIT", "a toy")
