"""StereoSync: stereo audio for a video that follows a person's boxes, an envelope and what sounds [S3].

The person is tracked through the whole video. The envelope and the embedding of what sounds are of the
video's own audio or another recording, or the envelope is drawn; what is not given is withheld. A
diffusion transformer with a ControlNet makes latents, which Oobleck decodes as published, or a mel VAE
and a vocoder, each channel by itself. Longer audio is made in windows that are cross-faded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from savg.detectors.tracking import Track, choose_person, persons, track
from savg.device import Compute, choose
from savg.diffusion.cosine import CosineDiffusion, multistep
from savg.errors import SavgError
from savg.features.clap import REPO
from savg.features.depth import DepthEstimator
from savg.hub import Card, component_folder
from savg.media.audio_track import audio_of
from savg.models.stereosync import Conditions, StereoSync
from savg.pipelines.base import AudioPipeline, check_batch
from savg.pipelines.box_path import BoxPath, Whom
from savg.pipelines.depth_condition import embedding_of
from savg.pipelines.description import KEY, Description, DescriptionError, setting
from savg.pipelines.flow_sampling import Window, in_windows
from savg.pipelines.optional_conditions import FACT
from savg.pipelines.person_parts import (
    looks_in,
    other_cards,
    people_in,
    read_persons,
    write_persons,
)
from savg.pipelines.progress import OnStep, Progress
from savg.pipelines.sound_embedding import Sound, SoundEmbedding
from savg.pipelines.steered_sampling import PUBLISHED, StereoSyncSampler
from savg.pipelines.steering import (
    Given,
    GivenDepth,
    Like,
    Steering,
    depth_source,
    level_source,
    sound_source,
)
from savg.pipelines.stereosync_codec import codec_with
from savg.pipelines.stereosync_parts import ROLES, Vae, described, read_parts, write_parts
from savg.pipelines.visual_features import Persons
from savg.pipelines.vocoders import Vocoder
from savg.video import MAX_FPS, MAX_SECONDS, Soundtrack, Video


@dataclass
class StereoSyncPipeline(AudioPipeline):
    """The network, a VAE, what says what sounds and who is where, and a sampler.

    vocoder: of a mel VAE, None beside Oobleck; cards: of the components by role; depth: what sees depth
    in a video, for a network that was trained with it.
    """

    name: ClassVar[str] = "stereosync"
    options: ClassVar[frozenset[str]] = frozenset(
        {"guidance", "boxes", "envelope", "semantic", "person", "depth", "weights"}
    )
    network: StereoSync
    vae: Vae
    vocoder: Vocoder | None
    sampler: StereoSyncSampler
    compute: Compute
    cards: Mapping[str, Card]
    sound: Sound | None = None
    persons: Persons | None = None
    depth: DepthEstimator | None = None

    def __post_init__(self) -> None:
        config = self.network.config
        try:
            self.codec = codec_with(self.vae, self.vocoder)
        except ValueError as error:
            raise DescriptionError(f"{error}.") from error
        problem = self.codec.problem(config, self.sampler.seconds)
        if problem:
            raise DescriptionError(f"{problem}.")
        if self.sound is not None and self.sound.width != config.tokens.audio_width:
            raise DescriptionError(
                f"sounds: the embedding must have {config.tokens.audio_width} values, got "
                f"{self.sound.width}."
            )
        card, device = self.cards.get("network"), str(self.compute.device)
        name = None if card is None else card.facts.get(FACT)
        self.embedding = embedding_of(name, config.tokens.depth_width, device)

    @classmethod
    def load(cls, description: Description, compute: Compute) -> Self:
        parts = read_parts(description, compute)
        sampler = setting(description.values, "sampler", StereoSyncSampler, "a sampler")
        cards, people = parts.cards, None
        if description.values.get("persons") is not None:
            place = component_folder(description.folder, description.values, "persons")
            people, cards["persons"] = read_persons(place, compute.device, sampler.score)
        return cls(
            parts.network, parts.vae, parts.vocoder, sampler, compute, cards, parts.sound, people,
            parts.depth,
        )  # fmt: skip

    @classmethod
    def published(cls, folders: Mapping[str, str]) -> dict[str, Any] | None:
        """Around a file of stable-audio-open-1.0, whose branch and projections are yet to be trained:
        what `train export --pipeline` puts a trained network into."""
        roles = {"network": "stereosync", "vae": "oobleck"}
        if not all(kind in folders for kind in roles.values()):
            return None
        description = {KEY: cls.name} | {role: folders[kind] for role, kind in roles.items()}
        if "yolox" in folders:
            description["persons"] = folders["yolox"]
        return description | {"clap": REPO, "sampler": asdict(PUBLISHED)}

    @property
    def components(self) -> Mapping[str, Card]:
        return self.cards

    @property
    def sample_rate(self) -> int:
        return self.codec.rate

    @property
    def takes_boxes(self) -> bool:
        """Always."""
        return True

    @property
    def batch_size(self) -> int:
        return 4 if self.compute.device.type == "cpu" else 32

    def with_persons(self, persons: Persons) -> Self:
        return replace(self, persons=persons, cards=other_cards(self.cards))

    def describe(self) -> dict[str, Any]:
        description: dict[str, Any] = {KEY: self.name} | described(
            self.vocoder, self.sound, self.depth
        )
        if getattr(self.persons, "model", None) is not None:
            description["persons"] = "persons"
        return description | {"sampler": asdict(self.sampler)}

    def save_components(self, folder: str | os.PathLike[str]) -> None:
        write_parts(
            folder, self.network, self.vae, self.vocoder, self.sound, self.depth, self.cards
        )
        write_persons(self.persons, Path(folder) / "persons", self.cards.get("persons"))

    def stages(self, steps: int | None = None) -> tuple[tuple[str, int], ...]:
        """For a video of one window."""
        looks = looks_in(Fraction(self.sampler.seconds), self.sampler.fps)
        return ("people", looks), ("audio", self.sampler.with_overrides(steps, None).steps)

    def total(
        self,
        durations: Sequence[Fraction],
        steps: int | None = None,
        *,
        batch_size: int | None = None,
    ) -> int:
        windows = sum(len(self.sampler.windows(duration)) for duration in durations)
        batches = -(-windows // (batch_size or self.batch_size))
        looks = sum(looks_in(duration, self.sampler.fps) for duration in durations)
        return looks + batches * self.sampler.with_overrides(steps, None).steps

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
        envelope: Given = "own",
        semantic: Like = "own",
        person: Whom = "longest",
        depth: GivenDepth = "own",
        weights: Mapping[str, float] | None = None,
    ) -> list[NDArray[np.float32]]:
        """As the contract says; what a video does not have is withheld.

        Args:
            guidance: of all conditions together (None: as the pipeline says; 1: none).
            boxes: False withholds the person.
            envelope: what the level follows: the video's own audio, another one, a drawn curve, or
                nothing.
            semantic: what it shall sound like: the video's own audio, another one, `Words` (where CLAP
                says what sounds), or nothing.
            person: whom it follows, as in `choose_person`, or a path in place of a person.
            depth: maps of the video, "own" for what the pipeline sees itself (nothing where it has no
                network for it), or nothing.
            weights: of "spatial", "envelope" and "semantic", in place of the pipeline's.

        Raises:
            SavgError: a value out of range, or nobody of that number.
        """
        check_batch(seed, first, batch_size)
        sampler = self.sampler.with_overrides(steps, guidance).with_weights(weights)
        durations = [video.duration for video in videos]
        progress = Progress(on_step, self.total(durations, steps, batch_size=batch_size))
        steering = [
            self._steering(video, envelope, semantic, person if boxes else None, depth, progress)
            for video in videos
        ]

        def make(group: Sequence[Window]) -> NDArray[np.float32]:
            steered = [(window, steering[window.index - first]) for window in group]
            audio = self._sample(steered, seed, sampler, progress)
            progress.base += sampler.steps
            return audio

        batch = batch_size or self.batch_size
        return in_windows(videos, sampler, self.codec.rate, batch, make, first=first)

    def _steering(
        self,
        video: Video,
        envelope: Given,
        semantic: Like,
        whom: Whom | None,
        depth: GivenDepth,
        progress: Progress,
    ) -> Steering:
        return Steering(
            self._follow(video, whom, progress),
            level_source(video, envelope, self.codec.rate),
            sound_source(video, semantic, self.codec.rate),
            depth_source(video, depth, self.depth, self.embedding is not None),
        )

    def _follow(
        self, video: Video, whom: Whom | None, progress: Progress
    ) -> tuple[Track, Fraction] | None:
        """The person whom the audio follows, and the frames a second of that track; None for nobody."""
        looks = looks_in(video.duration, self.sampler.fps)

        def report(done: int) -> None:
            progress.report(done, lambda: video.frames)

        if whom is None or isinstance(whom, BoxPath):
            report(looks)
            progress.base += looks
            return None if whom is None else whom.track(video.duration)
        boxes, fps = people_in(video, self.sampler.fps, self.persons, report)
        progress.base += looks
        tracks = track(boxes, fps)
        if whom == "longest" and not persons(tracks):
            return None
        return choose_person(tracks, whom), fps

    def conditions(self, window: Window, steering: Steering) -> Conditions:
        """The conditions [1, …] of a window; NaN where one is withheld."""
        return steering.conditions(
            self.network.config, self.codec, self.sampler.seconds, window.start, self.sound,
            self.embedding,
        )  # fmt: skip

    @torch.inference_mode()
    def _sample(
        self,
        windows: Sequence[tuple[Window, Steering]],
        seed: int,
        sampler: StereoSyncSampler,
        progress: Progress,
    ) -> NDArray[np.float32]:
        """Audio [B, 2, T] of windows."""
        device, dtype = self.compute.device, self.compute.dtype
        frames = windows[0][0].video.frames

        def report(done: int, _: int, __: object) -> None:
            progress.report(done, lambda: frames)

        def v(x: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
            return self.network(x.to(dtype), t, conditions).float()

        given = Conditions.stack([self.conditions(*one) for one in windows])
        shape = (self.codec.channels, self.codec.lengths(self.sampler.seconds)[0])
        noise = torch.cat([window.noise(seed, shape) for window, _ in windows]).to(device)
        latents = multistep(
            CosineDiffusion(sampler.sigma_min, sampler.sigma_max),
            sampler.guided(v, given, device),
            noise,
            steps=sampler.steps,
            on_step=report if progress.on_step else None,
        )
        return self.decode(self.network.unnormalize(latents))

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> NDArray[np.float32]:
        """Audio [B, 2, seconds · rate] in −1..1 of the VAE's latents [B, C, L].

        SavgError for audio that is not finite.
        """
        audio = self.codec.decode(latents.float())
        if not bool(audio.isfinite().all()):
            raise SavgError(
                "The network's output must be finite, got NaN or infinity: check its weights, or try "
                "float32."
            )
        samples = round(Fraction(self.sampler.seconds) * self.codec.rate)
        return audio[..., :samples].clamp(-1, 1).cpu().numpy().astype(np.float32)

    def read(
        self,
        source: str | os.PathLike[str],
        *,
        max_seconds: float = MAX_SECONDS,
        watch: Callable[[float], object] | None = None,
    ) -> Video:
        """The video with its own audio, if it has some, at as many frames a second as people are looked
        for in."""
        fps, rate = max(MAX_FPS, self.sampler.fps), self.codec.rate
        video = Video.read(source, max_seconds=max_seconds, watch=watch, fps=fps)
        audio = audio_of(source, float(video.duration), rate)
        return video if audio is None else replace(video, audio=Soundtrack(audio, rate))


def tiny(seed: int = 0) -> StereoSyncPipeline:
    """A pipeline of random weights that runs in a second, for windows of 2 s that share one."""
    from savg.detectors.persons import YoloxDetector
    from savg.models import istft_vocoder, mel_vae, seld, stereosync
    from savg.models.istft_vocoder import IstftVocoder
    from savg.models.mel_vae import MelVae
    from savg.models.seld import Seld
    from savg.models.yolox import CONFIGS, Yolox

    config = stereosync.CONFIGS["tiny"]
    sounds = seld.CONFIGS["tiny"]
    tokens = replace(config.tokens, audio_width=sounds.d_model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = StereoSync(replace(config, tokens=tokens))
        for parameter in network.parameters():
            if not parameter.any():  # let all depend on all
                nn.init.normal_(parameter, std=0.1)
        vae, vocoder = MelVae(mel_vae.CONFIGS["tiny"]), IstftVocoder(istft_vocoder.CONFIGS["tiny"])
        sound = SoundEmbedding(Seld(sounds).eval())
        persons = YoloxDetector(Yolox(CONFIGS["tiny"]).eval(), 0.0)
    cards = {role: Card("MIT", "random") for role in (*ROLES, "vocoder", "sounds", "persons")}
    sampler = StereoSyncSampler(steps=3, seconds=2.0, overlap=1.0, fps=1, score=0.0)
    return StereoSyncPipeline(
        network.eval(), vae.eval(), vocoder.eval(), sampler, choose("cpu", "float32"), cards, sound,
        persons,
    )  # fmt: skip
