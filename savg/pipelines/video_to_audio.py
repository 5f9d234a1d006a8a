"""Stereo audio for a video: the second stage of the two-stage method [S2], and for any user's video.

Visual features of the video condition a flow network. A mel VAE and a vocoder decode its latents, one
half for each channel, into audio, each channel by itself. A mono network's audio goes to both channels,
a baseline without direction. Audio longer than the window that the network was trained on is made in
windows that overlap by `overlap` seconds and are cross-faded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from savg.annotation import Boxes
from savg.device import Compute, choose
from savg.diffusion.flow import FlowMatching, euler
from savg.errors import SavgError, brief
from savg.hub import Card, component_folder, load_component, save_component
from savg.models.mel_vae import MelVae
from savg.models.mmaudio import MMAudio
from savg.models.mmaudio_lengths import MEL_HOPS, SequenceLengths
from savg.models.stereo import per_channel, split_latents, to_stereo, waveforms
from savg.models.synchformer import Synchformer
from savg.models.visual_flow import VisualFlow, VisualInputs
from savg.pipelines.base import AudioPipeline, check_batch
from savg.pipelines.clip_images import MODEL, OpenClipImages
from savg.pipelines.description import Description, DescriptionError, setting
from savg.pipelines.direction import Directed, Direction, asked
from savg.pipelines.flow_sampling import FlowSampler, Window, in_windows
from savg.pipelines.person_parts import other_cards, read_persons, write_persons
from savg.pipelines.progress import OnStep, Progress
from savg.pipelines.visual_features import (
    ClipAndSync,
    EncoderFrames,
    Persons,
    VisualFeatures,
    with_boxes,
)
from savg.pipelines.vocoders import VOCODERS, Vocoder
from savg.video import Video

ROLES = {"flow": VisualFlow, "vae": MelVae, "vocoder": nn.Module}


@dataclass
class VideoToAudio(AudioPipeline):
    """A flow network with its visual features, a mel VAE, a vocoder, and how they are sampled.

    cards: of the components "flow", "vae", "vocoder"; persons: detects boxes for a flow network that
    takes them.
    """

    name: ClassVar[str] = "video_to_audio"
    options: ClassVar[frozenset[str]] = frozenset({"guidance", "boxes", "direction"})
    flow: VisualFlow
    vae: MelVae
    vocoder: Vocoder
    visual: VisualFeatures
    sampler: FlowSampler
    compute: Compute
    cards: Mapping[str, Card]
    persons: Persons | None = None
    description: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        latent, own = self.flow.config.flow.latent_dim, self.vae.config.embed_dim
        if latent not in (own, 2 * own):
            raise DescriptionError(
                f"the flow network's latent channels must be the VAE's {own} (mono) or {2 * own} "
                f"(stereo), got {latent}."
            )
        bands = self.vocoder.config.num_mels
        hop = self.vocoder.config.hop
        expected = self.vae.config.data_dim, MEL_HOPS[self.sample_rate]
        if (bands, hop) != expected:
            raise DescriptionError(
                f"the vocoder must have the VAE's {expected[0]} bands and {expected[1]} samples a "
                f"frame, got {bands} bands and {hop} samples."
            )
        try:
            self.lengths = SequenceLengths(self.sampler.seconds, self.sample_rate)
        except ValueError as error:
            raise DescriptionError(f"sampler: {error}.") from error
        self.channels = latent // own

    @classmethod
    def load(cls, description: Description, compute: Compute) -> Self:
        folder, values = description.folder, description.values
        parts: dict[str, nn.Module] = {}
        cards: dict[str, Card] = {}
        for role in ROLES:
            parts[role], cards[role] = load_component(component_folder(folder, values, role))
        if values.get("synchformer") is not None:
            place = component_folder(folder, values, "synchformer")
            parts["synchformer"], cards["synchformer"] = load_component(place, "synchformer")
        persons = None
        if values.get("persons") is not None:
            place = component_folder(folder, values, "persons")
            persons, cards["persons"] = read_persons(place, compute.device)
        return cls.build(parts, cards, values, compute, persons)

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
        """A pipeline of networks in memory.

        Args:
            parts: networks "flow", "vae", "vocoder" and, for published features, "synchformer".
            description: the content of its JSON file.
            visual: in place of the flow network's own visual features.

        Raises:
            CheckpointError: for networks that do not fit together.
        """
        flow, vae, vocoder = (parts[role] for role in ROLES)
        if isinstance(flow, MMAudio):
            flow = VisualFlow.around(flow)
        if not (
            isinstance(flow, VisualFlow)
            and isinstance(vae, MelVae)
            and isinstance(vocoder, Vocoder)
        ):
            kinds = ", ".join(type(parts[role]).__name__ for role in ROLES)
            raise DescriptionError(
                f"expected a flow network, a mel VAE and a vocoder, found {kinds}."
            )
        sampler = setting(description, "sampler", FlowSampler, "a sampler")
        precise = Compute(compute.device, torch.float32, compute.channels_last, compute.reason)
        return cls(
            flow=compute.place(flow),
            vae=precise.place(vae),
            vocoder=precise.place(vocoder),
            visual=visual or _visual(flow, parts.get("synchformer"), description, compute),
            sampler=sampler,
            compute=compute,
            cards=cards,
            persons=persons,
            description=description,
        )

    @property
    def components(self) -> Mapping[str, Card]:
        return self.cards

    def describe(self) -> dict[str, Any]:
        description: dict[str, Any] = {"pipeline": self.name}
        description |= {role: role for role in self._networks()}
        description["sampler"] = asdict(self.sampler)
        if getattr(self.persons, "model", None) is not None:
            description["persons"] = "persons"
        if "clip" in self.description:
            description["clip"] = self.description["clip"]
        return description

    def save_components(self, folder: str | os.PathLike[str]) -> None:
        place = Path(folder)
        for role, (kind, model) in self._networks().items():
            save_component(model, place / role, kind, self.cards[role])
        write_persons(self.persons, place / "persons", self.cards.get("persons"))

    def _networks(self) -> dict[str, tuple[str, nn.Module]]:
        """Kind and network of each component by role."""
        added = self.flow.encoder, self.flow.boxes, self.flow.direction
        plain = all(part is None for part in added)
        networks: dict[str, tuple[str, nn.Module]] = {
            "flow": ("mmaudio", self.flow.flow) if plain else ("visual_flow", self.flow),
            "vae": ("mel_vae", self.vae),
            "vocoder": (VOCODERS[type(self.vocoder)], self.vocoder),
        }
        if isinstance(self.visual, ClipAndSync):
            networks["synchformer"] = ("synchformer", self.visual.synchformer)
        return networks

    @property
    def sample_rate(self) -> int:
        return self.flow.config.flow.sample_rate

    @property
    def takes_boxes(self) -> bool:
        return self.flow.config.boxes > 0

    @property
    def directions(self) -> int:
        """Points of the paths that the network takes, 0 for weights that take no direction."""
        return self.flow.config.direction

    @property
    def batch_size(self) -> int:
        return 4 if self.compute.device.type == "cpu" else 32

    def with_persons(self, persons: Persons) -> Self:
        if not self.takes_boxes:
            return self
        return replace(self, persons=persons, cards=other_cards(self.cards))

    def stages(self, steps: int | None = None) -> tuple[tuple[str, int], ...]:
        """For a video of one window."""
        return (("audio", self.sampler.with_overrides(steps, None).steps),)

    def total(
        self,
        durations: Sequence[Fraction],
        steps: int | None = None,
        *,
        batch_size: int | None = None,
    ) -> int:
        windows = sum(len(self.sampler.windows(duration)) for duration in durations)
        batches = -(-windows // (batch_size or self.batch_size))
        return batches * self.sampler.with_overrides(steps, None).steps

    def for_videos(
        self,
        videos: Sequence[Video],
        seed: int = 0,
        *,
        first: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        boxes: bool = True,
        batch_size: int | None = None,
        on_step: OnStep | None = None,
        direction: Direction | None = None,
    ) -> list[NDArray[np.float32]]:
        """As the contract says.

        Args:
            direction: what the audio shall be, for weights that take directions; its path is that over
                the whole of each video.
        """
        check_batch(seed, first, batch_size)
        told = asked(direction, self.directions, "flow")
        sampler = self.sampler.with_overrides(steps, guidance)
        if not boxes:
            videos = [replace(video, boxes=Boxes.empty()) for video in videos]
        durations = [video.duration for video in videos]
        progress = Progress(on_step, self.total(durations, steps, batch_size=batch_size))

        def make(group: Sequence[Window]) -> NDArray[np.float32]:
            with torch.inference_mode():
                audio = self._sample(group, seed, sampler, progress, told)
            progress.base += sampler.steps
            return audio

        batch = batch_size or self.batch_size
        return in_windows(videos, sampler, self.sample_rate, batch, make, first=first)

    def _sample(
        self,
        windows: Sequence[Window],
        seed: int,
        sampler: FlowSampler,
        progress: Progress,
        direction: Direction | None = None,
    ) -> NDArray[np.float32]:
        """Audio [B, 2, T] of windows."""

        def report(done: int, _: int, __: object) -> None:
            progress.report(done, lambda: windows[0].video.frames)

        lengths, device, dtype = self.lengths, self.compute.device, self.compute.dtype
        inputs = VisualInputs.stack([self._inputs(window, lengths) for window in windows])
        inputs = inputs.to(device, dtype)
        told = [] if direction is None else self._told(direction, windows).variants
        variants = [
            (share, self.flow.condition(replace(inputs, direction=rows.to(device)), lengths))
            for share, rows in told
        ] or [(1.0, self.flow.condition(inputs, lengths))]
        conditions = variants[0][1]
        empty = self.flow.flow.empty_conditions(lengths, len(windows))
        shape = (lengths.latent, self.flow.config.flow.latent_dim)
        noise = torch.cat([window.noise(seed, shape) for window in windows]).to(device)

        def network(x: Tensor, t: Tensor, given: Any) -> Tensor:
            ones = variants if given is conditions and len(variants) > 1 else [(1.0, given)]
            parts = [share * self.flow.flow(x.to(dtype), t, one).float() for share, one in ones]
            return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]

        latent = euler(
            FlowMatching(),
            network,
            noise,
            conditions,
            empty,
            steps=sampler.steps,
            guidance=sampler.guidance,
            on_step=report if progress.on_step else None,
        )
        return self.decode(self.flow.flow.unnormalize(latent.float()))

    @torch.inference_mode()
    def decode(self, latent: Tensor) -> NDArray[np.float32]:
        """Audio [B, 2, seconds · rate] in −1..1 of latents [B, L, C].

        C holds the channels' halves in order. SavgError for audio that is not finite.
        """
        mel = per_channel(self.vae.decode, split_latents(latent.float(), self.channels))
        audio = waveforms(self.vocoder, mel)
        if self.channels == 1:
            audio = to_stereo(audio)
        if not bool(audio.isfinite().all()):
            raise SavgError(
                "The flow network's output must be finite, got NaN or infinity: check its weights, or "
                "try float32."
            )
        samples = round(Fraction(self.sampler.seconds) * self.sample_rate)
        return audio[..., :samples].clamp(-1, 1).cpu().numpy().astype(np.float32)

    def _told(self, direction: Direction, windows: Sequence[Window]) -> Directed:
        """The direction of each window."""
        points, seconds = self.directions, float(self.sampler.seconds)
        cuts = [
            direction.within(window.start, seconds, float(window.video.duration), points)
            for window in windows
        ]
        return Directed.stack([Directed.of(cut, points) for cut in cuts])

    def _inputs(self, window: Window, lengths: SequenceLengths) -> VisualInputs:
        inputs = self.visual(window.video, window.start, lengths)
        count = self.flow.config.boxes
        if not count:
            return inputs
        return with_boxes(inputs, window.video, window.start, lengths, count, self.persons)


def _visual(
    flow: VisualFlow,
    synchformer: nn.Module | None,
    description: Mapping[str, Any],
    compute: Compute,
) -> VisualFeatures:
    """The flow network's visual features: frames for its own encoder, or CLIP and Synchformer."""
    if flow.config.encoder is not None:
        return EncoderFrames(flow.config.encoder)
    if not isinstance(synchformer, Synchformer):
        raise DescriptionError(
            "a flow network without an encoder of its own must have a 'synchformer'."
        )
    model = description.get("clip", MODEL)
    if not isinstance(model, str):
        raise DescriptionError(f"clip must be the name of a network, got {brief(model)}.")
    images = OpenClipImages.from_pretrained(model, compute.device)
    return ClipAndSync(images, compute.place(synchformer))


def tiny(seed: int = 0, boxes: int = 0, channels: int = 2) -> VideoToAudio:
    """A pipeline of random weights that runs in a second, for windows of 2 s that share one."""
    from savg.models import istft_vocoder, mel_vae, visual_flow
    from savg.models.istft_vocoder import IstftVocoder

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
