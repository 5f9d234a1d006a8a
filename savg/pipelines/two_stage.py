"""Pictures first, then stereo sound for them: the two-stage method [S2]."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.device import Compute, choose
from savg.errors import CheckpointError
from savg.format import ClipFormat
from savg.hub import PIPELINE_FILE, write_json
from savg.paths import whole_folder
from savg.pipelines import described
from savg.pipelines.diffusion import check_call
from savg.pipelines.progress import OnStep, Progress
from savg.pipelines.video import VideoPipeline
from savg.pipelines.video_to_audio import VideoToAudio
from savg.video import Video


@dataclass
class TwoStagePipeline:
    """The first stage makes the pictures of a clip, the second its sound from them.

    One JSON file describes both, under "video" and "sound"; their components lie beside each other.
    """

    video: VideoPipeline
    sound: VideoToAudio

    def __post_init__(self) -> None:
        rates = self.video.format.sample_rate, self.sound.sample_rate
        if rates[0] != rates[1]:
            raise CheckpointError(
                f"pipeline.json: clips with sound of {rates[0]} Hz do not fit a second stage of "
                f"{rates[1]} Hz."
            )

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str] = "demo",
        device: str | None = None,
        dtype: str | None = None,
    ) -> Self:
        """The pipeline of "demo", a folder or a Hub repo id; CheckpointError for anything else."""
        return cls.load(*described(source, "two_stage"), choose(device, dtype))

    @classmethod
    def load(cls, folder: Path, description: Mapping[str, Any], compute: Compute) -> Self:
        """The pipeline whose components `description` names in `folder`."""
        for stage in ("video", "sound"):
            if not isinstance(description.get(stage), Mapping):
                raise CheckpointError(
                    f"{folder}: a 'two_stage' pipeline is described under 'video' and 'sound'; "
                    f"{stage!r} is missing."
                )
        return cls(
            VideoPipeline.load(folder, description["video"], compute),
            VideoToAudio.load(folder, description["sound"], compute),
        )

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write a folder that `from_pretrained` loads, whole or not at all."""
        with whole_folder(folder) as part:
            description = {
                "pipeline": "two_stage",
                "video": self.video.save_parts(part),
                "sound": self.sound.save_parts(part),
            }
            write_json(part / PIPELINE_FILE, description)

    @property
    def compute(self) -> Compute:
        """Where both stages run."""
        return self.video.compute

    @property
    def format(self) -> ClipFormat:
        """Of the clips."""
        return self.video.format

    @property
    def batch_size(self) -> int:
        """Clips computed together unless told otherwise."""
        return self.video.batch_size

    @property
    def takes_boxes(self) -> bool:
        """Whether the second stage is told where persons are."""
        return self.sound.takes_boxes

    def stages(self, steps: int | None = None) -> tuple[tuple[str, int], ...]:
        """What is done for one clip, and in how many steps, in order."""
        heard = self.sound.total([self.format.duration])
        return (*self.video.stages(steps), ("sound", heard))

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
        sound_steps: int | None = None,
        guidance: float | None = None,
        boxes: bool = True,
    ) -> list[Clip]:
        """Clips `first` … `first + num_clips − 1` of a seed, as `JointPipeline` makes them.

        steps, sampler: of the video network; sound_steps, guidance: of the second stage; boxes: False
        keeps persons' boxes from one that takes some. A clip depends on the seed and its own index
        alone; pictures are those of the first stage by itself, and the sound is made for them as
        they are shown. Errors as there.
        """
        check_call(num_clips, seed, first, batch_size)
        batch = batch_size or self.batch_size
        ends = first + num_clips
        batches = [range(i, min(i + batch, ends)) for i in range(first, ends, batch)]
        lasts = self.format.duration
        seeing = {"steps": steps, "sampler": sampler, "superres_steps": superres_steps}
        hearing = {"steps": sound_steps, "guidance": guidance, "boxes": boxes}
        per_batch = [
            (
                self.video.total(len(some), batch_size=batch, **seeing),  # type: ignore[arg-type]
                self.sound.total([lasts] * len(some), sound_steps, batch),
            )
            for some in batches
        ]
        progress = Progress(on_step, sum(map(sum, per_batch)))

        def tell(done: int, _: int, preview: NDArray[np.uint8]) -> None:
            progress.tell(done, lambda: preview)

        listener = tell if on_step else None
        clips: list[Clip] = []
        for some, (seen, heard) in zip(batches, per_batch, strict=True):
            where = {"first": some.start, "batch_size": batch, "on_step": listener}
            pictures = self.video(len(some), seed, as_published=as_published, **seeing, **where)  # type: ignore[arg-type]
            progress.base += seen
            films = [Video(frames, Fraction(self.format.fps)) for frames in pictures]
            sounds = self.sound.sounds(films, seed, **hearing, **where)  # type: ignore[arg-type]
            progress.base += heard
            clips += [Clip(*both, self.format) for both in zip(pictures, sounds, strict=True)]
        return clips


def tiny(seed: int = 0, boxes: int = 0) -> TwoStagePipeline:
    """A pipeline of random weights that runs in a second, for clips of 1 s."""
    from savg.pipelines import video, video_to_audio

    pictures = video.tiny(seed)
    sound = video_to_audio.tiny(seed, boxes)
    pictures.format = replace(pictures.format, sample_rate=sound.sample_rate)
    return TwoStagePipeline(pictures, sound)
