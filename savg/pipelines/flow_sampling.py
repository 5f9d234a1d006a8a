"""How the second stage's latents are sampled: steps, guidance, and windows of long videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from savg.diffusion.flow import GUIDANCE, STEPS
from savg.errors import SavgError
from savg.fields import Between, check
from savg.pipelines.sampling import ClipNoise, NoisePurpose, Steps
from savg.video import Video


@dataclass(frozen=True)
class FlowSampler:
    """How latents are sampled.

    steps: evaluations of the network; guidance: strength of classifier-free guidance, none below 1;
    seconds: of a window, as of the clips trained on; overlap: seconds that windows share. Windows
    advance by whole seconds. SavgError for values out of range.
    """

    steps: Steps = STEPS
    guidance: Annotated[float, Between(0, 1000)] = GUIDANCE
    seconds: Annotated[float, Between(0, 60)] = 5.0
    overlap: Annotated[float, Between(0, 60)] = 1.0

    def __post_init__(self) -> None:
        check(self, error=SavgError)
        step = self.seconds - self.overlap
        if step < 1 or step != int(step):
            raise SavgError(
                f"Windows must advance by whole seconds, got windows of {self.seconds:g} s that share "
                f"{self.overlap:g} s."
            )

    @property
    def step(self) -> int:
        """Seconds from the start of one window to the next."""
        return round(self.seconds - self.overlap)

    def with_overrides(self, steps: int | None, guidance: float | None) -> Self:
        """These settings with another number of steps and guidance (None: as they are)."""
        changed = self if steps is None else replace(self, steps=steps)
        return changed if guidance is None else replace(changed, guidance=guidance)

    def windows(self, duration: Fraction) -> list[int]:
        """Where the windows of a video of `duration` seconds begin, in whole seconds."""
        starts = [0]
        while starts[-1] + Fraction(self.seconds) < duration:
            starts.append(starts[-1] + self.step)
        return starts


@dataclass(frozen=True, eq=False)
class Window:
    """A window of a video that begins at second `start`; place: its number; index: the video's."""

    video: Video
    index: int
    place: int
    start: int

    def noise(self, seed: int, shape: tuple[int, ...]) -> Tensor:
        """The noise [1, *shape] that belongs to this window of a seed."""
        return ClipNoise(seed, [self.index], NoisePurpose.AUDIO + self.place).draw(shape)


def cross_faded(parts: Sequence[NDArray[np.float32]], overlap: int) -> NDArray[np.float32]:
    """Audio [2, T] of the parts [2, ·], each of which shares `overlap` samples with the next.

    Independent parts keep their power where they overlap: the weights' squares add to one.
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


def in_windows(
    videos: Sequence[Video],
    sampler: FlowSampler,
    rate: int,
    batch: int,
    make: Callable[[Sequence[Window]], NDArray[np.float32]],
    *,
    first: int = 0,
) -> list[NDArray[np.float32]]:
    """Audio [2, T] at `rate` Hz of each video, made in windows that are cross-faded.

    make: audio [B, 2, ·] of up to `batch` windows; first: index of the first video.
    """
    windows = [
        Window(video, first + number, place, start)
        for number, video in enumerate(videos)
        for place, start in enumerate(sampler.windows(video.duration))
    ]
    parts: list[list[NDArray[np.float32]]] = [[] for _ in videos]
    for begin in range(0, len(windows), batch):
        group = windows[begin : begin + batch]
        for window, audio in zip(group, make(group), strict=True):
            parts[window.index - first].append(audio)
    overlap = round(sampler.overlap * rate)
    return [
        np.ascontiguousarray(cross_faded(part, overlap)[:, : round(video.duration * rate)])
        for part, video in zip(parts, videos, strict=True)
    ]
