"""New sound for a video: what a visitor can ask, checked, and how it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.audio.loudness import RATE, integrated_loudness
from savg.audio.resample import resample
from savg.errors import Cancelled, SavgError
from savg.media.audio_track import audio_of
from savg.media.mux import with_audio
from savg.media.probe import video_info
from savg.studio.generate.requests import MAX_SEED, whole
from savg.studio.shared.context import Context
from savg.studio.shared.jobs import Job
from savg.studio.shared.library import MAX_UPLOAD_SECONDS, VIDEO, StoredClip
from savg.studio.video_to_audio.uploads import GONE, Source, renamed
from savg.video import Video

MAX_GUIDANCE = 15.0

QUIETEST = -60.0
"""Sound below this loudness (LUFS) counts as silence: nothing is brought to its level."""

READ, MADE, WRITTEN = 0.12, 0.75, 0.88
"""Shares of the whole when the video has been read, its sound made, and the files written."""


@dataclass(frozen=True)
class Take:
    """A video with new sound, and with its own where it has some.

    quieter: by how many dB each is played quieter, so that both are equally loud.
    """

    new: StoredClip
    own: StoredClip | None
    quieter: tuple[float, float] = (0.0, 0.0)


class TakeOrder:
    """What a visitor asked for, checked; called with a job, it does it; the result is a Take."""

    def __init__(
        self,
        context: Context,
        visitor: str,
        video: Any,
        pipeline: Any,
        seed: Any,
        steps: Any,
        guidance: Any,
        boxes: Any = True,
    ) -> None:
        self.context, self.pipeline = context, pipeline
        choices = context.services.film_sounds
        if pipeline not in choices:
            raise SavgError("This pipeline is not known: choose one of the list.")
        self.choice = choices[pipeline]
        self.source = find(context, visitor, video)
        least, _, most = self.choice.steps
        self.seed = whole(seed, "Seed", 0, MAX_SEED)
        self.steps = whole(steps, "Steps", least, most)
        if not isinstance(guidance, int | float) or not 0 <= guidance <= MAX_GUIDANCE:
            raise SavgError(f"Guidance is from 0 to {MAX_GUIDANCE:g}, not {guidance}.")
        self.guidance = float(guidance)
        self.extra = {} if boxes or not self.choice.boxes else {"boxes": False}

    def __call__(self, job: Job) -> None:
        """Read, make the sound, write both videos, look for persons and sounds."""
        made: list[StoredClip] = []
        try:
            take = self._make(job, made)
            detector = next(iter(self.context.services.persons))
            for place, stored in enumerate(made):
                share = WRITTEN + (1 - WRITTEN) * place / len(made)
                job.step(share, 1, "Looking for persons and sounds …")
                job.check()
                self.context.analyst.annotation(stored, detector)
            job.check()
        except SavgError as error:
            self.context.library.forget(stored.key for stored in made)
            raise SavgError(renamed(error, self.source.path, self.source.name)) from error
        except BaseException:
            self.context.library.forget(stored.key for stored in made)
            raise
        job.result(take)

    def _make(self, job: Job, made: list[StoredClip]) -> Take:
        library, path, name = self.context.library, self.source.path, self.source.name
        job.step(0, 1, "Loading the networks …")
        networks = self.context.services.film_sound(self.pipeline)
        lasts = self.source.facts.seconds or MAX_UPLOAD_SECONDS
        reading = watch(job, 0, READ, lasts, "Reading the video …")
        film = Video.read(path, max_seconds=MAX_UPLOAD_SECONDS, watch=reading)
        poster = middle(film)

        def on_step(done: int, total: int, preview: Any) -> bool:
            share = READ + (MADE - READ) * done / max(total, 1)
            return job.step(share, 1, f"Sound: step {done} of {total}", poster)

        sound = networks(
            film,
            seed=self.seed,
            steps=self.steps,
            guidance=self.guidance,
            on_step=on_step,
            **self.extra,
        )
        rate = networks.sample_rate
        said = (
            f"{self.choice.label}, seed {self.seed}, {self.steps} steps, guidance {self.guidance:g}"
        )
        if self.extra:
            said += ", without boxes"
        plain = Path(name).stem
        writing = watch(job, MADE, WRITTEN, lasts, "Writing the video …")
        made.append(
            library.store(
                lambda target: with_audio(path, target, sound, rate, writing),
                poster,
                f"{plain}, new sound",
                said,
            )
        )
        new = made[0]
        own = audio_of(path, float(film.duration), RATE)
        if own is None:
            return Take(new, None)
        pictures, checking = new.path(VIDEO), watch(job, WRITTEN, WRITTEN, 1, "Writing the video …")
        made.append(
            library.store(
                lambda target: with_audio(pictures, target, own, RATE, checking),
                poster,
                f"{plain}, its own sound",
                "As it was uploaded",
            )
        )
        return Take(new, made[1], equally_loud(resample(sound, rate, RATE), own))


def find(context: Context, visitor: str, video: Any) -> Source:
    """The visitor's uploaded video, or a clip of the library, by its key; SavgError if it is gone."""
    source = context.films.of(video, visitor)
    if source is not None:
        return source
    try:
        stored = context.library[video]
    except SavgError:
        raise SavgError(GONE if video else "Choose a video first.") from None
    path = stored.path(VIDEO)
    return Source(stored.key, stored.title, path, video_info(path))


def watch(job: Job, start: float, end: float, lasts: float, words: str) -> Callable[[float], None]:
    """Tells a job of the seconds of a film that are done; stops when the job is to stop."""

    def told(seconds: float) -> None:
        if not job.step(start + (end - start) * min(seconds / lasts, 1), 1, words):
            raise Cancelled

    return told


def middle(film: Video) -> NDArray[np.uint8]:
    """The middle picture of a film without the black at its edges above and below."""
    picture = film.frames[len(film.frames) // 2]
    rows = np.flatnonzero(film.frames.max(axis=(0, 2, 3)) >= 24)
    return picture[rows[0] : rows[-1] + 1] if len(rows) else picture


def equally_loud(new: NDArray[np.float32], own: NDArray[np.float32]) -> tuple[float, float]:
    """By how many dB each of two sounds is to be played quieter to be as loud as the other.

    Only the louder one is turned down, both of its channels alike; silence changes nothing.
    """
    loudness = integrated_loudness(new), integrated_loudness(own)
    if min(loudness) < QUIETEST:
        return 0.0, 0.0
    quieter = loudness[0] - loudness[1]
    return max(0.0, round(quieter, 2)), max(0.0, round(-quieter, 2))
