"""Picture and stereo sound from one diffusion model, then super-resolution [S1, S2]."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.clip import SAVGBENCH, Clip, ClipFormat
from savg.data.joint_codec import JointCodec
from savg.device import Compute, choose
from savg.diffusion.process import State
from savg.errors import Cancelled, CheckpointError, SavgError
from savg.hub import (
    PIPELINE_FILE,
    Card,
    component_folder,
    load_component,
    read_json,
    resolve,
    save_component,
)
from savg.models.joint_unet import JointUNet
from savg.paths import whole_folder
from savg.pipelines import superres
from savg.pipelines.sampling import ClipNoise, SamplerConfig, diffusion_of, generator
from savg.pipelines.superres import SuperResolution

OnStep = Callable[[int, int, NDArray[np.uint8]], object]
"""on_step(done, total, preview): preview is uint8 frames [F, H, W, 3] of the clip in work, as now
foreseen; returning False (or raising Cancelled) stops."""

START, ON_THE_WAY, SUPERRES, SHIFTS = range(4)
"""What random numbers are for; each purpose has a stream of its own."""

MAX_CLIPS = 100_000


@dataclass
class JointPipeline:
    """A joint network and a super-resolution network, and how they are sampled.

    cards: of the components "joint" and "superres"; one with `facts["mirrored"]` makes pictures that
    are reversed against their sound, as the published weights do, and is un-mirrored here.
    """

    joint: JointUNet
    superres: SuperResolution
    codec: JointCodec
    sampler: SamplerConfig
    compute: Compute
    cards: Mapping[str, Card]
    format: ClipFormat = SAVGBENCH
    description: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.diffusion = diffusion_of(self.cards["joint"].facts)
        if self.format.size % self.codec.size:
            raise CheckpointError(
                f"pipeline.json: frames of {self.codec.size} pixels cannot be enlarged to "
                f"{self.format.size} by a whole factor."
            )

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str] = "demo",
        device: str | None = None,
        dtype: str | None = None,
    ) -> Self:
        """The pipeline of "demo", a folder or a Hub repo id; CheckpointError for anything else.

        A description without "superres" enlarges with bicubic interpolation.
        """
        folder = resolve(source)
        description = read_json(folder / PIPELINE_FILE)
        if description.get("pipeline") != "joint":
            raise CheckpointError(
                f"{folder / PIPELINE_FILE}: expected a 'joint' pipeline, found "
                f"{description.get('pipeline')!r}."
            )
        joint, card = load_component(component_folder(folder, description, "joint"), "joint_unet")
        cards, enlarger = {"joint": card}, None
        if description.get("superres"):
            part = component_folder(folder, description, "superres")
            enlarger, cards["superres"] = load_component(part, "superres_unet")
        return cls.build(joint, enlarger, cards, description, choose(device, dtype))

    @classmethod
    def build(
        cls,
        joint: torch.nn.Module,
        enlarger: torch.nn.Module | None,
        cards: Mapping[str, Card],
        description: Mapping[str, Any],
        compute: Compute,
    ) -> Self:
        """A pipeline of networks in memory; `description` is what its JSON file would say."""
        try:
            trained = cards["joint"].facts.get("codec", {})
            codec = JointCodec.from_dict(dict(description.get("codec", trained)))
            form = ClipFormat(**description.get("format", {}))
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"pipeline.json: {error}.") from error
        given = dict(description.get("sampler", {}))
        if codec.mid_gain is not None:  # its sound does not lie in −1..1
            given.setdefault("limit", "clamp_first")
        return cls(
            joint=compute.place(joint),  # type: ignore[arg-type]
            superres=_super_resolution(enlarger, cards, description, compute),
            codec=codec,
            sampler=SamplerConfig.from_dict(given),
            compute=compute,
            cards=cards,
            format=form,
            description=description,
        )

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write a folder that `from_pretrained` loads, whole or not at all."""
        description: dict[str, Any] = {
            "pipeline": "joint",
            "joint": "joint",
            "codec": self.codec.to_dict(),
            "sampler": asdict(self.sampler),
            "format": asdict(self.format),
        }
        with whole_folder(folder) as part:
            save_component(self.joint, part / "joint", "joint_unet", self.cards["joint"])
            if self.superres.model is not None:
                description["superres"] = "superres"
                description["superres_sampler"] = asdict(self.superres.sampler)
                description["shared_noise"] = self.superres.shared_noise
                card = self.cards["superres"]
                save_component(self.superres.model, part / "superres", "superres_unet", card)
            text = json.dumps(description, indent=2) + "\n"
            (part / PIPELINE_FILE).write_text(text, encoding="utf-8")

    @property
    def batch_size(self) -> int:
        """Clips computed together unless told otherwise."""
        return 4 if self.compute.device.type == "cpu" else 16

    @property
    def mirrored(self) -> bool:
        """Whether the joint weights make pictures reversed against their sound."""
        return bool(self.cards["joint"].facts.get("mirrored", False))

    def __call__(
        self,
        num_clips: int = 1,
        seed: int = 0,
        steps: int | None = None,
        sampler: str | None = None,
        batch_size: int | None = None,
        on_step: OnStep | None = None,
        superres_steps: int | None = None,
        *,
        first: int = 0,
        as_published: bool = False,
    ) -> list[Clip]:
        """Clips `first` … `first + num_clips − 1` of a seed.

        A clip depends on the seed and its own index, not on the batch it is made in. steps, sampler:
        of the joint network (default: the pipeline's own); superres_steps: of super-resolution;
        as_published: leave mirrored pictures mirrored. SavgError for impossible values, Cancelled
        when `on_step` stops it.
        """
        _check(num_clips, seed, first, batch_size)
        chosen = self.sampler.asked(steps, sampler)
        enlarger = self.superres.with_steps(superres_steps)
        batch = batch_size or self.batch_size
        indices = range(first, first + num_clips)
        batches = [indices[i : i + batch] for i in range(0, num_clips, batch)]
        per_clip = enlarger.total(self.format.frames)
        turn = self.mirrored and not as_published
        progress = _Progress(on_step, len(batches) * chosen.total + num_clips * per_clip, turn)
        clips: list[Clip] = []
        for some in batches:
            with torch.inference_mode():
                video, audio = self._sample(chosen, seed, some, progress)
                progress.base += chosen.total
                for i, index in enumerate(some):
                    frames = self._enlarge(enlarger, seed, index, video[i], progress)
                    progress.base += per_clip
                    clips.append(self._clip(frames, audio[i], turn))
        return clips

    def _sample(
        self, sampler: SamplerConfig, seed: int, some: Sequence[int], progress: _Progress
    ) -> State:
        shapes = self.codec.video_shape(self.format), self.codec.audio_shape(self.format)
        noise = ClipNoise(seed, some, START)
        start = tuple(noise.draw(shape, self.compute.device) for shape in shapes)

        def tell(done: int, _: int, clean: State) -> None:
            progress.tell(done, lambda: self._preview(clean[0][0]))

        later = ClipNoise(seed, some, ON_THE_WAY)
        network = self._network(seed)
        return sampler.run(
            self.diffusion, network, start, later, tell if progress.on_step else None
        )

    def _network(self, seed: int) -> Callable[[State, Tensor], State]:
        """The joint network, with window shifts that depend on the seed and the call's number."""
        shifts = generator(seed, 0, SHIFTS)
        dtype = self.compute.dtype

        def network(state: State, t: Tensor) -> State:
            video, audio = (part.to(dtype) for part in state)
            drawn = self.joint.draw_shifts(shifts, frames=video.shape[1])
            return self.joint(video, audio, t, shifts=drawn)

        return network

    def _enlarge(
        self, enlarger: SuperResolution, seed: int, index: int, video: Tensor, progress: _Progress
    ) -> NDArray[np.uint8]:
        scale = self.format.size // self.codec.size

        def tell(done: int, frames: Tensor) -> None:
            progress.tell(done, lambda: self._frames(frames))

        noise = ClipNoise(seed, [index], SUPERRES)
        listener = tell if progress.on_step else None
        small = video.float().clamp(-1, 1)
        return self._frames(enlarger(small, scale, noise, listener))

    def _frames(self, large: Tensor) -> NDArray[np.uint8]:
        """Enlarged rows as whole frames; what the network did not see, and bars of its own, black."""
        picture = ((large.float() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
        values = picture.movedim(1, -1).cpu().numpy()
        if self.codec.rows == self.codec.size:
            return values
        size = self.format.size
        frames = np.zeros((len(values), size, size, 3), np.uint8)
        top = (size - values.shape[1]) // 2
        frames[:, top : top + values.shape[1]] = values
        frames[:, : self.format.top] = 0
        frames[:, self.format.bottom :] = 0
        return frames

    def _preview(self, video: Tensor) -> NDArray[np.uint8]:
        """Small frames [F, s, s, 3]."""
        return self.codec.decode_video(video.cpu()).numpy()

    def _clip(self, frames: NDArray[np.uint8], audio: Tensor, turn: bool) -> Clip:
        sound = self.codec.decode_audio(audio).cpu().numpy().astype(np.float32)
        if not np.isfinite(sound).all():
            raise SavgError(
                "The joint network gave values that are not finite: expected usable weights and a "
                "number format that holds them (try float32)."
            )
        return Clip(_turned(frames) if turn else frames, sound, self.format)


@dataclass
class _Progress:
    """Counts over all batches and stages; stops the sampler when told to.

    turn: show previews flipped, as the clip will be.
    """

    on_step: OnStep | None
    total: int
    turn: bool
    base: int = 0

    def tell(self, done: int, preview: Callable[[], NDArray[np.uint8]]) -> None:
        if self.on_step is None:
            return
        frames = _turned(preview()) if self.turn else preview()
        if self.on_step(self.base + done, self.total, frames) is False:
            raise Cancelled(f"stopped after step {self.base + done} of {self.total}")


def _turned(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames flipped left to right."""
    return np.ascontiguousarray(frames[:, :, ::-1])


def _check(num_clips: int, seed: int, first: int, batch_size: int | None) -> None:
    if not 1 <= num_clips <= MAX_CLIPS:
        raise SavgError(f"The number of clips lies in 1..{MAX_CLIPS}, not {num_clips}.")
    if seed < 0 or first < 0:
        raise SavgError(f"Seeds and clip numbers are 0 or more, not {min(seed, first)}.")
    if batch_size is not None and batch_size < 1:
        raise SavgError(f"The batch size is at least 1, not {batch_size}.")


def _super_resolution(
    enlarger: torch.nn.Module | None,
    cards: Mapping[str, Card],
    description: Mapping[str, Any],
    compute: Compute,
) -> SuperResolution:
    given = description.get("superres_sampler")
    sampler = superres.PUBLISHED if given is None else SamplerConfig.from_dict(given)
    chunk = 5 if compute.device.type == "cpu" else 20
    shared = bool(description.get("shared_noise", True))
    if enlarger is None:
        return SuperResolution(None, None, sampler, compute, shared, chunk)
    process = diffusion_of(
        cards["superres"].facts,
        variance="learned_range",
        diffusion_steps=superres.SCHEDULE_STEPS,
    )
    return SuperResolution(compute.place(enlarger), process, sampler, compute, shared, chunk)


def tiny(seed: int = 0, mirrored: bool = False, enlarge: bool = True) -> JointPipeline:
    """A pipeline of random weights that runs in a second: for tests and for trying out an interface.

    Clips of 1 s: 4 frames of 32 pixels, 8,000 Hz.
    """
    from savg.models.joint_unet import CONFIGS as JOINT

    enlarger = None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        joint = JointUNet(JOINT["tiny"])
        if enlarge:
            from savg.models.superres_unet import CONFIGS as SUPERRES
            from savg.models.superres_unet import SuperResUNet

            enlarger = SuperResUNet(SUPERRES["tiny"])
        networks = [joint] if enlarger is None else [joint, enlarger]
        for parameter in (p for network in networks for p in network.parameters()):
            if not parameter.any():  # last layers start at zero: let the output depend on the input
                torch.nn.init.normal_(parameter, std=0.02)
    card = Card("MIT", "random", facts={"mirrored": mirrored})
    description = {
        "pipeline": "joint",
        "codec": {"size": 16, "rows": 16},
        "format": {"frames": 4, "fps": 4, "sample_rate": 8000, "size": 32, "picture_height": 18},
        "sampler": {"name": "dpmpp_multistep", "steps": 3},
        "superres_sampler": {"name": "ddim", "steps": 2},
    }
    cards = {"joint": card, "superres": Card("MIT", "random")}
    return JointPipeline.build(joint, enlarger, cards, description, choose("cpu", "float32"))
