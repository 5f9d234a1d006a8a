"""The contract of pipelines: networks put together into something a user calls.

A pipeline is a folder with a JSON file that names its components. There are two outputs: clips from a
seed, and audio for a video; one registry of each is in `savg.pipelines.registry`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
from huggingface_hub import ModelCard, ModelHubMixin
from numpy.typing import NDArray

from savg.annotation import Boxes
from savg.clip import Clip
from savg.device import Compute, choose
from savg.errors import SavgError
from savg.format import ClipFormat
from savg.hub import PIPELINE_FILE, Card, resolve, write_json
from savg.hub.remote import hub_errors
from savg.media.mux import with_audio
from savg.paths import atomic_folder
from savg.pipelines.card import CARD_FILE, model_card
from savg.pipelines.description import Description, DescriptionError, pipelines_in, refuse
from savg.pipelines.progress import OnStep
from savg.video import MAX_SECONDS, Video

if TYPE_CHECKING:
    from savg.pipelines.direction import Direction

Output = Literal["clip", "frames", "audio"]

MAX_CLIPS = 100_000

Result = TypeVar("Result")


class Pipeline(ModelHubMixin, ABC):
    """What all pipelines have; a subclass says what it is called with.

    `push_to_hub` and `from_pretrained` are those of huggingface-hub's mixin, over folders of our own.

    A call runs `on_step(done, total, preview)` after every step, `total` as the method of that name
    says; returning False or raising Cancelled stops it at the next step with Cancelled.
    """

    name: ClassVar[str]
    """Its key in the registry, and "pipeline" of its JSON file."""
    output: ClassVar[Output]
    """What a call returns."""
    options: ClassVar[frozenset[str]] = frozenset()
    """Names of a call's arguments beyond those of the contract."""
    compute: Compute
    """Where and in which number format it runs."""
    _hub_mixin_config: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]
    """Empty, so that the mixin does not copy constructor arguments, which hold networks."""

    @property
    @abstractmethod
    def components(self) -> Mapping[str, Card]:
        """Provenance of each component by role, the network that makes the frames first."""

    @property
    @abstractmethod
    def batch_size(self) -> int:
        """How many results are computed together by default."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The content of its JSON file."""

    @abstractmethod
    def save_components(self, folder: str | os.PathLike[str]) -> None:
        """Write the components that `describe` names into a folder."""

    @classmethod
    @abstractmethod
    def load(cls, description: Description, compute: Compute) -> Self:
        """The pipeline that a folder describes; CheckpointError if it does not fit.

        A DescriptionError begins with the setting; `from_pretrained` adds the file.
        """

    @abstractmethod
    def stages(self, steps: int | None = None) -> tuple[tuple[str, int], ...]:
        """Each stage of one result in order: its name, and its number of steps.

        steps: as in a call. The steps add up to the `total` of one result.
        """

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        source: str | os.PathLike[str] = "demo",
        device: str | None = None,
        dtype: str | None = None,
        *,
        revision: str | None = None,
    ) -> Self:
        """The pipeline of a folder, or that part of another pipeline there.

        Args:
            source: "demo" (the bundled weights), a folder, or a Hugging Face repo id.
            device, dtype: as in `savg.device.choose`.
            revision: branch, tag or commit of the repository.

        Raises:
            CheckpointError: the folder describes no such pipeline, or its components do not fit.
            SavgError: the folder, repository or device does not exist.

        Example:
            pipeline = JointPipeline.from_pretrained("demo")
        """
        description, compute = cls.find(source, revision), choose(device, dtype)
        try:
            return cls.load(description, compute)
        except DescriptionError as error:
            raise error.of(description) from error

    @classmethod
    def find(
        cls, source: str | os.PathLike[str] = "demo", revision: str | None = None
    ) -> Description:
        """The description of this pipeline in `source`; errors as in `from_pretrained`."""
        folder = resolve(source, revision)
        for description in pipelines_in(folder):
            if description.name == cls.name:
                return description
        raise refuse(folder, f"a {cls.name!r} pipeline")

    @classmethod
    def is_complete(cls, source: str | os.PathLike[str] = "demo") -> bool:
        """Whether `source` describes this pipeline and holds all its components."""
        try:
            return cls.find(source).is_complete
        except SavgError:
            return False

    @classmethod
    def published(cls, folders: Mapping[str, str]) -> dict[str, Any] | None:
        """The JSON file of this pipeline with the weights that its authors published.

        folders: of the components, by kind of weights. None where one is missing, or where nobody
        published this pipeline.
        """
        return None

    def save_pretrained(  # type: ignore[override]
        self,
        folder: str | os.PathLike[str],
        *,
        config: object = None,
        model_card_kwargs: dict[str, Any] | None = None,
    ) -> None:
        """Write a folder that `from_pretrained` loads, whole or not at all, with a model card.

        config: of the mixin, not used; model_card_kwargs: of `generate_model_card`.
        """
        with atomic_folder(folder) as part:
            self.save_components(part)
            write_json(part / PIPELINE_FILE, self.describe())
            text = self.generate_model_card(**(model_card_kwargs or {})).content
            (part / CARD_FILE).write_text(text, encoding="utf-8")

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Push to a repository USER/NAME of the Hub, created if missing; returns the commit's address.

        options: of `ModelHubMixin.push_to_hub`: private, token, branch, commit_message, and
        model_card_kwargs={"figures": …}. SavgError where the Hub refuses or cannot be reached.

        Example:
            pipeline.push_to_hub("lab/joint", private=True)
        """
        with hub_errors(f"{repo_id} could not be written"):
            return str(super().push_to_hub(repo_id, **options))

    def generate_model_card(self, figures: Mapping[str, str] | None = None) -> ModelCard:  # type: ignore[override]
        """The model card; figures: what was measured, by name."""
        registry = "AUDIO" if self.output == "audio" else "CLIPS"
        return ModelCard(model_card(self.name, self.components, figures, registry))


class SeedPipeline(Pipeline, Generic[Result]):
    """Results numbered from 0 of a seed.

    Result i of a seed is the same whatever the batch size and whoever else is in the batch.
    """

    format: ClipFormat
    """Of the clips."""

    @abstractmethod
    def __call__(
        self,
        num_clips: int = 1,
        seed: int = 0,
        steps: int | None = None,
        *,
        first: int = 0,
        batch_size: int | None = None,
        on_step: OnStep | None = None,
    ) -> list[Result]:
        """Results `first` … `first + num_clips − 1` of a seed.

        Args:
            steps: evaluations of the first network (None: the pipeline's own number).
            batch_size: clips computed together (None: the pipeline's own number).
            on_step: called after every step; its preview is frames uint8 [F, H, W, 3].

        Raises:
            SavgError: a value out of range.
            Cancelled: `on_step` stopped it.

        Example:
            pipeline = JointPipeline.from_pretrained("demo")
            clips = pipeline(4, seed=0, steps=16)
        """

    @abstractmethod
    def total(
        self, num_clips: int = 1, steps: int | None = None, *, batch_size: int | None = None
    ) -> int:
        """Steps that `on_step` counts up to in such a call."""


class ClipPipeline(SeedPipeline[Clip]):
    """Clips from a seed: `clips = pipeline(num_clips, seed=…, steps=…, on_step=…)`."""

    output: ClassVar[Output] = "clip"

    @property
    def audio_stage(self) -> AudioPipeline | None:
        """The stage that makes audio for a video, if there is one."""
        return None

    def ignored(self, direction: Direction) -> str:
        """What of a direction clips will not follow, in a sentence; empty where they follow all."""
        return ""

    def unlearnt(self, steps: int | None) -> str:
        """Why the weights are not made for so many steps, in a sentence; empty where they are."""
        return ""


class AudioPipeline(Pipeline):
    """Stereo audio for a video: `audio = pipeline(video, seed=…)`, float32 [2, T] in −1..1.

    A video's audio depends on the video, the seed and its number alone.
    """

    output: ClassVar[Output] = "audio"

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""

    @property
    def takes_boxes(self) -> bool:
        """Whether a network takes persons' boxes."""
        return False

    def with_persons(self, persons: Callable[[Clip], Boxes]) -> Self:
        """The same pipeline with another detector of persons; itself where no network takes boxes."""
        return self

    @abstractmethod
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
    ) -> list[NDArray[np.float32]]:
        """Audio float32 [2, T] in −1..1 for each video; their numbers begin at `first`.

        Args:
            steps: evaluations of the network (None: the pipeline's own number).
            guidance: how closely the audio follows the video (None: as the pipeline says).
            boxes: False withholds persons' boxes from a network that takes them.
            batch_size: windows computed together (None: the pipeline's own number).
            on_step: called after every step; its preview is the current video's frames.

        Raises:
            SavgError: a value out of range.
            Cancelled: `on_step` stopped it.
        """

    @abstractmethod
    def total(
        self,
        durations: Sequence[Fraction],
        steps: int | None = None,
        *,
        batch_size: int | None = None,
    ) -> int:
        """Steps that `on_step` counts up to for videos of these seconds."""

    def __call__(
        self,
        video: Video | Clip | NDArray[np.uint8],
        fps: float | Fraction | None = None,
        *,
        seed: int = 0,
        index: int = 0,
        steps: int | None = None,
        guidance: float | None = None,
        boxes: bool = True,
        on_step: OnStep | None = None,
        **options: Any,
    ) -> NDArray[np.float32]:
        """Audio [2, T] for a video, a clip, or frames uint8 [F, H, W, 3] at `fps`, of its length.

        index: the video's number; options: further `options` of the pipeline. The others, and errors,
        as in `for_videos`.

        Example:
            audio = VideoToAudio.from_pretrained("demo")(clip, seed=3)
        """
        if isinstance(video, Clip):
            video = Video.of(video)
        elif not isinstance(video, Video):
            if fps is None:
                raise ValueError("fps must be given with frames, got None.")
            video = Video.of_frames(video, fps)
        (audio,) = self.for_videos(
            [video],
            seed,
            first=index,
            steps=steps,
            guidance=guidance,
            boxes=boxes,
            on_step=on_step,
            **options,
        )
        return audio

    def read(
        self,
        source: str | os.PathLike[str],
        *,
        max_seconds: float = MAX_SECONDS,
        watch: Callable[[float], object] | None = None,
    ) -> Video:
        """What the pipeline needs of a video file; arguments and errors as of `Video.read`."""
        return Video.read(source, max_seconds=max_seconds, watch=watch)

    def clip(self, clip: Clip, **options: Any) -> Clip:
        """The clip with new audio. Options as in a call.

        SavgError where its sample rate is not the network's.
        """
        if clip.format.sample_rate != self.sample_rate:
            raise SavgError(
                f"The clip's sample rate must be the network's, {self.sample_rate} Hz, "
                f"got {clip.format.sample_rate} Hz."
            )
        return Clip(clip.video, self(clip, **options), clip.format)

    def file(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        *,
        max_seconds: float = MAX_SECONDS,
        comment: str = "",
        **options: Any,
    ) -> NDArray[np.float32]:
        """Write the video in `source` to `target` with new audio, and return that audio [2, T].

        Args:
            max_seconds: longer videos are refused.
            comment: words about the file, kept in its metadata.
            options: as in a call.

        Raises:
            MediaError: a file that cannot be read, or is too long.

        Example:
            VideoToAudio.from_pretrained("demo").file("holiday.mp4", "new.mp4", seed=3)
        """
        audio = self(self.read(source, max_seconds=max_seconds), **options)
        with_audio(source, target, audio, self.sample_rate, comment=comment)
        return audio


def check_call(num_clips: int, seed: int, first: int, batch_size: int | None) -> None:
    """SavgError for a number of clips, seed, first number or batch size that is out of range."""
    if not 1 <= num_clips <= MAX_CLIPS:
        raise SavgError(f"num_clips must be in 1..{MAX_CLIPS}, got {num_clips}.")
    check_batch(seed, first, batch_size)


def check_batch(seed: int, first: int, batch_size: int | None) -> None:
    """SavgError for a seed, first number or batch size that is out of range."""
    for name, value, least in (
        ("seed", seed, 0),
        ("first", first, 0),
        ("batch_size", batch_size, 1),
    ):
        if value is not None and value < least:
            raise SavgError(f"{name} must be ≥ {least}, got {value}.")
