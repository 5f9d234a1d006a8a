"""Video first, then stereo audio for it: the two-stage method [S2]."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.device import Compute
from savg.errors import brief
from savg.hub import Card
from savg.pipelines.base import AudioPipeline, ClipPipeline, Pipeline, check_call
from savg.pipelines.description import KEY, STAGES, Description, DescriptionError
from savg.pipelines.direction import Direction
from savg.pipelines.direction_text import FRAMES_ONLY
from savg.pipelines.progress import OnStep, Progress, looks, without_preview
from savg.pipelines.registry import AUDIO
from savg.pipelines.video import VideoPipeline
from savg.video import Video


@contextmanager
def _within(stage: str) -> Iterator[None]:
    """Errors of a stage's description name the stage."""
    try:
        yield
    except DescriptionError as error:
        raise error.within(stage) from error


@dataclass
class TwoStagePipeline(ClipPipeline):
    """The first stage makes the frames of a clip, the second its audio from them.

    One JSON file describes both, under "video" and "sound"; their components are beside each other. The
    second stage is `VideoToAudio`, or the pipeline of the audio registry that its description names.
    """

    name: ClassVar[str] = "two_stage"
    options: ClassVar[frozenset[str]] = VideoPipeline.options | {"audio_steps", "guidance", "boxes"}
    video: VideoPipeline
    audio: AudioPipeline

    def __post_init__(self) -> None:
        self.compute, self.format = self.video.compute, self.video.format
        rates = self.video.format.sample_rate, self.audio.sample_rate
        if rates[0] != rates[1]:
            raise DescriptionError(
                f"the sample rate of clips must be that of the second stage, {rates[1]} Hz, "
                f"got {rates[0]} Hz."
            )

    @classmethod
    def load(cls, description: Description, compute: Compute) -> Self:
        stages = description.stages
        for stage in STAGES:
            if stage not in stages:
                raise DescriptionError(
                    f"a {cls.name!r} pipeline is described under 'video' and 'sound'; {stage!r} is "
                    "missing."
                )
        second = stages["sound"].name
        if second not in AUDIO:
            raise DescriptionError(
                f"sound: pipeline must be one of {', '.join(AUDIO)}, got {brief(second)}."
            )
        with _within("video"):
            video = VideoPipeline.load(stages["video"], compute)
        with _within("sound"):
            audio = AUDIO[second].load(stages["sound"], compute)
        return cls(video, audio)

    @property
    def components(self) -> Mapping[str, Card]:
        return {**self.video.components, **self.audio.components}

    @property
    def audio_stage(self) -> AudioPipeline:
        return self.audio

    def ignored(self, direction: Direction) -> str:
        of_audio = direction.sound is not None or direction.x is not None
        deaf = self.video.directions and not self._audio_takes_directions
        return FRAMES_ONLY if of_audio and deaf else ""

    def unlearnt(self, steps: int | None) -> str:
        return self.video.unlearnt(steps)

    @property
    def _audio_takes_directions(self) -> bool:
        return bool(getattr(self.audio, "directions", 0))

    def describe(self) -> dict[str, Any]:
        stages: dict[str, Pipeline] = {"video": self.video, "sound": self.audio}
        description: dict[str, Any] = {KEY: self.name}
        for stage, pipeline in stages.items():
            own = pipeline.describe()
            if pipeline.name == STAGES[stage]:
                del own[KEY]
            description[stage] = own
        return description

    def save_components(self, folder: str | os.PathLike[str]) -> None:
        self.video.save_components(folder)
        self.audio.save_components(folder)

    @property
    def batch_size(self) -> int:
        return self.video.batch_size

    @property
    def takes_boxes(self) -> bool:
        """Whether the second stage takes persons' boxes."""
        return self.audio.takes_boxes

    def stages(self, steps: int | None = None) -> tuple[tuple[str, int], ...]:
        audio_steps = self.audio.total([self.format.duration])
        return (*self.video.stages(steps), ("audio", audio_steps))

    def total(
        self,
        num_clips: int = 1,
        steps: int | None = None,
        *,
        batch_size: int | None = None,
        sampler: str | None = None,
        superres_steps: int | None = None,
        audio_steps: int | None = None,
    ) -> int:
        batch = batch_size or self.batch_size
        return sum(
            self.video.total(
                count, steps, batch_size=batch, sampler=sampler, superres_steps=superres_steps
            )
            + self._audio_total(count, batch, audio_steps)
            for count in map(len, _batches(0, num_clips, batch))
        )

    def _audio_total(self, count: int, batch: int, steps: int | None) -> int:
        return self.audio.total([self.format.duration] * count, steps, batch_size=batch)

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
        audio_steps: int | None = None,
        guidance: float | None = None,
        boxes: bool = True,
        direction: Direction | None = None,
    ) -> list[Clip]:
        """As the contract says. The frames are those of the first stage by itself; the audio is made
        for them as they are returned, flipped or not.

        Args:
            steps, sampler, superres_steps, as_published: of the first stage.
            audio_steps, guidance: of the second stage.
            boxes: False withholds persons' boxes from a second stage that takes them.
            direction: what the clips shall be; a second stage that takes no direction follows the
                frames alone, which `ignored` tells.
        """
        check_call(num_clips, seed, first, batch_size)
        batch = batch_size or self.batch_size
        video_options: dict[str, Any] = {
            "steps": steps, "sampler": sampler, "superres_steps": superres_steps
        }  # fmt: skip
        audio_options: dict[str, Any] = {"steps": audio_steps, "guidance": guidance, "boxes": boxes}
        if self._audio_takes_directions:
            audio_options["direction"] = direction
        total = self.total(num_clips, batch_size=batch, audio_steps=audio_steps, **video_options)
        progress = Progress(on_step, total)

        def report(done: int, _: int, preview: NDArray[np.uint8]) -> None:
            progress.report(done, lambda: preview)

        if not looks(on_step):
            report = without_preview(report)
        clips: list[Clip] = []
        for numbers in _batches(first, num_clips, batch):
            common: dict[str, Any] = {
                "first": numbers.start,
                "batch_size": batch,
                "on_step": report if on_step else None,
            }
            frames = self.video(
                len(numbers),
                seed,
                as_published=as_published,
                direction=direction,
                **video_options,
                **common,
            )
            progress.base += self.video.total(len(numbers), batch_size=batch, **video_options)
            videos = [Video(part, Fraction(self.format.fps)) for part in frames]
            audio = self.audio.for_videos(videos, seed, **audio_options, **common)
            progress.base += self._audio_total(len(numbers), batch, audio_steps)
            clips += [Clip(*both, self.format) for both in zip(frames, audio, strict=True)]
        return clips


def _batches(first: int, count: int, size: int) -> list[range]:
    """The numbers first … first + count − 1 in batches."""
    end = first + count
    return [range(start, min(start + size, end)) for start in range(first, end, size)]


def tiny(seed: int = 0, boxes: int = 0) -> TwoStagePipeline:
    """A pipeline of random weights that runs in a second, for clips of 1 s."""
    from savg.pipelines import video, video_to_audio

    first, second = video.tiny(seed), video_to_audio.tiny(seed, boxes)
    first.format = replace(first.format, sample_rate=second.sample_rate)
    return TwoStagePipeline(first, second)
