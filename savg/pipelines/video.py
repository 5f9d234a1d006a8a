"""Silent pictures from a diffusion model, then super-resolution: the first of two stages [S2]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.diffusion.process import Diffusion, State
from savg.errors import CheckpointError
from savg.models.superres_unet import CONFIGS as SUPERRES
from savg.models.video_unet import CONFIGS as VIDEO
from savg.pipelines.diffusion import GUIDANCE, DiffusionPipeline
from savg.pipelines.sampling import ClipNoise


@dataclass(frozen=True)
class NoiseGuidance:
    """Pictures pushed away from those that the network foresees through more noise.

    The clean picture becomes x + weight · (x − x′), where x′ is what the network makes of the same
    picture with further noise, as much as `shift` (a share of the diffusion) earlier, and told so. A
    small network hesitates where a figure might stand; x′ hesitates more, and the difference points to
    what it is beginning to see. It is autoguidance (Karras et al. 2024) whose worse network is the
    same one in more noise. weight: 0 for none; first, last: shares of the diffusion between which it
    acts; each step there costs a second evaluation.
    """

    weight: float = 0.0
    shift: float = 0.08
    first: float = 0.5
    last: float = 0.96

    def __post_init__(self) -> None:
        if self.weight < 0 or self.shift <= 0 or not 0 <= self.first < self.last <= 1:
            raise ValueError(
                f"guidance needs weight ≥ 0, shift > 0 and 0 ≤ first < last ≤ 1, not {self}"
            )

    def factor(self, t: Tensor, steps: int) -> Tensor:
        """What weighs the difference for each clip [B, 1, 1, 1, 1] at times t[B] of so many steps."""
        inside = (t >= self.first * steps) & (t <= self.last * steps)
        return (self.weight * inside.float()).reshape(-1, 1, 1, 1, 1)

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

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            self.guidance = NoiseGuidance(**self.description.get("guidance", {}))
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"pipeline.json: {error}.") from error
        if self.guidance.weight and self.diffusion.prediction != "x0":
            raise CheckpointError(
                "pipeline.json: guidance needs a network that predicts the clean picture ('x0'), "
                f"not {self.diffusion.prediction!r}."
            )

    def save_parts(self, folder: Path) -> dict[str, Any]:
        guided = {"guidance": asdict(self.guidance)} if self.guidance.weight else {}
        return {**super().save_parts(folder), **guided}

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
            made = seen(state[0], t)
            if not guidance.weight:
                return (made,)
            factor = guidance.factor(t, steps)
            # On other devices, looking at the times would wait for them.
            if t.device.type == "cpu" and not factor.any():
                return (made,)
            (fresh,) = noise.like(state)
            picture = made.float()
            worse = seen(*guidance.noisier(self.diffusion, state[0], t, fresh))
            return (picture + factor * (picture - worse.float()),)

        return network

    def finish(self, frames: NDArray[np.uint8], state: State) -> NDArray[np.uint8]:
        return frames


def tiny(seed: int = 0, mirrored: bool = False, enlarge: bool = True) -> VideoPipeline:
    """A pipeline of random weights that runs in a second, for clips of 1 s."""
    enlarger = SUPERRES["tiny"] if enlarge else None
    return VideoPipeline.random(VIDEO["tiny"], enlarger, seed, mirrored)
