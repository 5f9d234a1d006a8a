"""Video and stereo audio from one diffusion model, then super-resolution [S1, S2]."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.clip import Clip
from savg.data.joint_codec import PUBLISHED, JointCodec
from savg.device import Compute
from savg.diffusion.host import times_on
from savg.diffusion.process import Diffusion, State
from savg.hub import Card, component_folder, load_component, save_component
from savg.models.joint_config import CONFIGS as JOINT
from savg.models.joint_unet import JointUNet
from savg.models.mel import CONFIGS as MELS
from savg.models.superres_unet import CONFIGS as SUPERRES
from savg.pipelines.base import ClipPipeline
from savg.pipelines.description import Description, DescriptionError
from savg.pipelines.diffusion import DiffusionPipeline
from savg.pipelines.direction import Directed
from savg.pipelines.guidance import Denoiser, Guidance, MirrorGuidance, pushed
from savg.pipelines.sampling import NoisePurpose, generator
from savg.pipelines.vocoders import VOCODERS, Vocoder


def joint_denoiser(
    network: JointUNet,
    codec: JointCodec,
    diffusion: Diffusion,
    guidance: MirrorGuidance,
    shifts: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    directed: Directed | None = None,
    seed: int = 0,
    clips: Sequence[int] = (),
) -> Denoiser:
    """A joint network as samplers call it, guided away from what fits the mirrored audio.

    shifts: draws the window shifts of each call, which all evaluations of a guided step share (None:
    torch's own generator); dtype: of the network's inputs (None: as in the state); directed: what the
    clips shall be, whose mirror image goes with the mirrored audio; seed, clips: to which the noise of
    `guidance.noise` belongs, of as many clips as the state has.
    """
    renoise = guidance.noise.renoised(diffusion, seed, clips, NoisePurpose.GUIDANCE)

    def denoise(state: State, t: Tensor) -> State:
        state = tuple(part.to(dtype or part.dtype) for part in state)
        drawn = network.draw_shifts(shifts, frames=state[0].shape[1])

        def evaluate(state: State, t: Tensor, directed: Directed | None = directed) -> State:
            video, audio = state
            times = times_on(video.device, t)
            if directed is None:
                return network(video, audio, times, shifts=drawn)
            return directed.predict(
                lambda told: network(video, audio, times, drawn, told), len(video)
            )

        def mirrored(state: State, t: Tensor) -> State:
            video, audio = state
            other = directed and directed.mirrored()
            return evaluate((video, codec.mirror(video, audio)[1]), t, other)

        def through_noise(state: State, t: Tensor) -> State:
            return evaluate(*renoise(state, t))

        away = [(guidance, mirrored), (guidance.noise, through_noise)]
        return pushed(evaluate, away, diffusion.schedule.base_steps)(state, t)

    return denoise


class JointPipeline(DiffusionPipeline[Clip], ClipPipeline):
    """`pipeline(num_clips, seed=…) -> list[Clip]`: a joint network makes video and audio together.

    Of mirrored weights the video alone is flipped: it is reversed against their audio. A vocoder, which
    a pipeline may name, gives its phases to the audio of weights that make spectrograms.
    """

    name: ClassVar[str] = "joint"
    kind: ClassVar[str] = "joint_unet"
    guides: ClassVar[type[Guidance]] = MirrorGuidance
    guidance: MirrorGuidance
    vocoder: Vocoder | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_prediction(self.guidance.noise)

    @classmethod
    def load(cls, description: Description, compute: Compute) -> Self:
        pipeline = super().load(description, compute)
        if description.values.get("vocoder") is not None:
            folder = component_folder(description.folder, description.values, "vocoder")
            vocoder, card = load_component(folder)
            pipeline.set_vocoder(vocoder, card)
        return pipeline

    def set_vocoder(self, vocoder: torch.nn.Module, card: Card) -> None:
        """Let a vocoder give the audio its phases; DescriptionError for one of another spectrogram."""
        if not isinstance(vocoder, Vocoder):
            raise DescriptionError(f"vocoder: it must be one, got {type(vocoder).__name__}.")
        mel = MELS["16k"]
        shape = vocoder.config.num_mels, vocoder.config.hop
        if self.codec.sound is None or shape != (mel.num_mels, mel.hop_size):
            raise DescriptionError(
                f"vocoder: it must be of {mel.num_mels} bands and {mel.hop_size} samples a frame, for "
                f"weights that make spectrograms, got {shape[0]} bands and {shape[1]} samples."
            )
        compute = self.compute
        precise = Compute(compute.device, torch.float32, compute.channels_last, compute.reason)
        self.vocoder = precise.place(vocoder)
        self.cards = {**self.cards, "vocoder": card}

    def describe(self) -> dict[str, Any]:
        return super().describe() | ({"vocoder": "vocoder"} if self.vocoder is not None else {})

    def save_components(self, folder: str | os.PathLike[str]) -> None:
        super().save_components(folder)
        if self.vocoder is not None:
            kind = VOCODERS[type(self.vocoder)]
            save_component(self.vocoder, Path(folder) / "vocoder", kind, self.cards["vocoder"])

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
        """Audio of a codec's own representation is not in −1..1, so only the video is clipped."""
        return {} if codec.plain_stereo else {"limit": "clamp_first"}

    @classmethod
    def published(cls, folders: Mapping[str, str]) -> dict[str, Any] | None:
        """With the detectors of persons and sound events, which the same authors publish [S1]."""
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

    def denoiser(
        self, seed: int, clips: Sequence[int], directed: Directed | None = None
    ) -> Denoiser:
        """The joint network, with window shifts that depend on the seed and the call's number."""
        shifts, dtype = generator(seed, 0, NoisePurpose.SHIFTS), self.compute.dtype
        return joint_denoiser(
            self.joint,
            self.codec,
            self.diffusion,
            self.guidance,
            shifts,
            dtype,
            directed,
            seed,
            clips,
        )

    def finish(self, frames: NDArray[np.uint8], state: State) -> Clip:
        audio = self.codec.decode_audio(state[1], self.vocoder).cpu().numpy().astype(np.float32)
        return Clip(frames, audio, self.format)


def tiny(seed: int = 0, mirrored: bool = False, upscale: bool = True) -> JointPipeline:
    """A pipeline of random weights that runs in a second, for clips of 1 s."""
    superres = SUPERRES["tiny"] if upscale else None
    return JointPipeline.random(JOINT["tiny"], superres, seed, mirrored)
