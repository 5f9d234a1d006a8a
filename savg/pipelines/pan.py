"""A video's own audio moved with a person: stereo for mono videos, and the bar for learned methods.

The audio becomes mono, W = (L + R) / 2, and is panned to the azimuth θ of a tracked person as the
benchmark's data are: left = W + Y = W (1 + sin θ), right = W − Y = W (1 − sin θ) [S1]. The azimuth is
that of the box's middle in a perspective view of 100°. Nothing is made but direction: reverberation
moves with the person, and other sources too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import cache
from math import ceil
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from savg.audio.resample import resample
from savg.clip import Clip
from savg.detectors.tracking import Track, choose_person, track
from savg.device import Compute, choose
from savg.errors import SavgError, brief, whole_number
from savg.fields import Between, Rate, Share, check
from savg.format import SAVGBENCH
from savg.geometry import FIELD_OF_VIEW, stereo_gains, x_to_azimuth
from savg.hub import Card, component_folder
from savg.media.audio_track import audio_of
from savg.pipelines.base import AudioPipeline, check_batch
from savg.pipelines.box_path import BoxPath, Whom
from savg.pipelines.description import KEY, Description, DescriptionError, setting
from savg.pipelines.person_parts import (
    looks_in,
    other_cards,
    people_in,
    read_persons,
    write_persons,
)
from savg.pipelines.progress import OnStep, Progress
from savg.pipelines.visual_features import Persons
from savg.video import MAX_SECONDS, Soundtrack, Video

Audio = NDArray[np.float32]

Source = Literal["own", "network"]

CORNER = 0.01
"""Seconds between the moments at which gains are computed; they are linear in between."""

NO_AUDIO = (
    "The video has no audio of its own to pan: choose an audio file (--audio FILE), or audio made by "
    "the network (--audio network)."
)
SILENT = "The audio that is to be panned must not be silent."


@dataclass(frozen=True)
class PanSettings:
    """How audio is panned.

    audio: what is panned unless a call says so, the video's own audio or that of the network; fps:
    frames a second that people are looked for in, at most; score: of a detection, at least;
    field_of_view: of the frame, in degrees; sample_rate: of the audio, in Hz. SavgError for values out
    of range.
    """

    audio: Source = "own"
    fps: Annotated[int, Between(1, 60)] = 8
    score: Share = 0.3
    field_of_view: Annotated[float, Between(1, 170)] = FIELD_OF_VIEW
    sample_rate: Rate = 48_000

    def __post_init__(self) -> None:
        check(self, error=SavgError)


def pan(
    mono: Audio,
    rate: int,
    person: Track,
    fps: float | Fraction,
    field_of_view: float = FIELD_OF_VIEW,
) -> Audio:
    """Mono audio [T] where a person is at each moment [2, T], quieter as a whole where it would clip.

    Args:
        rate: of the audio, in Hz.
        person: in pixels of a 256-wide frame, frame k shown from k / fps to (k + 1) / fps seconds.
        field_of_view: of the frame, in degrees.
    """
    seconds = len(mono) / rate
    corners = np.linspace(0, seconds, max(2, ceil(seconds / CORNER) + 1))
    x = person.x_at(corners * float(fps) - 0.5).clip(0, SAVGBENCH.size)
    gains = stereo_gains(x_to_azimuth(x, field_of_view=field_of_view))
    times = (np.arange(len(mono)) + 0.5) / rate
    audio = np.stack([np.interp(times, corners, gain).astype(np.float32) for gain in gains]) * mono
    peak = float(np.abs(audio).max(initial=0.0))
    return (audio / np.float32(peak)).clip(-1, 1) if peak > 1 else audio


@dataclass
class PanPipeline(AudioPipeline):
    """A person detector, how audio is panned, and the pipeline that makes audio, if there is one.

    cards: of its own components; build_sound: builds that pipeline. On a CPU its networks are built
    when they are first asked for: a video's own audio is panned without them.
    """

    name: ClassVar[str] = "pan"
    options: ClassVar[frozenset[str]] = frozenset({"guidance", "boxes", "audio", "person"})
    settings: PanSettings
    compute: Compute
    cards: Mapping[str, Card]
    persons: Persons | None = None
    build_sound: Callable[[], AudioPipeline] | None = None

    def __post_init__(self) -> None:
        if self.settings.audio == "network" and self.build_sound is None:
            raise DescriptionError("pan: audio must be 'own' without a 'sound', got 'network'.")

    @classmethod
    def load(cls, description: Description, compute: Compute) -> Self:
        settings = setting(description.values, "pan", PanSettings)
        place = component_folder(description.folder, description.values, "persons")
        persons, card = read_persons(place, compute.device, settings.score)
        build = _sound_of(description, compute)
        if build and (settings.audio == "network" or compute.device.type != "cpu"):
            build()  # a GPU that calls only borrow takes networks that were placed before
        return cls(settings, compute, {"persons": card}, persons, build)

    @property
    def sound(self) -> AudioPipeline | None:
        """The pipeline that makes audio; CheckpointError where its components do not fit."""
        return self.build_sound() if self.build_sound else None

    @property
    def components(self) -> Mapping[str, Card]:
        return {**self.cards, **(self.sound.components if self.sound else {})}

    @property
    def sample_rate(self) -> int:
        return self.settings.sample_rate

    @property
    def takes_boxes(self) -> bool:
        """Always: it follows them."""
        return True

    def with_persons(self, persons: Persons) -> Self:
        build = self.build_sound
        follows = None if build is None else cache(lambda: build().with_persons(persons))
        return replace(self, persons=persons, build_sound=follows, cards=other_cards(self.cards))

    @property
    def batch_size(self) -> int:
        made = self._made_by(None)
        return made.batch_size if made else 1

    def describe(self) -> dict[str, Any]:
        description: dict[str, Any] = {KEY: self.name, "persons": "persons"}
        description["pan"] = asdict(self.settings)
        if self.sound:
            description["sound"] = self.sound.describe()
        return description

    def save_components(self, folder: str | os.PathLike[str]) -> None:
        if self.sound:
            self.sound.save_components(folder)
        write_persons(self.persons, Path(folder) / "persons", self.cards.get("persons"))

    def stages(self, steps: int | None = None) -> tuple[tuple[str, int], ...]:
        """For a video of 5 s, or of one window of the network's."""
        looking = ("people", self._looks(SAVGBENCH.duration))
        return (*self._sound_stages(None, steps), looking)

    def _sound_stages(
        self, audio: Source | Soundtrack | None, steps: int | None
    ) -> tuple[tuple[str, int], ...]:
        made = self._made_by(audio)
        return made.stages(steps) if made else ()

    def _looks(self, duration: Fraction) -> int:
        """Steps in which people are looked for in a video of `duration` seconds."""
        return looks_in(duration, self.settings.fps)

    def total(
        self,
        durations: Sequence[Fraction],
        steps: int | None = None,
        *,
        batch_size: int | None = None,
        audio: Source | Soundtrack | None = None,
    ) -> int:
        made = self._made_by(audio)
        making = made.total(durations, steps, batch_size=batch_size) if made else 0
        return making + sum(map(self._looks, durations))

    def _made_by(self, audio: Source | Soundtrack | None) -> AudioPipeline | None:
        """The pipeline that makes what is panned, if it is made. SavgError for an unknown choice."""
        source = self.settings.audio if audio is None else audio
        if isinstance(source, Soundtrack) or source == "own":
            return None
        if source != "network":
            raise SavgError(f"audio must be 'own', 'network' or a Soundtrack, got {brief(source)}.")
        if self.build_sound is None:
            raise SavgError("audio must be 'own' or a Soundtrack: these weights make no audio.")
        return self.build_sound()

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
        audio: Source | Soundtrack | None = None,
        person: Whom = "longest",
    ) -> list[NDArray[np.float32]]:
        """As the contract says; seed, steps, guidance and boxes are of the network that makes audio.

        Args:
            audio: what is panned, as mono: "own" (the video's), "network" (made for it), or another
                one (None: as the pipeline says).
            person: whom it follows, as in `choose_person`, or a path in place of a person.

        Raises:
            SavgError: there is nobody, or no audio.
        """
        check_batch(seed, first, batch_size)
        if steps is not None:
            whole_number("steps", steps, 1)
        made = self._made_by(audio)
        durations = [video.duration for video in videos]
        total = self.total(durations, steps, batch_size=batch_size, audio=audio)
        progress = Progress(on_step, total)
        if made:
            options: dict[str, Any] = {"steps": steps, "guidance": guidance, "boxes": boxes}
            parts = made.for_videos(
                videos, seed, first=first, batch_size=batch_size,
                on_step=_onward(progress) if on_step else None, **options,
            )  # fmt: skip
            progress.base += made.total(durations, steps, batch_size=batch_size)
            tracks = [Soundtrack(part, made.sample_rate) for part in parts]
        else:
            tracks = [_audio(video, audio) for video in videos]
        results = []
        for video, source in zip(videos, tracks, strict=True):
            follow = self._follow(video, person, progress)
            results.append(self._panned(source, video, follow, self.sample_rate))
        return results

    def _panned(
        self, source: Soundtrack, video: Video, follow: tuple[Track, Fraction], rate: int
    ) -> Audio:
        mono = source.mono(rate, round(video.duration * rate))
        if not mono.any():
            raise SavgError(NO_AUDIO if source is video.audio else SILENT)
        return pan(mono, rate, *follow, self.settings.field_of_view)

    def _follow(self, video: Video, person: Whom, progress: Progress) -> tuple[Track, Fraction]:
        """The person whom the audio follows, and the frames a second of that track."""

        looks = self._looks(video.duration)

        def report(done: int) -> None:
            progress.report(done, lambda: video.frames)

        if isinstance(person, BoxPath):
            report(looks)
            progress.base += looks
            return person.track(video.duration)
        boxes, fps = people_in(video, self.settings.fps, self.persons, report)
        progress.base += looks
        return choose_person(track(boxes, fps), person), fps

    def read(
        self,
        source: str | os.PathLike[str],
        *,
        max_seconds: float = MAX_SECONDS,
        watch: Callable[[float], object] | None = None,
    ) -> Video:
        """The video with its own audio, if it has some."""
        video = super().read(source, max_seconds=max_seconds, watch=watch)
        audio = audio_of(source, float(video.duration), self.sample_rate)
        return video if audio is None else replace(video, audio=Soundtrack(audio, self.sample_rate))

    def clip(self, clip: Clip, **options: Any) -> Clip:
        """The clip with its audio panned, at its own sample rate. Options as in a call."""
        rate = clip.format.sample_rate
        audio = resample(self(clip, **options), self.sample_rate, rate)[:, : clip.format.samples]
        return Clip(clip.video, audio.clip(-1, 1), clip.format)


def _sound_of(description: Description, compute: Compute) -> Callable[[], AudioPipeline] | None:
    """What builds the pipeline of the stage "sound", once; None without such a stage."""
    from savg.pipelines.registry import AUDIO

    stage = description.stages.get("sound")
    if stage is None:
        return None
    if stage.name not in AUDIO or AUDIO.entries[stage.name].follows:
        raise DescriptionError(
            f"sound: pipeline must be one that makes audio, got {brief(stage.name)}."
        )

    @cache
    def build() -> AudioPipeline:
        try:
            return AUDIO[stage.name].load(stage, compute)
        except DescriptionError as error:
            raise error.within("sound").of(description) from error

    return build


def _audio(video: Video, audio: Source | Soundtrack | None) -> Soundtrack:
    """What is panned for a video: what is given, or its own audio. SavgError where it has none."""
    source = audio if isinstance(audio, Soundtrack) else video.audio
    if source is None:
        raise SavgError(NO_AUDIO)
    return source


def _onward(progress: Progress) -> OnStep:
    """A callback of a part that reports its steps as those of the whole."""

    def on_step(done: int, _: int, preview: NDArray[np.uint8]) -> None:
        progress.report(done, lambda: preview)

    return on_step


def tiny(seed: int = 0) -> PanPipeline:
    """A pipeline of random weights that runs in a second, whose network makes what is panned."""
    from savg.detectors.persons import YoloxDetector
    from savg.models.yolox import CONFIGS, Yolox
    from savg.pipelines import video_to_audio

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Yolox(CONFIGS["tiny"])
    settings = PanSettings("network", fps=1, score=0.0, sample_rate=16_000)
    cards = {"persons": Card("MIT", "random")}
    persons = YoloxDetector(model, settings.score)
    compute = choose("cpu", "float32")
    sound = video_to_audio.tiny(seed)
    return PanPipeline(settings, compute, cards, persons, lambda: sound)
