"""Pictures first, then stereo sound for them: the two-stage method [S2]."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.device import Compute
from savg.errors import CheckpointError
from savg.hub import Card
from savg.pipelines.base import AudioPipeline, ClipPipeline, Pipeline, check_call
from savg.pipelines.description import KEY, STAGES, Description
from savg.pipelines.progress import OnStep, Progress
from savg.pipelines.registry import AUDIO
from savg.pipelines.video import VideoPipeline
from savg.video import Video


@dataclass
class TwoStagePipeline(ClipPipeline):
    """The first stage makes the pictures of a clip, the second its sound from them.

    One JSON file describes both, under "video" and "sound"; their components lie beside each other. The
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
            raise CheckpointError(
                f"pipeline.json: clips with sound of {rates[0]} Hz do not fit a second stage of "
                f"{rates[1]} Hz."
            )

    @classmethod
    def load(cls, description: Description, compute: Compute) -> Self:
        stages = description.stages
        for stage in STAGES:
            if stage not in stages:
                raise CheckpointError(
                    f"{description.folder}: a {cls.name!r} pipeline is described under 'video' and "
                    f"'sound'; {stage!r} is missing."
                )
        return cls(
            VideoPipeline.load(stages["video"], compute),
            AUDIO[stages["sound"].name].load(stages["sound"], compute),
        )

    @property
    def components(self) -> Mapping[str, Card]:
        return {**self.video.components, **self.audio.components}

    @property
    def audio_stage(self) -> AudioPipeline:
        return self.audio

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
        """Whether the second stage is told where persons are."""
        return self.audio.takes_boxes

    def stages(self, steps: int | None = None) -> tuple[tuple[str, int], ...]:
        heard = self.audio.total([self.format.duration])
        return (*self.video.stages(steps), ("audio", heard))

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
    ) -> list[Clip]:
        """As the contract says: pictures are those of the first stage by itself, and the sound is made
        for them as they are shown.

        Args:
            steps, sampler, superres_steps, as_published: of the first stage.
            audio_steps, guidance: of the second stage.
            boxes: False keeps persons' boxes from a second stage that takes some.
        """
        check_call(num_clips, seed, first, batch_size)
        batch = batch_size or self.batch_size
        seen: dict[str, Any] = {
            "steps": steps, "sampler": sampler, "superres_steps": superres_steps
        }  # fmt: skip
        heard: dict[str, Any] = {"steps": audio_steps, "guidance": guidance, "boxes": boxes}
        total = self.total(num_clips, batch_size=batch, audio_steps=audio_steps, **seen)
        progress = Progress(on_step, total)

        def tell(done: int, _: int, preview: NDArray[np.uint8]) -> None:
            progress.tell(done, lambda: preview)

        clips: list[Clip] = []
        for some in _batches(first, num_clips, batch):
            where: dict[str, Any] = {
                "first": some.start,
                "batch_size": batch,
                "on_step": tell if on_step else None,
            }
            pictures = self.video(len(some), seed, as_published=as_published, **seen, **where)
            progress.base += self.video.total(len(some), batch_size=batch, **seen)
            videos = [Video(frames, Fraction(self.format.fps)) for frames in pictures]
            sounds = self.audio.for_videos(videos, seed, **heard, **where)
            progress.base += self._audio_total(len(some), batch, audio_steps)
            clips += [Clip(*both, self.format) for both in zip(pictures, sounds, strict=True)]
        return clips


def _batches(first: int, count: int, size: int) -> list[range]:
    """The numbers first … first + count − 1 in batches."""
    end = first + count
    return [range(start, min(start + size, end)) for start in range(first, end, size)]


def tiny(seed: int = 0, boxes: int = 0) -> TwoStagePipeline:
    """A pipeline of random weights that runs in a second, for clips of 1 s."""
    from savg.pipelines import video, video_to_audio

    pictures = video.tiny(seed)
    sound = video_to_audio.tiny(seed, boxes)
    pictures.format = replace(pictures.format, sample_rate=sound.sample_rate)
    return TwoStagePipeline(pictures, sound)
