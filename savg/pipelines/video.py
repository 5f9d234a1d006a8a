"""Silent pictures from a diffusion model, then super-resolution: the first of two stages [S2]."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from savg.diffusion.process import State
from savg.models.superres_unet import CONFIGS as SUPERRES
from savg.models.video_unet import CONFIGS as VIDEO
from savg.pipelines.diffusion import DiffusionPipeline


class VideoPipeline(DiffusionPipeline[NDArray[np.uint8]]):
    """`pipeline(num_clips, seed=…) -> list of uint8 frames [F, size, size, 3]` at `format.fps`.

    The second stage makes the sound from these frames. As a part of another pipeline it is loaded with
    `load` and saved with `save_parts`; `total` tells the steps that it adds to the other's progress.
    """

    name: ClassVar[str] = "video"
    kind: ClassVar[str] = "video_unet"
    makes: ClassVar[str] = "picture"
    part: ClassVar[str | None] = "video"

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return (self.codec.video_shape(self.format),)

    def denoiser(self, seed: int) -> Callable[[State, Tensor], State]:
        """The video network; nothing in it is random."""

        def network(state: State, t: Tensor) -> State:
            return (self.network(state[0].to(self.compute.dtype), t),)

        return network

    def finish(self, frames: NDArray[np.uint8], state: State) -> NDArray[np.uint8]:
        return frames


def tiny(seed: int = 0, mirrored: bool = False, enlarge: bool = True) -> VideoPipeline:
    """A pipeline of random weights that runs in a second, for clips of 1 s."""
    enlarger = SUPERRES["tiny"] if enlarge else None
    return VideoPipeline.random(VIDEO["tiny"], enlarger, seed, mirrored)
