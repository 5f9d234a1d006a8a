"""Silent pictures from a diffusion model, then super-resolution: the first of two stages [S2]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.diffusion.process import Diffusion, State
from savg.errors import CheckpointError
from savg.models.superres_unet import CONFIGS as SUPERRES
from savg.models.video_unet import CONFIGS as VIDEO
from savg.pipelines.diffusion import GUIDANCE, DiffusionPipeline
from savg.pipelines.guidance import Guidance
from savg.pipelines.sampling import ClipNoise


@dataclass(frozen=True)
class NoiseGuidance(Guidance):
    """Pictures pushed away from those that the network foresees through more noise.

    x′ is what the network makes of the same picture with further noise, as much as `shift` (a share of
    the diffusion) earlier, and told so. A small network hesitates where a figure might stand; x′
    hesitates more, and the difference points to what it is beginning to see. It is autoguidance (Karras
    et al. 2024) whose worse network is the same one in more noise.
    """

    shift: float = 0.08

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shift <= 0:
            raise ValueError(f"guidance needs shift > 0, not {self}")

    def noisier(
        self, diffusion: Diffusion, video: Tensor, t: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The picture at times t[B] with further noise, and the times that it then belongs to."""
        steps = diffusion.schedule.base_steps
        later = (t.float() + self.shift * steps).clamp(max=steps - 1).to(t.dtype)
        kept = torch.from_numpy(diffusion.schedule.alphas_cumprod).to(t.device)
        now, then = (kept[x.round().long()] for x in (t.float(), later.float()))
        ratio = (then / now).to(video.dtype).reshape(-1, 1, 1, 1, 1)
        return ratio.sqrt() * video + (1 - ratio).sqrt() * noise, later


class VideoPipeline(DiffusionPipeline[NDArray[np.uint8]]):
    """`pipeline(num_clips, seed=…) -> list of uint8 frames [F, size, size, 3]` at `format.fps`.

    The second stage makes the sound from these frames. As a part of another pipeline it is loaded with
    `load` and saved with `save_parts`; `total` tells the steps that it adds to the other's progress.
    """

    name: ClassVar[str] = "video"
    kind: ClassVar[str] = "video_unet"
    makes: ClassVar[str] = "picture"
    part: ClassVar[str | None] = "video"
    guides: ClassVar[type[Guidance]] = NoiseGuidance
    guidance: NoiseGuidance

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.guidance.weight and self.diffusion.prediction != "x0":
            raise CheckpointError(
                "pipeline.json: guidance needs a network that predicts the clean picture ('x0'), "
                f"not {self.diffusion.prediction!r}."
            )

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return (self.codec.video_shape(self.format),)

    def denoiser(self, seed: int, some: Sequence[int]) -> Callable[[State, Tensor], State]:
        """The video network, guided with noise of the clips' own."""
        guidance, steps = self.guidance, self.diffusion.schedule.base_steps
        noise = ClipNoise(seed, some, GUIDANCE)

        def seen(video: Tensor, t: Tensor) -> Tensor:
            made: Tensor = self.network(video.to(self.compute.dtype), t)
            return made

        def network(state: State, t: Tensor) -> State:
            def worse() -> Tensor:
                (fresh,) = noise.like(state)
                return seen(*guidance.noisier(self.diffusion, state[0], t, fresh))

            return (guidance.pushed(seen(state[0], t), t, steps, worse),)

        return network

    def finish(self, frames: NDArray[np.uint8], state: State) -> NDArray[np.uint8]:
        return frames


def tiny(seed: int = 0, mirrored: bool = False, enlarge: bool = True) -> VideoPipeline:
    """A pipeline of random weights that runs in a second, for clips of 1 s."""
    enlarger = SUPERRES["tiny"] if enlarge else None
    return VideoPipeline.random(VIDEO["tiny"], enlarger, seed, mirrored)
