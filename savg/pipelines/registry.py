"""The registered pipelines by output: clips from a seed, audio for a video.

Adding one takes a file with its class and a line here. A class is imported when it is looked up.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from savg.errors import SavgError
from savg.hub import PIPELINE_FILE, resolve
from savg.pipelines.description import pipelines_in, refuse

if TYPE_CHECKING:
    from savg.pipelines.base import AudioPipeline, ClipPipeline, Pipeline

P = TypeVar("P", bound="Pipeline")


@dataclass(frozen=True)
class Entry:
    """Where a pipeline's class is ("module:Class"), its title, and a sentence for users.

    follows: whether it moves audio with a person: its options are "audio" and "person"; steers: whether
    new audio follows conditions: "person", "envelope", "semantic", and "weights" of them.
    """

    place: str
    title: str
    about: str = ""
    follows: bool = False
    steers: bool = False


class Registry(Generic[P]):
    """Pipelines of one output by name."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __getitem__(self, name: str) -> type[P]:
        """The class of a pipeline; SavgError lists the registered names."""
        if name not in self.entries:
            raise SavgError(f"The pipeline must be one of {', '.join(self)}, got {name!r}.")
        module, attribute = self.entries[name].place.split(":")
        pipeline: type[P] = getattr(importlib.import_module(module), attribute)
        return pipeline

    def load(
        self,
        source: str | os.PathLike[str] = "demo",
        name: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        *,
        revision: str | None = None,
    ) -> P:
        """A pipeline of a folder.

        Args:
            source: "demo" (the bundled weights), a folder, or a Hugging Face repo id.
            name: which one (None: that of pipeline.json, or else the first registered one that the
                folder describes, be it a part of another).
            device, dtype: as in `savg.device.choose`.
            revision: branch, tag or commit of a repository.

        Raises:
            CheckpointError: the folder describes no such pipeline, or its components do not fit.
            SavgError: an unknown name, folder or device.

        Example:
            pipeline = CLIPS.load("demo", "two_stage")
        """
        folder = resolve(source, revision)
        if name is None:
            parts = [part for part in pipelines_in(folder) if part.name in self]
            if not parts:
                raise refuse(folder, f"one of the pipelines {', '.join(self)}")
            order = list(self)
            name = min(parts, key=lambda p: (p.file != PIPELINE_FILE, order.index(p.name))).name
        return self[name].from_pretrained(folder, device, dtype)


CLIPS: Registry[ClipPipeline] = Registry(
    {
        "joint": Entry(
            "savg.pipelines.joint:JointPipeline",
            "Joint",
            "One diffusion model makes video and both audio channels; super-resolution upscales the "
            "frames.",
        ),
        "two_stage": Entry(
            "savg.pipelines.two_stage:TwoStagePipeline",
            "Two-stage",
            "A diffusion model makes the frames, super-resolution upscales them, and a flow network "
            "makes both audio channels for them.",
        ),
    }
)
"""Clips from a seed."""

AUDIO: Registry[AudioPipeline] = Registry(
    {
        "video_to_audio": Entry(
            "savg.pipelines.video_to_audio:VideoToAudio",
            "Video to audio",
            "A flow network makes both audio channels from the frames, in windows of 5 s.",
        ),
        "pan": Entry(
            "savg.pipelines.pan:PanPipeline",
            "Pan",
            "The video's own audio as mono, moved between the channels with a person: by the law of "
            "the benchmark's data, without a trained network.",
            follows=True,
        ),
        "stereosync": Entry(
            "savg.pipelines.stereosync:StereoSyncPipeline",
            "StereoSync",
            "A diffusion model makes both audio channels, steered by a person's boxes, an envelope and "
            "what sounds: the video's own audio, another recording, or a drawn curve.",
            steers=True,
        ),
    }
)
"""Audio for a video."""
