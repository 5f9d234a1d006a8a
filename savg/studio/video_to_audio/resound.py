"""New audio for a video: what a visitor can ask, checked, and how it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savg.audio.loudness import RATE, quieter_by
from savg.audio.resample import resample
from savg.errors import Cancelled, SavgError, whole_number
from savg.media.audio_track import audio_of
from savg.media.mux import with_audio
from savg.media.probe import video_info
from savg.pipelines.audio_settings import AudioSettings
from savg.studio.shared.context import Context
from savg.studio.shared.inputs import MAX_SEED, entered
from savg.studio.shared.jobs import Job
from savg.studio.shared.library import (
    MAX_UPLOAD_SECONDS,
    NOBODY,
    VIDEO,
    StoredClip,
    with_owners_name,
)
from savg.studio.video_to_audio.steering import Steering, plain_steering
from savg.studio.video_to_audio.uploads import GONE, Source, Uploads
from savg.video import Video

if TYPE_CHECKING:
    from savg.pipelines.base import AudioPipeline

MAX_GUIDANCE = 15.0

READ, GENERATED, WRITTEN = 0.12, 0.75, 0.88
"""Shares of the whole when the video has been read, its audio made, and the files written."""

WRITING = "Writing the video …"


@dataclass(frozen=True)
class ResoundResult:
    """A video with new audio, and with its own where it has some.

    quieter: by how many dB each is played quieter, so that both are equally loud; detector: of the
    people in both.
    """

    new: StoredClip
    own: StoredClip | None
    quieter: tuple[float, float] = (0.0, 0.0)
    detector: str = ""

    @property
    def clips(self) -> list[StoredClip]:
        """One or both."""
        return [stored for stored in (self.new, self.own) if stored]


class ResoundRequest:
    """A visitor's request, checked; called with a job, it returns a ResoundResult."""

    def __init__(
        self,
        context: Context,
        source: Source,
        pipeline: Any,
        seed: Any,
        steps: Any,
        guidance: Any,
        boxes: Any = True,
        owner: str = NOBODY,
        detector: Any = None,
        *,
        moved: Any = "own",
        person: Any = "longest",
        steering: Steering | None = None,
    ) -> None:
        self.context, self.source, self.pipeline = context, source, pipeline
        self.owner = owner
        self.detector = detector or context.services.video_detector
        if self.detector not in context.services.persons:
            raise SavgError("This person detector is not known: choose one of the list.")
        choices = context.services.audio_pipelines
        if pipeline not in choices:
            raise SavgError("This pipeline is not known: choose one of the list.")
        self.choice = choices[pipeline]
        least, _, most = self.choice.steps
        self.seed = whole_number("Seed", entered(seed), 0, MAX_SEED)
        self.steps = whole_number("Steps", entered(steps), least, most)
        if not isinstance(guidance, int | float) or not 0 <= guidance <= MAX_GUIDANCE:
            raise SavgError(f"Guidance must be from 0 to {MAX_GUIDANCE:g}, got {guidance}.")
        self.guidance = float(guidance)
        self.options = {} if boxes or not self.choice.boxes else {"boxes": False}
        if steering is None and (self.choice.follows or self.choice.steers):
            steering = plain_steering(self.choice, source, moved, person)
        self.steering = steering or Steering()

    def __call__(self, job: Job) -> None:
        """Read, make the audio, write both videos, look for people and sounds.

        An error or a stop leaves no clip in the library.
        """
        stored: list[StoredClip] = []
        try:
            result = self._resound(job, stored)
            self._annotate(job, stored)
            job.check()
        except SavgError as error:
            self.context.library.forget(clip.key for clip in stored)
            message = with_owners_name(error, self.source.path, self.source.name)
            raise SavgError(message) from error
        except BaseException:
            self.context.library.forget(clip.key for clip in stored)
            raise
        job.result(result)

    def _resound(self, job: Job, stored: list[StoredClip]) -> ResoundResult:
        """Make the audio and store both videos, adding them to `stored`."""
        job.step(0, 1, "Loading the networks …")
        pipeline = self.context.services.audio_pipeline(self.pipeline, self.detector)
        video = self._read(job, pipeline)
        poster = middle_frame(video)
        audio = self._generated(job, pipeline, video, poster)
        rate = pipeline.sample_rate
        writing = watch(job, GENERATED, WRITTEN, self._seconds, WRITING)
        name = f"new audio {self.pipeline} seed {self.seed}"
        new = self._store(
            self.source.path, audio, rate, poster, "new audio", self._origin, name, writing,
            self.settings,
        )  # fmt: skip
        stored.append(new)
        own = audio_of(self.source.path, float(video.duration), RATE)
        if own is None:
            return ResoundResult(new, None, detector=self.detector)
        checking = watch(job, WRITTEN, WRITTEN, 1, WRITING)
        frames = new.path(VIDEO)
        stored.append(
            self._store(
                frames,
                own,
                RATE,
                poster,
                "its own audio",
                "As it was uploaded",
                "own audio",
                checking,
            )
        )
        quieter = quieter_by(resample(audio, rate, RATE), own)
        return ResoundResult(new, stored[1], quieter, self.detector)

    @property
    def _seconds(self) -> float:
        return self.source.facts.seconds or MAX_UPLOAD_SECONDS

    @property
    def _origin(self) -> str:
        label = ", ".join(filter(None, (self.choice.label, self.steering.words)))
        if not self._is_made:
            return label
        origin = f"{label}, seed {self.seed}, {self.steps} steps, guidance {self.guidance:g}"
        return f"{origin}, without boxes" if self.options else origin

    @property
    def _is_made(self) -> bool:
        """Whether a network makes the audio."""
        return self.steering.options.get("audio", "network") == "network"

    @property
    def settings(self) -> AudioSettings:
        """What the clip's file says of its audio."""
        name = Path(self.source.name)
        made = {"steps": self.steps, "guidance": self.guidance} if self._is_made else {}
        values = {"weights": self.choice.weights, "blind": bool(self.options), **made}
        if self._finds_people:
            values["detector"] = self.detector
        return AudioSettings(
            name.name if name.suffix else f"{name.name}.mp4",
            self.choice.registered or self.pipeline,
            self.seed,
            **{**values, **self.steering.settings},
        )

    @property
    def _finds_people(self) -> bool:
        """Whether people are looked for."""
        if self.choice.follows or self.choice.steers:
            return bool(self.steering.settings.get("person"))
        return self.choice.boxes and not self.options

    def _read(self, job: Job, pipeline: AudioPipeline) -> Video:
        reading = watch(job, 0, READ, self._seconds, "Reading the video …")
        return pipeline.read(self.source.path, max_seconds=MAX_UPLOAD_SECONDS, watch=reading)

    def _generated(
        self, job: Job, pipeline: AudioPipeline, video: Video, poster: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        def on_step(done: int, total: int, preview: Any) -> bool:
            share = READ + (GENERATED - READ) * done / max(total, 1)
            return job.step(share, 1, f"Audio: step {done} of {total}", poster)

        return pipeline(
            video,
            seed=self.seed,
            steps=self.steps,
            guidance=self.guidance,
            on_step=on_step,
            **self.options,
            **self.steering.options,
        )

    def _store(
        self,
        frames: Path,
        audio: NDArray[np.float32],
        rate: int,
        poster: NDArray[np.uint8],
        words: str,
        origin: str,
        name: str,
        progress: Callable[[float], None],
        settings: AudioSettings | None = None,
    ) -> StoredClip:
        """Store the frames of a file with other audio, and what that was made with."""
        comment = settings.to_text() if settings else ""
        return self.context.library.store(
            lambda target: with_audio(frames, target, audio, rate, progress, comment),
            poster,
            f"{Path(self.source.name).stem}, {words}",
            origin,
            self.owner,
            settings,
            f"{Path(self.source.name).stem} {name}",
        )

    def _annotate(self, job: Job, stored: list[StoredClip]) -> None:
        for place, clip in enumerate(stored):
            share = WRITTEN + (1 - WRITTEN) * place / len(stored)
            job.step(share, 1, "Looking for people and sounds …")
            job.check()
            self.context.annotations.annotation(clip, self.detector)


def find_source(context: Context, uploads: Uploads, visitor: str, key: Any) -> Source:
    """The visitor's uploaded video, or a clip of the library, by its key; SavgError if it is gone."""
    source = uploads.get(key, visitor)
    if source is not None:
        return source
    try:
        stored = context.library[key]
    except SavgError:
        raise SavgError(GONE if key else "Choose a video first.") from None
    path = stored.path(VIDEO)
    return Source(stored.key, stored.title, path, video_info(path))


def watch(job: Job, start: float, end: float, total: float, words: str) -> Callable[[float], None]:
    """Tells a job of the seconds of a video that are done, of `total`; stops when the job is to stop.

    start, end: shares of the whole work.
    """

    furthest = 0.0

    def on_seconds(seconds: float) -> None:
        nonlocal furthest
        furthest = max(furthest, seconds)  # packets of B-frames are not in the order of time
        if not job.step(start + (end - start) * min(furthest / total, 1), 1, words):
            raise Cancelled

    return on_seconds


def middle_frame(video: Video) -> NDArray[np.uint8]:
    """The middle frame of a video [h, w, 3] without the black at its edges above and below."""
    frame = video.frames[len(video.frames) // 2]
    rows = np.flatnonzero(video.frames.max(axis=(0, 2, 3)) >= 24)
    return frame[rows[0] : rows[-1] + 1] if len(rows) else frame
