"""Stand-ins for the networks: pipelines that make up clips, and a studio's services on them.

Run as a program, this serves a studio on them (for the browser tests).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from made_up_clips import find_persons, find_sounds, scene
from numpy.typing import NDArray

from savg.annotation import Boxes
from savg.clip import Clip
from savg.device import Compute, choose
from savg.errors import SavgError
from savg.format import SAVGBENCH
from savg.hub import Card
from savg.pipelines.base import AudioPipeline, ClipPipeline, check_call
from savg.pipelines.description import Description
from savg.pipelines.optional_conditions import NO_DEPTH, NO_WORDS
from savg.pipelines.pan import PanPipeline, PanSettings
from savg.pipelines.progress import Progress
from savg.studio.shared.choices import AudioChoice, DetectorChoice, PipelineChoice
from savg.studio.shared.services import Services
from savg.video import Video


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
    seconds: float = 0.02,
    examples: Path | None = None,
    missing: str = "",
    both: bool = False,
    directed: bool = False,
    bundled: bool = False,
) -> Services:
    """A studio's services on the stand-ins; both: with a second pipeline beside the first; directed:
    with small random weights that take directions, the last one; bundled: whose StereoSync has the
    bundled weights."""
    pipeline = FakePipeline(seconds)
    choice = PipelineChoice(
        "Stand-in", "A made-up figure and a tone.", (4, 20, 200), lambda: pipeline, "Joint"
    )
    persons = {
        "yolox": DetectorChoice("By colour", "by colour", lambda: find_persons),
        "none": DetectorChoice("Nobody", "none", lambda: lambda clip: Boxes.empty()),
    }
    plain = {"fake": choice}, persons, lambda: find_sounds, "by level", examples, missing
    told = {}
    if directed:
        words = "Random weights that take directions."
        told["directed"] = PipelineChoice(
            "Directed", words, (2, 20, 60), _directed, "Directed", directs=True
        )
    if not both:
        return Services({"fake": choice} | told, *plain[1:])
    about, two = "Two made-up stages.", FakeTwoStage(seconds)
    second = PipelineChoice("Two stand-ins", about, (4, 10, 100), lambda: two, "Two-stage", True)
    pipelines = {"fake": choice, "second": second} | told
    sound = AudioChoice("Two stand-ins", about, (1, 10, 60), lambda: two.audio, boxes=True)
    pan = PanPipeline(
        PanSettings(sample_rate=16_000), two.audio.compute, {}, find_persons, lambda: two.audio
    )
    about = "Its own audio, moved."
    moves = AudioChoice("Pan", about, (1, 10, 60), lambda: pan, follows=True, registered="pan")
    steered = AudioChoice(
        "StereoSync", "Random weights.", (1, 3, 60), _steered, 1.0, steers=True,
        missing_words=lambda: NO_WORDS, missing_depth=lambda: NO_DEPTH, registered="stereosync",
    )  # fmt: skip
    if bundled:
        steered = replace(steered, steps=(1, 16, 60), load=_bundled, guidance=2.0)
    return Services(
        pipelines,
        *plain[1:],
        together=("fake", "second"),
        audio_pipelines={"second": sound, "steered": steered, "pan": moves},
    )


def _steered() -> AudioPipeline:
    """StereoSync of random weights, which no other test has to load."""
    from savg.pipelines.stereosync import tiny

    return tiny()


def _directed() -> ClipPipeline:
    """Clips of 1 s, 32 pixels wide."""
    from savg.models.joint_config import CONFIGS
    from savg.pipelines.joint import JointPipeline

    return JointPipeline.random(replace(CONFIGS["tiny"], direction=3), None)


def _bundled() -> AudioPipeline:
    """StereoSync of the bundled weights."""
    from savg.pipelines.registry import AUDIO

    return AUDIO.load("demo", "stereosync", "cpu")


if __name__ == "__main__":
    from savg.studio import build, launch

    where = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    kinds = {name: name in sys.argv[2:] for name in ("both", "directed", "bundled")}
    launch(build(services(examples=where, **kinds)))
