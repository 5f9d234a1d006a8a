"""Pipelines of a diffusion network for small clips and super-resolution: the shared part [S1, S2]."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.data.joint_codec import JointCodec
from savg.device import Compute, choose
from savg.diffusion.process import State
from savg.errors import SavgError, clause
from savg.format import SAVGBENCH, ClipFormat
from savg.hub import Card, component_folder, load_component, model_format, save_component
from savg.models.joint_unet import CoupledUNet
from savg.pipelines.base import Result, SeedPipeline, check_call
from savg.pipelines.description import (
    Description,
    DescriptionError,
    flag,
    learnt_steps,
    setting,
)
from savg.pipelines.direction import Directed, Direction, asked
from savg.pipelines.guidance import Denoiser, Guidance, NoiseGuidance
from savg.pipelines.progress import OnStep, Progress, flipped
from savg.pipelines.sampling import ClipNoise, NoisePurpose, SamplerConfig, diffusion_of
from savg.pipelines.superres import SuperResolution

MAX_CLIP_BYTES = 2**30
"""Of the frames of one clip, and of its audio."""


@dataclass
class DiffusionPipeline(SeedPipeline[Result]):
    """A diffusion network and a super-resolution network, and how they are sampled.

    cards: of the components `name` and "superres". A network whose card has `facts["mirrored"]` makes
    video that is reversed left to right, as the published weights do; it is flipped back here. A
    subclass says how the network is called and what a result is.
    """

    network: torch.nn.Module
    superres: SuperResolution
    codec: JointCodec
    sampler: SamplerConfig
    compute: Compute
    cards: Mapping[str, Card]
    format: ClipFormat = SAVGBENCH
    description: Mapping[str, Any] = field(default_factory=dict)
    options: ClassVar[frozenset[str]] = frozenset(
        {"sampler", "superres_steps", "as_published", "direction"}
    )
    kind: ClassVar[str]
    """Kind of the network's weights; their role is the pipeline's name."""
    makes: ClassVar[str] = "video and audio"
    """What the network makes, for messages and progress."""
    guides: ClassVar[type[Guidance]]
    """Type of its "guidance" in the description."""
    mirrored: bool = field(init=False, default=False)
    """Whether the weights make video that is reversed left to right."""

    def __post_init__(self) -> None:
        facts = self.cards[self.name].facts
        self.diffusion = diffusion_of(facts)
        if self.format.size % self.codec.size:
            raise DescriptionError(
                f"the format's size must be a multiple of the codec's, {self.codec.size}, "
                f"got {self.format.size}."
            )
        self.guidance = setting(self.description, "guidance", self.guides)
        self.mirrored = flag(facts, "mirrored", False)
        self._check_sizes()

    def check_prediction(self, guidance: NoiseGuidance) -> None:
        """DescriptionError where predictions at two times are to be compared and are not of x0."""
        if guidance.weight and self.diffusion.prediction != "x0":
            raise DescriptionError(
                f"the prediction of a guided network must be 'x0', got {self.diffusion.prediction!r}."
            )

    def _check_sizes(self) -> None:
        """DescriptionError where clips are too large, or do not have the networks' shapes."""
        format, codec = self.format, self.codec
        frames = format.frames * format.size**2 * 3
        if max(frames, 8 * format.samples) > MAX_CLIP_BYTES:
            raise DescriptionError(
                f"format: frames and audio of a clip must take ≤ {MAX_CLIP_BYTES >> 20} MiB each, got "
                f"{frames >> 20} and {format.samples >> 17} MiB."
            )
        if codec.sound is not None and codec.sound.rate != format.sample_rate:
            raise DescriptionError(
                f"codec: rate of sound must be the format's sample rate, {format.sample_rate}, "
                f"got {codec.sound.rate}."
            )
        try:
            if isinstance(self.network, CoupledUNet):
                parts = (torch.empty(1, *shape, device="meta") for shape in self.shapes)
                self.network.check_inputs(*parts)
            self.superres.check(codec.rows, codec.size, format.size // codec.size)
        except ValueError as error:
            problem = clause(error)
            raise DescriptionError(f"codec and format must fit the networks: {problem}.") from error

    @property
    @abstractmethod
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of one clip's tensors, as the network takes them."""

    @abstractmethod
    def denoiser(
        self, seed: int, clips: Sequence[int], directed: Directed | None = None
    ) -> Denoiser:
        """The network as samplers call it, with the random choices of these clips of a seed."""

    @abstractmethod
    def finish(self, frames: NDArray[np.uint8], state: State) -> Result:
        """The result from frames uint8 [F, size, size, 3] and one clip's sampled state."""

    @classmethod
    def load(cls, description: Description, compute: Compute) -> Self:
        """As the contract says; without "superres" frames are upscaled by bicubic interpolation."""
        folder, values = description.folder, description.values
        network, card = load_component(component_folder(folder, values, cls.name), cls.kind)
        cards, superres = {cls.name: card}, None
        if values.get("superres") is not None:
            part = component_folder(folder, values, "superres")
            superres, cards["superres"] = load_component(part, "superres_unet")
        return cls.build(network, superres, cards, values, compute)

    @classmethod
    def build(
        cls,
        network: torch.nn.Module,
        superres: torch.nn.Module | None,
        cards: Mapping[str, Card],
        description: Mapping[str, Any],
        compute: Compute,
    ) -> Self:
        """A pipeline of networks in memory; description: the content of its JSON file."""
        trained = {"codec": cards[cls.name].facts.get("codec", {})}
        codec = setting({**trained, **description}, "codec", JointCodec)
        format = setting(description, "format", ClipFormat)
        chosen = description.get("sampler", {})
        if isinstance(chosen, Mapping):
            chosen = {**cls.sampler_defaults(codec), **chosen}
        sampler = setting({"sampler": chosen}, "sampler", SamplerConfig, "a sampler")
        return cls(
            network=compute.place(network),
            superres=SuperResolution.described(superres, cards, description, compute),
            codec=codec,
            sampler=sampler,
            compute=compute,
            cards=cards,
            format=format,
            description=description,
        )

    @classmethod
    def sampler_defaults(cls, codec: JointCodec) -> dict[str, Any]:
        """Settings of the sampler where a description gives none."""
        return {}

    @property
    def components(self) -> Mapping[str, Card]:
        return self.cards

    def describe(self) -> dict[str, Any]:
        description: dict[str, Any] = {
            "pipeline": self.name,
            self.name: self.name,
            "codec": self.codec.to_dict(),
            "sampler": asdict(self.sampler),
            "format": asdict(self.format),
        }
        if self.superres.model is not None:
            description["superres"] = "superres"
            description["superres_sampler"] = asdict(self.superres.sampler)
            description["shared_noise"] = self.superres.shared_noise
        if self.guidance.acts:
            description["guidance"] = asdict(self.guidance)
        return description

    def save_components(self, folder: str | os.PathLike[str]) -> None:
        place = Path(folder)
        save_component(self.network, place / self.name, self.kind, self.cards[self.name])
        if self.superres.model is not None:
            card = self.cards["superres"]
            save_component(self.superres.model, place / "superres", "superres_unet", card)

    @property
    def batch_size(self) -> int:
        return 4 if self.compute.device.type == "cpu" else 16

    def total(
        self,
        num_clips: int = 1,
        steps: int | None = None,
        *,
        batch_size: int | None = None,
        sampler: str | None = None,
        superres_steps: int | None = None,
    ) -> int:
        batches = -(-num_clips // (batch_size or self.batch_size))
        per_clip = self.superres.with_steps(superres_steps).total(self.format.frames)
        return batches * self.sampler.with_overrides(steps, sampler).total + num_clips * per_clip

    def unlearnt(self, steps: int | None) -> str:
        """Why so many steps (None: its own) are not what the network was distilled for, in a sentence;
        empty where they are, and for networks that take any number."""
        learnt = learnt_steps(self.cards[self.name].facts)
        asked_for = steps or self.sampler.steps
        if learnt is None or asked_for == learnt:
            return ""
        return (
            f"These {self.name} weights were distilled for {learnt} steps, and {asked_for} are asked "
            "for: that was not learnt."
        )

    def stages(self, steps: int | None = None) -> tuple[tuple[str, int], ...]:
        sampling = self.sampler.with_overrides(steps, None).total
        return (self.makes, sampling), ("super-resolution", self.superres.total(self.format.frames))

    def __call__(
        self,
        num_clips: int = 1,
        seed: int = 0,
        steps: int | None = None,
        *,
        first: int = 0,
        batch_size: int | None = None,
        on_step: OnStep | None = None,
        sampler: str | None = None,
        superres_steps: int | None = None,
        as_published: bool = False,
        direction: Direction | None = None,
    ) -> list[Result]:
        """As the contract says.

        Args:
            steps, sampler: of the diffusion network (None: the pipeline's own).
            superres_steps: of super-resolution.
            as_published: leave video of mirrored weights as it is.
            direction: what the clips shall be, for weights that take directions.
        """
        check_call(num_clips, seed, first, batch_size)
        directed = self._directed(direction)
        sampling = self.sampler.with_overrides(steps, sampler)
        superres = self.superres.with_steps(superres_steps)
        batch = batch_size or self.batch_size
        total = self.total(
            num_clips, steps, batch_size=batch, sampler=sampler, superres_steps=superres_steps
        )
        progress = Progress(on_step, total, flip=self.mirrored and not as_published)
        results: list[Result] = []
        for start in range(first, first + num_clips, batch):
            clips = range(start, min(start + batch, first + num_clips))
            with torch.inference_mode():
                denoiser = self.denoiser(seed, clips, directed)
                state = self._sample(sampling, denoiser, seed, clips, progress)
                progress.base += sampling.total
                for i, index in enumerate(clips):
                    frames = self._upscale(superres, seed, index, state[0][i], progress)
                    progress.base += superres.total(self.format.frames)
                    frames = flipped(frames) if progress.flip else frames
                    results.append(self.finish(frames, tuple(part[i] for part in state)))
        return results

    @property
    def directions(self) -> int:
        """Points of the paths that the network takes, 0 for weights that take no direction."""
        return self.network.config.direction if isinstance(self.network, CoupledUNet) else 0

    def _directed(self, direction: Direction | None) -> Directed | None:
        """The direction as the network takes it; SavgError where it takes none."""
        told = asked(direction, self.directions, self.name)
        if told is None:
            return None
        return Directed.of(told, self.directions, self.compute.device)

    def _sample(
        self,
        sampler: SamplerConfig,
        denoiser: Denoiser,
        seed: int,
        clips: Sequence[int],
        progress: Progress,
    ) -> State:
        noise = ClipNoise(seed, clips, NoisePurpose.START)
        start = tuple(noise.draw(shape, self.compute.device) for shape in self.shapes)

        def report(done: int, _: int, x0: State) -> None:
            progress.report(done, lambda: self.codec.decode_video(x0[0][0].cpu()).numpy())

        listener = report if progress.on_step else None
        later = ClipNoise(seed, clips, NoisePurpose.ON_THE_WAY)
        state = sampler.run(self.diffusion, denoiser, start, later, listener)
        if not bool(torch.stack([part.isfinite().all() for part in state]).all()):
            raise SavgError(
                f"The {self.name} network's output must be finite, got NaN or infinity: check its "
                "weights, or try float32."
            )
        return state

    def _upscale(
        self, superres: SuperResolution, seed: int, index: int, video: Tensor, progress: Progress
    ) -> NDArray[np.uint8]:
        def report(done: int, frames: Tensor) -> None:
            progress.report(done, lambda: self._frames(frames))

        scale = self.format.size // self.codec.size
        noise = ClipNoise(seed, [index], NoisePurpose.SUPERRES)
        listener = report if progress.on_step else None
        small = self.codec.frames_of(video.float()).clamp(-1, 1)
        return self._frames(superres(small, scale, noise, listener))

    def _frames(self, large: Tensor) -> NDArray[np.uint8]:
        """Upscaled rows [F, 3, h, w] as frames uint8 [F, size, size, 3], black around the picture."""
        rows = ((large.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
        values = rows.movedim(1, -1).cpu().numpy()
        if self.codec.rows == self.codec.size:
            return values
        size = self.format.size
        frames = np.zeros((len(values), size, size, 3), np.uint8)
        top = (size - values.shape[1]) // 2
        frames[:, top : top + values.shape[1]] = values
        frames[:, : self.format.top] = 0
        frames[:, self.format.bottom :] = 0
        return frames

    @classmethod
    def random(
        cls, config: Any, superres: Any | None, seed: int = 0, mirrored: bool = False
    ) -> Self:
        """A pipeline of random weights for 1 s clips: 4 frames of 32 pixels, 8,000 Hz.

        config, superres: of the two networks (None: none). For tests and for trying out an interface.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            networks = [model_format(cls.kind).build(config)]
            if superres is not None:
                networks.append(model_format("superres_unet").build(superres))
            for parameter in (p for network in networks for p in network.parameters()):
                if not parameter.any():  # last layers start at zero: let the input matter
                    torch.nn.init.normal_(parameter, std=0.02)
        cards = {
            cls.name: Card("MIT", "random", facts={"mirrored": mirrored}),
            "superres": Card("MIT", "random"),
        }
        upscaler = networks[1] if superres is not None else None
        return cls.build(networks[0], upscaler, cards, RANDOM, choose("cpu", "float32"))


RANDOM = {
    "codec": {"size": 16, "rows": 16},
    "format": {"frames": 4, "fps": 4, "sample_rate": 8000, "size": 32, "picture_height": 18},
    "sampler": {"name": "dpmpp_multistep", "steps": 3},
    "superres_sampler": {"name": "ddim", "steps": 2},
}
"""Description of `random` pipelines."""
