"""Picture and stereo sound from one diffusion model, then super-resolution [S1, S2]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from savg.clip import Clip
from savg.data.joint_codec import JointCodec
from savg.diffusion.process import State
from savg.errors import CheckpointError
from savg.models.joint_unet import CONFIGS as JOINT
from savg.models.joint_unet import JointUNet
from savg.models.superres_unet import CONFIGS as SUPERRES
from savg.pipelines.diffusion import SHIFTS, DiffusionPipeline
from savg.pipelines.sampling import generator


@dataclass(frozen=True)
class MirrorGuidance:
    """Pictures pushed away from those that fit the sound with its channels exchanged.

    The clean picture becomes x + weight · (x − x of the mirrored sound), as classifier-free guidance
    does it without a class (Ho & Salimans 2022): a figure that a small network foresees only faintly
    stands out where the sound comes from. weight: 0 for none; first, last: shares of the diffusion
    between which it acts, where it is decided what goes where; each step there costs a second
    evaluation.
    """

    weight: float = 0.0
    first: float = 0.5
    last: float = 0.96

    def __post_init__(self) -> None:
        if self.weight < 0 or not 0 <= self.first < self.last <= 1:
            raise ValueError(f"guidance needs weight ≥ 0 and 0 ≤ first < last ≤ 1, not {self}")

    def factor(self, t: Tensor, steps: int) -> Tensor:
        """What weighs the difference for each clip [B, 1, 1, 1, 1] at times t[B] of so many steps."""
        inside = (t >= self.first * steps) & (t <= self.last * steps)
        return (self.weight * inside.float()).reshape(-1, 1, 1, 1, 1)


class JointPipeline(DiffusionPipeline[Clip]):
    """`pipeline(num_clips, seed=…) -> list[Clip]`: a joint network makes picture and sound together.

    Un-mirroring turns the picture alone: that of mirrored weights is reversed against their sound.
    """

    name: ClassVar[str] = "joint"
    kind: ClassVar[str] = "joint_unet"

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            self.guidance = MirrorGuidance(**self.description.get("guidance", {}))
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"pipeline.json: {error}.") from error

    def save_parts(self, folder: Path) -> dict[str, Any]:
        guided = {"guidance": asdict(self.guidance)} if self.guidance.weight else {}
        return {**super().save_parts(folder), **guided}

    @property
    def joint(self) -> JointUNet:
        """The joint network."""
        return self.network

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.codec.video_shape(self.format), self.codec.audio_shape(self.format)

    @classmethod
    def sampler_defaults(cls, codec: JointCodec) -> dict[str, Any]:
        """A codec's own kind of sound does not lie in −1..1, so only the picture is limited."""
        return {} if codec.plain_sound else {"limit": "clamp_first"}

    def denoiser(self, seed: int, some: Sequence[int]) -> Callable[[State, Tensor], State]:
        """The joint network, with window shifts that depend on the seed and the call's number."""
        shifts = generator(seed, 0, SHIFTS)
        dtype, guidance = self.compute.dtype, self.guidance
        steps = self.diffusion.schedule.base_steps

        def network(state: State, t: Tensor) -> State:
            video, audio = (part.to(dtype) for part in state)
            drawn = self.joint.draw_shifts(shifts, frames=video.shape[1])
            made = self.joint(video, audio, t, shifts=drawn)
            factor = guidance.factor(t, steps)
            # On other devices, looking at the times would wait for them.
            if not guidance.weight or (t.device.type == "cpu" and not factor.any()):
                return made
            turned, _ = self.joint(video, self.codec.mirror(video, audio)[1], t, shifts=drawn)
            picture = made[0].float()
            return picture + factor * (picture - turned.float()), made[1]

        return network

    def finish(self, frames: NDArray[np.uint8], state: State) -> Clip:
        sound = self.codec.decode_audio(state[1]).cpu().numpy().astype(np.float32)
        return Clip(frames, sound, self.format)


def tiny(seed: int = 0, mirrored: bool = False, enlarge: bool = True) -> JointPipeline:
    """A pipeline of random weights that runs in a second, for clips of 1 s."""
    enlarger = SUPERRES["tiny"] if enlarge else None
    return JointPipeline.random(JOINT["tiny"], enlarger, seed, mirrored)
