"""StereoSync: stereo audio for a video that follows a person's boxes, an envelope and what sounds [S3].

The person is tracked through the whole video. The envelope and the embedding of what sounds are of the
video's own audio or another recording, or the envelope is drawn; what is not given is withheld. A
diffusion transformer with a ControlNet makes latents, which a mel VAE and a vocoder decode, each
channel by itself. Longer audio is made in windows that are cross-faded.
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
from savg.hub import Card, component_folder, load_component, save_component
from savg.media.audio_track import audio_of
from savg.models.mel_vae import MelVae
from savg.models.mmaudio_lengths import MEL_HOPS, SequenceLengths
from savg.models.seld import Seld
from savg.models.stereo import per_channel
from savg.models.stereosync import Conditions, StereoSync
from savg.pipelines.base import AudioPipeline, check_batch
from savg.pipelines.box_path import BoxPath, Whom
from savg.pipelines.description import KEY, Description, DescriptionError, setting
from savg.pipelines.flow_sampling import Window, in_windows
from savg.pipelines.person_parts import (
    looks_in,
    other_cards,
    people_in,
    read_persons,
    write_persons,
)
from savg.pipelines.progress import OnStep, Progress
from savg.pipelines.steered_sampling import StereoSyncSampler
from savg.pipelines.steering import Given, Recording, Steering, level_source, mono_source
from savg.pipelines.stereosync_features import SoundEmbedding
from savg.pipelines.video_to_audio import VOCODERS, Vocoder
from savg.pipelines.visual_features import Persons
from savg.video import MAX_SECONDS, Soundtrack, Video

ROLES = ("network", "vae", "vocoder")


@dataclass
class StereoSyncPipeline(AudioPipeline):
    """The network, a mel VAE, a vocoder, what says what sounds and who is where, and a sampler.

    cards: of the components by role.
    """

    name: ClassVar[str] = "stereosync"
    options: ClassVar[frozenset[str]] = frozenset(
        {"guidance", "boxes", "envelope", "semantic", "person", "weights"}
    )
    network: StereoSync
    vae: MelVae
    vocoder: Vocoder
    sampler: StereoSyncSampler
    compute: Compute
    cards: Mapping[str, Card]
    sound: SoundEmbedding | None = None
    persons: Persons | None = None

    def __post_init__(self) -> None:
        config, own = self.network.config, self.vae.config.embed_dim
        if config.audio.latents != 2 * own or config.audio.overall:
            raise DescriptionError(
                f"network: the latent channels must be {2 * own}, twice the VAE's, without a global "
                f"condition, got {config.audio.latents}."
            )
        rates = [rate for rate, hop in MEL_HOPS.items() if hop == self.vocoder.config.hop]
        bands = self.vocoder.config.num_mels
        if not rates or bands != self.vae.config.data_dim:
            raise DescriptionError(
                f"vocoder: it must have the VAE's {self.vae.config.data_dim} bands and a hop of "
                f"{' or '.join(map(str, MEL_HOPS.values()))} samples, got {bands} bands."
            )
        if self.sound is not None and self.sound.width != config.tokens.audio_width:
            raise DescriptionError(
                f"sounds: the embedding must have {config.tokens.audio_width} values, got "
                f"{self.sound.width}."
            )
        self.rate = rates[0]
        try:
            self.lengths = SequenceLengths(self.sampler.seconds, self.rate)
        except ValueError as error:
            raise DescriptionError(f"sampler: {error}.") from error

    @classmethod
    def load(cls, description: Description, compute: Compute) -> Self:
        folder, values = description.folder, description.values
        parts: dict[str, nn.Module] = {}
        cards: dict[str, Card] = {}
        roles = [*ROLES, "sounds"] if values.get("sounds") is not None else ROLES
        for role in roles:
            parts[role], cards[role] = load_component(component_folder(folder, values, role))
        network, vae, vocoder, sounds = (parts.get(role) for role in (*ROLES, "sounds"))
        if not (
            isinstance(network, StereoSync)
            and isinstance(vae, MelVae)
            and isinstance(vocoder, Vocoder)
            and isinstance(sounds, Seld | None)
        ):
            kinds = ", ".join(type(part).__name__ for part in parts.values())
            raise DescriptionError(
                f"network: expected StereoSync, a mel VAE, a vocoder and a SELD network, found {kinds}."
            )
        sampler = setting(values, "sampler", StereoSyncSampler, "a sampler")
        people = None
        if values.get("persons") is not None:
            place = component_folder(folder, values, "persons")
            people, cards["persons"] = read_persons(place, compute.device, sampler.score)
        precise = Compute(compute.device, torch.float32, compute.channels_last, compute.reason)
        return cls(
            compute.place(network), precise.place(vae), precise.place(vocoder), sampler, compute,
            cards, SoundEmbedding(precise.place(sounds)) if sounds is not None else None, people,
        )  # fmt: skip

    @property
    def components(self) -> Mapping[str, Card]:
        return self.cards

    @property
    def sample_rate(self) -> int:
        return self.rate

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
        description: dict[str, Any] = {KEY: self.name} | {role: role for role in ROLES}
        if self.sound is not None:
            description["sounds"] = "sounds"
        if getattr(self.persons, "model", None) is not None:
            description["persons"] = "persons"
        return description | {"sampler": asdict(self.sampler)}

    def save_components(self, folder: str | os.PathLike[str]) -> None:
        place = Path(folder)
        networks: dict[str, tuple[str, nn.Module]] = {
            "network": ("stereosync", self.network),
            "vae": ("mel_vae", self.vae),
            "vocoder": (VOCODERS[type(self.vocoder)], self.vocoder),
        }
        if self.sound is not None:
            networks["sounds"] = ("seld", self.sound.network)
        for role, (kind, model) in networks.items():
            save_component(model, place / role, kind, self.cards[role])
        write_persons(self.persons, place / "persons", self.cards.get("persons"))

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
        semantic: Recording = "own",
        person: Whom = "longest",
        weights: Mapping[str, float] | None = None,
    ) -> list[NDArray[np.float32]]:
        """As the contract says; what a video does not have is withheld.

        Args:
            guidance: of all conditions together (None: as the pipeline says; 1: none).
            boxes: False withholds the person.
            envelope: what the level follows: the video's own audio, another one, a drawn curve, or
                nothing.
            semantic: what it shall sound like: the video's own audio, another one, or nothing.
            person: whom it follows, as in `choose_person`, or a path in place of a person.
            weights: of "spatial", "envelope" and "semantic", in place of the pipeline's.

        Raises:
            SavgError: a value out of range, or nobody of that number.
        """
        check_batch(seed, first, batch_size)
        sampler = self.sampler.with_overrides(steps, guidance).with_weights(weights)
        durations = [video.duration for video in videos]
        progress = Progress(on_step, self.total(durations, steps, batch_size=batch_size))
        steering = [
            self._steering(video, envelope, semantic, person if boxes else None, progress)
            for video in videos
        ]

        def make(group: Sequence[Window]) -> NDArray[np.float32]:
            steered = [(window, steering[window.index - first]) for window in group]
            audio = self._sample(steered, seed, sampler, progress)
            progress.base += sampler.steps
            return audio

        batch = batch_size or self.batch_size
        return in_windows(videos, sampler, self.rate, batch, make, first=first)

    def _steering(
        self,
        video: Video,
        envelope: Given,
        semantic: Recording,
        whom: Whom | None,
        progress: Progress,
    ) -> Steering:
        return Steering(
            self._follow(video, whom, progress),
            level_source(video, envelope, self.rate),
            mono_source(video, semantic, "semantic", self.rate),
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
        return steering.conditions(self.network.config, self.lengths, window.start, self.sound)

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
        shape = (self.network.config.audio.latents, self.lengths.latent)
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
        """Audio [B, 2, seconds · rate] in −1..1 of latents [B, 2C, L], left half first.

        SavgError for audio that is not finite.
        """
        mel = per_channel(self.vae.decode, latents.float().unflatten(1, (2, -1)))
        audio = per_channel(self.vocoder, mel)[:, :, 0]
        if not bool(audio.isfinite().all()):
            raise SavgError(
                "The network's output must be finite, got NaN or infinity: check its weights, or try "
                "float32."
            )
        samples = round(Fraction(self.sampler.seconds) * self.rate)
        return audio[..., :samples].clamp(-1, 1).cpu().numpy().astype(np.float32)

    def read(
        self,
        source: str | os.PathLike[str],
        *,
        max_seconds: float = MAX_SECONDS,
        watch: Callable[[float], object] | None = None,
    ) -> Video:
        """The video with its own audio, if it has some."""
        video = super().read(source, max_seconds=max_seconds, watch=watch)
        audio = audio_of(source, float(video.duration), self.rate)
        return video if audio is None else replace(video, audio=Soundtrack(audio, self.rate))


def tiny(seed: int = 0) -> StereoSyncPipeline:
    """A pipeline of random weights that runs in a second, for windows of 2 s that share one."""
    from savg.detectors.persons import YoloxDetector
    from savg.models import istft_vocoder, mel_vae, seld, stereosync
    from savg.models.istft_vocoder import IstftVocoder
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
    cards = {role: Card("MIT", "random") for role in (*ROLES, "sounds", "persons")}
    sampler = StereoSyncSampler(steps=3, seconds=2.0, overlap=1.0, fps=1, score=0.0)
    return StereoSyncPipeline(
        network.eval(), vae.eval(), vocoder.eval(), sampler, choose("cpu", "float32"), cards, sound,
        persons,
    )  # fmt: skip
