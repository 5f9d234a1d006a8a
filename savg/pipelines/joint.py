"""Picture and stereo sound from one diffusion model, then super-resolution [S1, S2]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.clip import Clip
from savg.data.joint_codec import PUBLISHED, JointCodec
from savg.diffusion.host import times_on
from savg.diffusion.process import Diffusion, State
from savg.models.joint_config import CONFIGS as JOINT
from savg.models.joint_unet import JointUNet
from savg.models.superres_unet import CONFIGS as SUPERRES
from savg.pipelines.base import ClipPipeline
from savg.pipelines.diffusion import DiffusionPipeline
from savg.pipelines.guidance import Denoiser, Guidance, MirrorGuidance
from savg.pipelines.sampling import NoisePurpose, generator


def joint_denoiser(
    network: JointUNet,
    codec: JointCodec,
    diffusion: Diffusion,
    guidance: MirrorGuidance,
    shifts: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
) -> Denoiser:
    """A joint network as samplers call it, guided away from what fits the mirrored audio.

    shifts: draws the window shifts of each call, which both evaluations of a guided one share (None:
    torch's own generator); dtype: of what the network is given (None: as the sampler has it).
    """

    def denoise(state: State, t: Tensor) -> State:
        state = tuple(part.to(dtype or part.dtype) for part in state)
        drawn = network.draw_shifts(shifts, frames=state[0].shape[1])

        def evaluate(state: State, t: Tensor) -> State:
            video, audio = state
            return network(video, audio, times_on(video.device, t), shifts=drawn)

        def mirrored(state: State, t: Tensor) -> State:
            video, audio = state
            return evaluate((video, codec.mirror(video, audio)[1]), t)

        return guidance.wrap(evaluate, mirrored, diffusion.schedule.base_steps)(state, t)

    return denoise


class JointPipeline(DiffusionPipeline[Clip], ClipPipeline):
    """`pipeline(num_clips, seed=…) -> list[Clip]`: a joint network makes picture and sound together.

    Un-mirroring turns the picture alone: that of mirrored weights is reversed against their sound.
    """

    name: ClassVar[str] = "joint"
    kind: ClassVar[str] = "joint_unet"
    guides: ClassVar[type[Guidance]] = MirrorGuidance
    guidance: MirrorGuidance

    @property
    def joint(self) -> JointUNet:
        """The joint network."""
        assert isinstance(self.network, JointUNet)
        return self.network

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.codec.video_shape(self.format), self.codec.audio_shape(self.format)

    @classmethod
    def sampler_defaults(cls, codec: JointCodec) -> dict[str, Any]:
        """A codec's own kind of sound does not lie in −1..1, so only the picture is limited."""
        return {} if codec.plain_stereo else {"limit": "clamp_first"}

    @classmethod
    def published(cls, folders: Mapping[str, str]) -> dict[str, Any] | None:
        """With the detectors of persons and sounds, which the same authors publish [S1]."""
        roles = {
            "joint": "joint_unet", "superres": "superres_unet", "persons": "yolox", "sounds": "seld"
        }  # fmt: skip
        if not all(kind in folders for kind in roles.values()):
            return None
        return {
            "pipeline": cls.name,
            **{role: folders[kind] for role, kind in roles.items()},
            "codec": asdict(PUBLISHED),
            "sampler": {"name": "dpmpp_adaptive"},
        }

    def denoiser(self, seed: int, some: Sequence[int]) -> Denoiser:
        """The joint network, with window shifts that depend on the seed and the call's number."""
        shifts, dtype = generator(seed, 0, NoisePurpose.SHIFTS), self.compute.dtype
        return joint_denoiser(self.joint, self.codec, self.diffusion, self.guidance, shifts, dtype)

    def finish(self, frames: NDArray[np.uint8], state: State) -> Clip:
        sound = self.codec.decode_audio(state[1]).cpu().numpy().astype(np.float32)
        return Clip(frames, sound, self.format)


def tiny(seed: int = 0, mirrored: bool = False, enlarge: bool = True) -> JointPipeline:
    """A pipeline of random weights that runs in a second, for clips of 1 s."""
    enlarger = SUPERRES["tiny"] if enlarge else None
    return JointPipeline.random(JOINT["tiny"], enlarger, seed, mirrored)
