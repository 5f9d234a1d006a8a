"""Stereo sound for a film: the second stage of the two-stage method [S2], and for any user's video.

What is seen of a film conditions a flow network whose latents, one half for each channel, a mel VAE
and a vocoder turn into sound, each channel by itself. Mono networks are spread to both channels, a
baseline without any direction. Films longer than the window that the network was trained on are made
in windows that overlap by `overlap` seconds and are cross-faded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from savg.annotation import Boxes
from savg.clip import Clip
from savg.device import Compute, choose
from savg.diffusion.flow import FlowMatching, euler
from savg.errors import CheckpointError, SavgError
from savg.hub import (
    PIPELINE_FILE,
    Card,
    component_folder,
    load_component,
    save_component,
    write_json,
)
from savg.media.mux import with_audio
from savg.models.bigvgan import BigVgan
from savg.models.griffin_lim import GriffinLim
from savg.models.istft_vocoder import IstftVocoder
from savg.models.mel_vae import MelVae
from savg.models.mmaudio import MMAudio
from savg.models.mmaudio_lengths import MEL_HOPS, SequenceLengths
from savg.models.stereo import each_channel, split_latents, spread
from savg.models.synchformer import Synchformer
from savg.models.visual_flow import Seen, VisualFlow
from savg.paths import whole_folder
from savg.pipelines import described
from savg.pipelines.clip_images import MODEL, OpenClipImages
from savg.pipelines.flow_sampling import FlowSampler, Window, cross_faded
from savg.pipelines.progress import OnStep, Progress
from savg.pipelines.visual_features import (
    ClipAndSync,
    Persons,
    Pictures,
    VisualFeatures,
    with_boxes,
)
from savg.video import MAX_SECONDS, Video

ROLES = {"flow": VisualFlow, "vae": MelVae, "vocoder": nn.Module}

VOCODERS: dict[type, str] = {
    BigVgan: "bigvgan",
    IstftVocoder: "istft_vocoder",
    GriffinLim: "griffin_lim",
}
"""Networks from mel spectrograms to waveforms, and the kinds of their weights."""


@dataclass
class VideoToAudio:
    """A flow network with what it sees by, a mel VAE, a vocoder, and how they are sampled.

    cards: of the components "flow", "vae", "vocoder"; persons: finds boxes for a flow network that
    wants some.
    """

    flow: VisualFlow
    vae: MelVae
    vocoder: nn.Module
    visual: VisualFeatures
    sampler: FlowSampler
    compute: Compute
    cards: Mapping[str, Card]
    persons: Persons | None = None
    description: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        latent, own = self.flow.config.flow.latent_dim, self.vae.config.embed_dim
        if latent not in (own, 2 * own):
            raise CheckpointError(
                f"pipeline.json: a flow network of {latent} latent channels does not fit a VAE of "
                f"{own}: expected as many (mono) or twice as many (stereo)."
            )
        bands = self.vocoder.config.num_mels  # type: ignore[union-attr]
        hop = self.vocoder.config.hop  # type: ignore[union-attr]
        if (bands, hop) != (self.vae.config.data_dim, MEL_HOPS[self.sample_rate]):
            raise CheckpointError(
                f"pipeline.json: a vocoder of {bands} bands and {hop} samples a frame does not fit "
                f"a VAE of {self.vae.config.data_dim} bands and {MEL_HOPS[self.sample_rate]} samples."
            )
        self.channels = latent // own

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str] = "demo",
        device: str | None = None,
        dtype: str | None = None,
    ) -> Self:
        """The pipeline of a folder, a Hub repo id or "demo"; also a two-stage one's second stage.

        CheckpointError for anything else.
        """
        return cls.load(*described(source, "video_to_audio", "sound"), choose(device, dtype))

    @classmethod
    def load(cls, folder: Path, description: Mapping[str, Any], compute: Compute) -> Self:
        """The components that `description` names beside each other in `folder`."""
        parts: dict[str, nn.Module] = {}
        cards: dict[str, Card] = {}
        for role in ROLES:
            parts[role], cards[role] = load_component(component_folder(folder, description, role))
        if description.get("synchformer"):
            place = component_folder(folder, description, "synchformer")
            parts["synchformer"], cards["synchformer"] = load_component(place, "synchformer")
        persons = None
        if description.get("persons"):
            from savg.detectors.persons import YoloxDetector

            place = component_folder(folder, description, "persons")
            persons = YoloxDetector.from_pretrained(place, device=str(compute.device))
        return cls.build(parts, cards, description, compute, persons)

    @classmethod
    def build(
        cls,
        parts: Mapping[str, nn.Module],
        cards: Mapping[str, Card],
        description: Mapping[str, Any],
        compute: Compute,
        persons: Persons | None = None,
        visual: VisualFeatures | None = None,
    ) -> Self:
        """A pipeline of networks in memory: "flow", "vae", "vocoder" and for published features
        "synchformer"; `description` is what its JSON file would say. visual: instead of its own."""
        flow, vae, vocoder = (parts[role] for role in ROLES)
        if isinstance(flow, MMAudio):
            flow = VisualFlow.around(flow)
        known = isinstance(vae, MelVae) and isinstance(vocoder, tuple(VOCODERS))
        if not known or not isinstance(flow, VisualFlow):
            kinds = ", ".join(type(parts[role]).__name__ for role in ROLES)
            raise CheckpointError(
                f"pipeline.json: expected a flow network, a mel VAE and a vocoder, found {kinds}."
            )
        try:
            sampler = FlowSampler(**description.get("sampler", {}))
        except TypeError as error:
            raise CheckpointError(f"pipeline.json: not a sampler: {error}.") from error
        precise = Compute(compute.device, torch.float32, compute.channels_last, compute.reason)
        return cls(
            flow=compute.place(flow),  # type: ignore[arg-type]
            vae=precise.place(vae),  # type: ignore[arg-type]
            vocoder=precise.place(vocoder),
            visual=visual or _visual(flow, parts.get("synchformer"), description, compute),
            sampler=sampler,
            compute=compute,
            cards=cards,
            persons=persons,
            description=description,
        )

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write a folder that `from_pretrained` loads, whole or not at all."""
        with whole_folder(folder) as part:
            description = {"pipeline": "video_to_audio", **self.save_parts(part)}
            write_json(part / PIPELINE_FILE, description)

    def save_parts(self, folder: Path) -> dict[str, Any]:
        """Write the components into `folder`; what a pipeline's JSON file says of them."""
        plain = self.flow.encoder is None and self.flow.boxes is None
        vocoder = VOCODERS[type(self.vocoder)]
        kinds = {
            "flow": ("mmaudio", self.flow.flow) if plain else ("visual_flow", self.flow),
            "vae": ("mel_vae", self.vae),
            "vocoder": (vocoder, self.vocoder),
        }
        if isinstance(self.visual, ClipAndSync):
            kinds["synchformer"] = ("synchformer", self.visual.synchformer)
        for role, (kind, model) in kinds.items():
            save_component(model, folder / role, kind, self.cards[role])
        description = {role: role for role in kinds} | {"sampler": asdict(self.sampler)}
        finder = getattr(self.persons, "model", None)
        if finder is not None:
            card = self.cards.get("persons", Card("", "beside the pipeline"))
            save_component(finder, folder / "persons", "yolox", card)
            description["persons"] = "persons"
        if "clip" in self.description:
            description["clip"] = self.description["clip"]
        return description

    @property
    def sample_rate(self) -> int:
        """Of the sound, in Hz."""
        return self.flow.config.flow.sample_rate

    @property
    def takes_boxes(self) -> bool:
        """Whether the flow network is told where persons are."""
        return self.flow.config.boxes > 0

    @property
    def lengths(self) -> SequenceLengths:
        """Of a window."""
        return SequenceLengths(self.sampler.seconds, self.sample_rate)

    @property
    def batch_size(self) -> int:
        """Windows computed together unless told otherwise."""
        return 4 if self.compute.device.type == "cpu" else 32

    def total(
        self,
        durations: Sequence[Fraction],
        steps: int | None = None,
        batch_size: int | None = None,
    ) -> int:
        """Steps that `on_step` counts up to for films of these seconds."""
        windows = sum(len(self.sampler.windows(duration)) for duration in durations)
        return (
            -(-windows // (batch_size or self.batch_size)) * self.sampler.asked(steps, None).steps
        )

    def __call__(
        self,
        film: Video | Clip | NDArray[np.uint8],
        fps: float | Fraction | None = None,
        *,
        seed: int = 0,
        index: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        boxes: bool = True,
        on_step: OnStep | None = None,
    ) -> NDArray[np.float32]:
        """Stereo sound [2, T] of a film, a clip, or pictures [F, H, W, 3] at `fps`, of its length.

        The sound depends on the film, the seed and `index` (the film's number). boxes: False keeps
        persons' boxes from a network that takes some. SavgError for impossible values, Cancelled
        when `on_step` stops it.
        """
        if isinstance(film, Clip):
            film = Video.of(film)
        elif not isinstance(film, Video):
            if fps is None:
                raise ValueError("pictures need their rate: expected fps.")
            film = Video.of_frames(film, fps)
        asked = {"steps": steps, "guidance": guidance, "boxes": boxes, "on_step": on_step}
        (sound,) = self.sounds([film], seed, first=index, **asked)  # type: ignore[arg-type]
        return sound

    def sounds(
        self,
        films: Sequence[Video],
        seed: int = 0,
        *,
        first: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        boxes: bool = True,
        batch_size: int | None = None,
        on_step: OnStep | None = None,
    ) -> list[NDArray[np.float32]]:
        """Sounds [2, T] of films number `first`, first + 1, … of a seed, computed in batches.

        A film's sound does not depend on the others. Previews are the pictures of the film in work.
        Errors as above.
        """
        if seed < 0 or first < 0:
            raise SavgError(f"Seeds and film numbers are 0 or more, not {min(seed, first)}.")
        if batch_size is not None and batch_size < 1:
            raise SavgError(f"The batch size is at least 1, not {batch_size}.")
        sampler = self.sampler.asked(steps, guidance)
        if not boxes:
            films = [replace(film, boxes=Boxes.empty()) for film in films]
        jobs = [
            Window(film, first + number, place, start)
            for number, film in enumerate(films)
            for place, start in enumerate(sampler.windows(film.duration))
        ]
        batch = batch_size or self.batch_size
        batches = [jobs[i : i + batch] for i in range(0, len(jobs), batch)]
        progress = Progress(on_step, len(batches) * sampler.steps)
        made: dict[int, list[NDArray[np.float32]]] = {}
        with torch.inference_mode():
            for some in batches:
                sounds = self._sample(some, seed, sampler, progress)
                progress.base += sampler.steps
                for window, sound in zip(some, sounds, strict=True):
                    made.setdefault(window.index - first, []).append(sound)
        overlap = round(sampler.overlap * self.sample_rate)
        return [
            _fitted(cross_faded(made[i], overlap), round(film.duration * self.sample_rate))
            for i, film in enumerate(films)
        ]

    def clip(self, clip: Clip, **options: Any) -> Clip:
        """The clip with new sound, brought to its own sample rate. Options as in a call."""
        sound = self(clip, **options)
        if clip.format.sample_rate != self.sample_rate:
            raise SavgError(
                f"The clip's sound is of {clip.format.sample_rate} Hz, the network's of "
                f"{self.sample_rate} Hz: expected the same."
            )
        return Clip(clip.video, sound, clip.format)

    def file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        *,
        max_seconds: float = MAX_SECONDS,
        **options: Any,
    ) -> NDArray[np.float32]:
        """Write the film in `source`, silent or sounding, to `target` with new sound; returns that.

        Options as in a call. MediaError for files that cannot be read.
        """
        sound = self(Video.read(source, max_seconds=max_seconds), **options)
        with_audio(source, target, sound, self.sample_rate)
        return sound

    def _sample(
        self,
        some: Sequence[Window],
        seed: int,
        sampler: FlowSampler,
        progress: Progress,
    ) -> NDArray[np.float32]:
        """Sounds [B, 2, T] of some windows."""

        def tell(done: int, _: int, __: object) -> None:
            progress.tell(done, lambda: some[0].film.frames)

        lengths, device, dtype = self.lengths, self.compute.device, self.compute.dtype
        seen = Seen.stack([self._see(window, lengths) for window in some]).to(device, dtype)
        conditions = self.flow.condition(seen, lengths)
        empty = self.flow.flow.empty_conditions(lengths, len(some))
        shape = (lengths.latent, self.flow.config.flow.latent_dim)
        noise = torch.cat([window.noise(seed, shape) for window in some]).to(device)

        def network(x: Tensor, t: Tensor, given: Any) -> Tensor:
            return self.flow.flow(x.to(dtype), t, given).float()

        latent = euler(
            FlowMatching(),
            network,
            noise,
            conditions,
            empty,
            steps=sampler.steps,
            guidance=sampler.guidance,
            on_step=tell if progress.on_step else None,
        )
        return self.decode(self.flow.flow.unnormalize(latent.float()))

    @torch.inference_mode()
    def decode(self, latent: Tensor) -> NDArray[np.float32]:
        """Stereo sound [B, 2, seconds · rate] of the VAE's latents, the channels' side by side."""
        mel = each_channel(self.vae.decode, split_latents(latent.float(), self.channels))
        sound = each_channel(self.vocoder, mel)[:, :, 0]
        if self.channels == 1:
            sound = spread(sound)
        if not bool(sound.isfinite().all()):
            raise SavgError(
                "The flow network gave values that are not finite: expected usable weights and a "
                "number format that holds them (try float32)."
            )
        samples = round(Fraction(self.sampler.seconds) * self.sample_rate)
        return sound[..., :samples].clamp(-1, 1).cpu().numpy().astype(np.float32)

    def _see(self, window: Window, lengths: SequenceLengths) -> Seen:
        seen = self.visual(window.film, window.start, lengths)
        count = self.flow.config.boxes
        if not count:
            return seen
        return with_boxes(seen, window.film, window.start, lengths, count, self.persons)


def _fitted(sound: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(sound[:, :samples])


def _visual(
    flow: VisualFlow,
    synchformer: nn.Module | None,
    description: Mapping[str, Any],
    compute: Compute,
) -> VisualFeatures:
    """What the flow network sees by: its own encoder, or CLIP and Synchformer."""
    if flow.config.encoder is not None:
        return Pictures(flow.config.encoder)
    if not isinstance(synchformer, Synchformer):
        raise CheckpointError(
            "pipeline.json: a flow network without an encoder of its own needs a 'synchformer'."
        )
    images = OpenClipImages.from_pretrained(str(description.get("clip", MODEL)), compute.device)
    return ClipAndSync(images, compute.place(synchformer))  # type: ignore[arg-type]


def tiny(seed: int = 0, boxes: int = 0, channels: int = 2) -> VideoToAudio:
    """A pipeline of random weights that runs in a second, for windows of 2 s that share one."""
    from savg.models import istft_vocoder, mel_vae, visual_flow

    config = visual_flow.CONFIGS["tiny"]
    vae = mel_vae.CONFIGS["tiny"]
    flow = replace(config.flow, latent_dim=channels * vae.embed_dim)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = {
            "flow": VisualFlow(replace(config, flow=flow, boxes=boxes)),
            "vae": MelVae(vae),
            "vocoder": IstftVocoder(istft_vocoder.CONFIGS["tiny"]),
        }
        for name, parameter in parts["flow"].named_parameters():
            if not parameter.any() and "latent_" not in name:  # let all depend on all
                torch.nn.init.normal_(parameter, std=0.1)
    cards = {role: Card("MIT", "random") for role in parts}
    description = {"sampler": {"steps": 3, "seconds": 2.0, "overlap": 1.0}}
    return VideoToAudio.build(parts, cards, description, choose("cpu", "float32"))
