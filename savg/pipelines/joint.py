"""Picture and stereo sound from one diffusion model, then super-resolution [S1, S2]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from savg.clip import Clip
from savg.data.joint_codec import JointCodec
from savg.diffusion.process import State
from savg.models.joint_config import CONFIGS as JOINT
from savg.models.joint_unet import JointUNet
from savg.models.superres_unet import CONFIGS as SUPERRES
from savg.pipelines.diffusion import SHIFTS, DiffusionPipeline
from savg.pipelines.guidance import Guidance
from savg.pipelines.sampling import generator


@dataclass(frozen=True)
class MirrorGuidance(Guidance):
    """Pictures pushed away from those that fit the sound with its channels exchanged: a figure that a
    small network foresees only faintly stands out where the sound comes from."""


class JointPipeline(DiffusionPipeline[Clip]):
    """`pipeline(num_clips, seed=…) -> list[Clip]`: a joint network makes picture and sound together.

    Un-mirroring turns the picture alone: that of mirrored weights is reversed against their sound.
    """

    name: ClassVar[str] = "joint"
    kind: ClassVar[str] = "joint_unet"
    guides: ClassVar[type[Guidance]] = MirrorGuidance

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
            picture, sound = self.joint(video, audio, t, shifts=drawn)

            def turned() -> Tensor:
                other = self.codec.mirror(video, audio)[1]
                return self.joint(video, other, t, shifts=drawn)[0]

            return guidance.pushed(picture, t, steps, turned), sound

        return network

    def finish(self, frames: NDArray[np.uint8], state: State) -> Clip:
        sound = self.codec.decode_audio(state[1]).cpu().numpy().astype(np.float32)
        return Clip(frames, sound, self.format)


def tiny(seed: int = 0, mirrored: bool = False, enlarge: bool = True) -> JointPipeline:
    """A pipeline of random weights that runs in a second, for clips of 1 s."""
    enlarger = SUPERRES["tiny"] if enlarge else None
    return JointPipeline.random(JOINT["tiny"], enlarger, seed, mirrored)
