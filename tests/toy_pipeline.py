"""A pipeline as somebody else would add it: this file, and a line of a registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from savg.clip import Clip
from savg.device import Compute, choose
from savg.errors import SavgError
from savg.format import SAVGBENCH
from savg.hub import Card
from savg.pipelines.base import ClipPipeline, check_call
from savg.pipelines.description import Description
from savg.pipelines.progress import OnStep, Progress


class ToyPipeline(ClipPipeline):
    """A colour and a tone, both of them chosen by the seed and the clip's number."""

    name: ClassVar[str] = "toy"

    def __init__(self, compute: Compute) -> None:
        self.compute, self.format = compute, SAVGBENCH

    @property
    def components(self) -> Mapping[str, Card]:
        return {}

    @property
    def batch_size(self) -> int:
        return 4

    @classmethod
    def load(cls, description: Description, compute: Compute) -> Self:
        return cls(compute)

    def describe(self) -> dict[str, Any]:
        return {"pipeline": self.name, "sampler": {"steps": 6}}

    def save_components(self, folder: object) -> None:
        """It has none."""

    def stages(self, steps: int | None = None) -> tuple[tuple[str, int], ...]:
        return (("colour and tone", steps or 6),)

    def total(
        self, num_clips: int = 1, steps: int | None = None, *, batch_size: int | None = None
    ) -> int:
        return num_clips * (steps or 6)

    def __call__(
        self,
        num_clips: int = 1,
        seed: int = 0,
        steps: int | None = None,
        *,
        first: int = 0,
        batch_size: int | None = None,
        on_step: OnStep | None = None,
    ) -> list[Clip]:
        check_call(num_clips, seed, first, batch_size)
        if steps is not None and steps < 1:
            raise SavgError(f"steps must be ≥ 1, got {steps}")
        progress = Progress(on_step, self.total(num_clips, steps))
        clips = []
        for index in range(first, first + num_clips):
            rng = np.random.default_rng((seed, index))
            video = np.zeros((self.format.frames, self.format.size, self.format.size, 3), np.uint8)
            video[:, self.format.top : self.format.bottom] = rng.integers(40, 255, 3)
            t = np.arange(self.format.samples) / self.format.sample_rate
            tone = 0.2 * np.sin(2 * np.pi * rng.uniform(200, 800) * t)
            for done in range(1, (steps or 6) + 1):
                progress.report(done, lambda video=video: video)
            progress.base += steps or 6
            clips.append(Clip(video, np.stack([tone, tone]).astype(np.float32), self.format))
        return clips


def tiny(seed: int = 0) -> ToyPipeline:
    """As the tests of all pipelines want it."""
    return ToyPipeline(choose("cpu", "float32"))
