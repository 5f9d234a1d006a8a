"""Silent video from a diffusion model, then super-resolution: the first of two stages [S2]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.diffusion.host import times_on
from savg.diffusion.process import Diffusion, State
from savg.models.superres_unet import CONFIGS as SUPERRES
from savg.models.video_unet import CONFIGS as VIDEO
from savg.pipelines.base import Output
from savg.pipelines.diffusion import DiffusionPipeline
from savg.pipelines.direction import Directed
from savg.pipelines.guidance import Denoiser, Guidance, NoiseGuidance
from savg.pipelines.sampling import NoisePurpose


def video_denoiser(
    network: torch.nn.Module,
    diffusion: Diffusion,
    guidance: NoiseGuidance,
    seed: int,
    clips: Sequence[int],
    dtype: torch.dtype | None = None,
    directed: Directed | None = None,
) -> Denoiser:
    """A video network as samplers call it, guided with noise that belongs to clips of a seed.

    dtype: of the network's inputs (None: as in the state); directed: what the clips shall be.
    """

    def denoise(state: State, t: Tensor) -> State:
        (video,) = (part.to(dtype or part.dtype) for part in state)
        times = times_on(video.device, t)
        if directed is None:
            return (network(video, times),)
        return directed.predict(lambda told: (network(video, times, told),), len(video))

    if not guidance.weight:
        return denoise
    worse = guidance.through_noise(denoise, diffusion, seed, clips, NoisePurpose.GUIDANCE)
    return guidance.wrap(denoise, worse, diffusion.schedule.base_steps)


class VideoPipeline(DiffusionPipeline[NDArray[np.uint8]]):
    """`pipeline(num_clips, seed=…) -> list of uint8 frames [F, size, size, 3]` at `format.fps`.

    A stage of other pipelines, which make the audio for these frames.
    """

    name: ClassVar[str] = "video"
    output: ClassVar[Output] = "frames"
    kind: ClassVar[str] = "video_unet"
    makes: ClassVar[str] = "video"
    guides: ClassVar[type[Guidance]] = NoiseGuidance
    guidance: NoiseGuidance

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_prediction(self.guidance)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return (self.codec.video_shape(self.format),)

    def denoiser(
        self, seed: int, clips: Sequence[int], directed: Directed | None = None
    ) -> Denoiser:
        dtype = self.compute.dtype
        return video_denoiser(
            self.network, self.diffusion, self.guidance, seed, clips, dtype, directed
        )

    def finish(self, frames: NDArray[np.uint8], state: State) -> NDArray[np.uint8]:
        return frames


def tiny(seed: int = 0, mirrored: bool = False, upscale: bool = True) -> VideoPipeline:
    """A pipeline of random weights that runs in a second, for clips of 1 s."""
    superres = SUPERRES["tiny"] if upscale else None
    return VideoPipeline.random(VIDEO["tiny"], superres, seed, mirrored)
