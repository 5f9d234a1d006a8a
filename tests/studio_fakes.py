"""Stand-ins for the networks: a clip with a known speaker on a known side, detectors that know it.

Run as a program, this serves a studio on them (for the browser tests).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.device import Compute, choose
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.hub import Card
from savg.pipelines.base import AudioPipeline, ClipPipeline, check_call
from savg.pipelines.description import Description
from savg.pipelines.pan import PanPipeline, PanSettings
from savg.pipelines.progress import Progress
from savg.studio.shared.services import AudioChoice, DetectorChoice, PipelineChoice, Services
from savg.video import Video

LEFT_X, RIGHT_X = 70.0, 186.0


def side_of(seed: int) -> float:
    """Where the speaker of a made-up clip stands: left for even seeds."""
    return LEFT_X if seed % 2 == 0 else RIGHT_X


def scene(seed: int = 0, format: ClipFormat = SAVGBENCH, x: float | None = None) -> Clip:
    """A figure that sways on a floor, and a tone that comes from where it stands."""
    rng = np.random.default_rng(seed)
    x = side_of(seed) if x is None else x
    rows, columns = np.mgrid[: format.picture_height, : format.size]
    video = np.zeros((format.frames, format.size, format.size, 3), np.uint8)
    wall = 150 - rows // 3
    for f in range(format.frames):
        image = np.stack([wall, wall - 8, wall - 20], -1).clip(0, 255)
        image[rows > 104] = (96, 84, 74)
        centre = x + 6 * np.sin(f / 2)
        body = ((columns - centre) / 20) ** 2 + ((rows - 96) / 46) ** 2 < 1
        head = ((columns - centre) / 12) ** 2 + ((rows - 38) / 15) ** 2 < 1
        image[body] = (38, 70, 110 + 30 * (seed % 3))
        image[head] = (205, 165, 140)
        image = image + rng.integers(-4, 5, image.shape)
        video[f, format.top : format.bottom] = image.clip(0, 255).astype(np.uint8)
    time_ = np.arange(format.samples) / format.sample_rate
    envelope = (np.sin(2 * np.pi * 0.6 * time_) > -0.4) * (
        0.6 + 0.4 * np.sin(2 * np.pi * 5 * time_)
    )
    tone = sum(np.sin(2 * np.pi * 180 * k * time_) / k for k in range(1, 6)) * envelope * 0.14
    pan = (x / format.size) * np.pi / 2
    audio = np.stack([np.cos(pan) * tone, np.sin(pan) * tone]).astype(np.float32)
    return Clip(video, audio, format)


def find_persons(clip: Clip) -> Boxes:
    """A box around the bluish body of each picture."""
    frames, corners = [], []
    for f, image in enumerate(clip.picture.astype(int)):
        columns = np.flatnonzero((image[..., 2] - image[..., 0] > 40).sum(axis=0) > 8)
        if len(columns):
            frames.append(f)
            corners.append(
                (columns[0], clip.format.top + 22, columns[-1] + 1, clip.format.bottom - 4)
            )
    n = len(frames)
    scores = np.full(n, 0.9)
    return Boxes(np.array(frames), np.zeros(n), np.array(corners, float).reshape(-1, 4), scores)


def find_sounds(clip: Clip) -> SoundEvents:
    """Speech where the level is high, at the position that the level difference tells.

    Every seventh event is put at the other side, so that there are false negatives to see.
    """
    format = clip.format
    samples = format.sample_rate // format.label_fps
    whole = clip.audio[:, : clip.audio.shape[1] // samples * samples]
    blocks = whole.reshape(2, -1, samples)
    level: NDArray[np.float64] = np.sqrt((blocks.astype(float) ** 2).mean(axis=2))
    frames = np.flatnonzero(level.sum(axis=0) > 0.03)
    x = np.arctan2(level[1, frames], level[0, frames]) / (np.pi / 2) * format.size
    x = np.where(np.arange(len(frames)) % 7 == 6, format.size - x, x)
    return SoundEvents(frames, np.zeros(len(frames)), x)


class FakePipeline(ClipPipeline):
    """A pipeline of the contract: `seconds` a step, previews, stops when told to."""

    name = "fake"
    batch_size = 8
    components: Mapping[str, Card] = {}
    format = SAVGBENCH

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds = seconds

    @property
    def compute(self) -> Compute:
        return choose("cpu", "float32")

    @classmethod
    def load(cls, description: Description, compute: Compute) -> Self:
        return cls(float(description.values["seconds"]))

    def describe(self) -> dict[str, Any]:
        return {"pipeline": self.name, "seconds": self.seconds}

    def save_components(self, folder: object) -> None:
        """It has none."""

    def stages(self, steps: int | None = None) -> tuple[tuple[str, int], ...]:
        return (("video and audio", steps or 10),)

    def total(self, num_clips=1, steps=None, *, batch_size=None) -> int:
        batches = -(-num_clips // (batch_size or self.batch_size))
        return batches * sum(count for _, count in self.stages(steps))

    def __call__(
        self, num_clips=1, seed=0, steps=None, *, first=0, batch_size=None, on_step=None
    ) -> list[Clip]:
        check_call(num_clips, seed, first, batch_size)
        if steps is not None and steps < 1:
            raise SavgError(f"steps must be ≥ 1, got {steps}")
        clips = [scene(seed + i) for i in range(first, first + num_clips)]
        total = self.total(num_clips, steps, batch_size=batch_size)
        progress = Progress(on_step, total)
        for done in range(1, total + 1):
            time.sleep(self.seconds)
            blurred = clips[0].picture[::4].astype(float) * done / total + 90 * (1 - done / total)
            progress.report(done, lambda blurred=blurred: blurred.astype(np.uint8))
        return clips


class FakeAudioPipeline(AudioPipeline):
    """What gives videos audio: a tone from where blue is seen."""

    name = "fake_audio"
    options = frozenset({"guidance", "boxes"})
    batch_size = 4
    components: Mapping[str, Card] = {}
    sample_rate = 16_000
    compute = FakePipeline.compute
    describe = FakePipeline.describe
    save_components = FakePipeline.save_components

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds = seconds
        self.calls: list[dict] = []

    @classmethod
    def load(cls, description: Description, compute: Compute) -> Self:
        return cls(float(description.values["seconds"]))

    def stages(self, steps: int | None = None) -> tuple[tuple[str, int], ...]:
        return (("audio", steps or 25),)

    def total(self, durations, steps=None, *, batch_size=None) -> int:
        return -(-len(durations) // (batch_size or self.batch_size)) * (steps or 25)

    def for_videos(
        self,
        videos,
        seed=0,
        *,
        first=0,
        steps=None,
        guidance=None,
        boxes=True,
        batch_size=None,
        on_step=None,
    ) -> list[NDArray[np.float32]]:
        check_call(len(videos), seed, first, batch_size)
        if steps is not None and steps < 1:
            raise SavgError(f"steps must be ≥ 1, got {steps}")
        self.calls.append({"seed": seed, "steps": steps, "guidance": guidance, "boxes": boxes})
        total = self.total([video.duration for video in videos], steps, batch_size=batch_size)
        progress = Progress(on_step, total)
        for done in range(1, total + 1):
            time.sleep(self.seconds)
            progress.report(done, lambda: videos[0].frames)
        return [self._tone(video, seed) for video in videos]

    def _tone(self, video: Video, seed: int) -> NDArray[np.float32]:
        blue = (video.frames[..., 2].astype(int) - video.frames[..., 0] > 40).sum(axis=(0, 1))
        places = np.arange(len(blue))
        x = (blue * places).sum() / blue.sum() / len(blue) if blue.sum() else 0.5
        t = np.arange(round(video.duration * self.sample_rate)) / self.sample_rate
        tone = 0.3 * np.sin(2 * np.pi * (220 + 20 * seed) * t)
        pan = x * np.pi / 2
        return np.stack([np.cos(pan) * tone, np.sin(pan) * tone]).astype(np.float32)


class FakeTwoStage(FakePipeline):
    """A pipeline with stages whose second one gives other videos audio too."""

    name = "fake_two_stage"
    options = frozenset({"boxes"})

    def __init__(self, seconds: float = 0.02) -> None:
        super().__init__(seconds)
        self.audio = FakeAudioPipeline(seconds)
        self.boxes: list[bool] = []

    @property
    def audio_stage(self) -> FakeAudioPipeline:
        return self.audio

    def stages(self, steps: int | None = None) -> tuple[tuple[str, int], ...]:
        return ("video", steps or 10), ("audio", 5)

    def __call__(
        self, num_clips=1, seed=0, steps=None, *, first=0, batch_size=None, on_step=None, boxes=True
    ) -> list[Clip]:
        check_call(num_clips, seed, first, batch_size)
        self.boxes.append(boxes)
        return super().__call__(
            num_clips, seed + 1, steps, first=first, batch_size=batch_size, on_step=on_step
        )


def services(
    seconds: float = 0.02, examples: Path | None = None, missing: str = "", both: bool = False
) -> Services:
    """A studio's services on the stand-ins; both: with a second pipeline beside the first."""
    pipeline = FakePipeline(seconds)
    choice = PipelineChoice(
        "Stand-in", "A made-up figure and a tone.", (4, 20, 200), lambda: pipeline, "Joint"
    )
    persons = {
        "yolox": DetectorChoice("By colour", "by colour", lambda: find_persons),
        "none": DetectorChoice("Nobody", "none", lambda: lambda clip: Boxes.empty()),
    }
    plain = {"fake": choice}, persons, lambda: find_sounds, "by level", examples, missing
    if not both:
        return Services(*plain)
    about, two = "Two made-up stages.", FakeTwoStage(seconds)
    second = PipelineChoice("Two stand-ins", about, (4, 10, 100), lambda: two, "Two-stage", True)
    pipelines = {"fake": choice, "second": second}
    sound = AudioChoice("Two stand-ins", about, (1, 10, 60), lambda: two.audio, boxes=True)
    pan = PanPipeline(
        PanSettings(sample_rate=16_000), two.audio.compute, {}, find_persons, two.audio
    )
    about = "Its own audio, moved."
    moves = AudioChoice("Pan", about, (1, 10, 60), lambda: pan, follows=True)
    return Services(
        pipelines,
        *plain[1:],
        together=("fake", "second"),
        audio_pipelines={"second": sound, "pan": moves},
    )


if __name__ == "__main__":
    from savg.studio import build, launch

    where = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    launch(build(services(examples=where, both="both" in sys.argv[2:])))
