"""How the second stage's latents are sampled: steps, guidance, and windows of long films."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from savg.diffusion.flow import GUIDANCE, STEPS
from savg.errors import SavgError
from savg.pipelines.sampling import ClipNoise, NoisePurpose
from savg.video import Video


@dataclass(frozen=True)
class FlowSampler:
    """How latents are sampled. guidance: strength of classifier-free guidance; below 1 there is none.

    seconds: of a window, which are those of the clips trained on; overlap: seconds that windows share.
    Windows advance by whole seconds.
    """

    steps: int = STEPS
    guidance: float = GUIDANCE
    seconds: float = 5.0
    overlap: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SavgError(f"The number of steps is at least 1, not {self.steps}.")
        if not np.isfinite(self.guidance) or self.guidance < 0:
            raise SavgError(f"The guidance is 0 or more, not {self.guidance}.")
        step = self.seconds - self.overlap
        if self.overlap < 0 or step < 1 or step != int(step):
            raise SavgError(
                f"Windows of {self.seconds:g} s that share {self.overlap:g} s do not advance by "
                "whole seconds."
            )

    @property
    def step(self) -> int:
        """Seconds from the start of one window to the next."""
        return round(self.seconds - self.overlap)

    def with_overrides(self, steps: int | None, guidance: float | None) -> Self:
        """These settings with the user's own number of steps and guidance, where given."""
        changed = self if steps is None else replace(self, steps=steps)
        return changed if guidance is None else replace(changed, guidance=guidance)

    def windows(self, duration: Fraction) -> list[int]:
        """Where the windows of a film begin, in whole seconds."""
        starts = [0]
        while starts[-1] + Fraction(self.seconds) < duration:
            starts.append(starts[-1] + self.step)
        return starts


@dataclass(frozen=True, eq=False)
class Window:
    """One window of a film: its number `place` begins at second `start`; index: the film's number."""

    film: Video
    index: int
    place: int
    start: int

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """Its own noise [1, *shape]."""
        return ClipNoise(seed, [self.index], NoisePurpose.AUDIO + self.place).draw(shape)


def cross_faded(parts: Sequence[NDArray[np.float32]], overlap: int) -> NDArray[np.float32]:
    """Sounds [2, T] one after another, each sharing `overlap` samples with the next.

    Independent sounds keep their power where they overlap: the weights' squares add to one.
    """
    if len(parts) == 1 or not overlap:
        return np.concatenate(list(parts), axis=1)
    angle = (np.arange(overlap) + 0.5) / overlap * (np.pi / 2)
    rise, fall = np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)
    whole = parts[0]
    for part in parts[1:]:
        shared = whole[:, -overlap:] * fall + part[:, :overlap] * rise
        whole = np.concatenate([whole[:, :-overlap], shared, part[:, overlap:]], axis=1)
    return whole.clip(-1, 1)
