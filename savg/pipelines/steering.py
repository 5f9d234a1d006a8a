"""What a video's audio follows in StereoSync, gathered once for a video and cut for each window.

A source that a video does not have is withheld. Times are in seconds from the video's start.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from savg.detectors.tracking import Track
from savg.errors import SavgError, brief
from savg.models.mmaudio_lengths import SequenceLengths
from savg.models.stereosync import Conditions, StereoSyncConfig
from savg.pipelines.envelope_file import Curve
from savg.pipelines.stereosync_features import (
    SoundEmbedding,
    boxes_of,
    drawn_envelope,
    envelope_of,
)
from savg.video import Soundtrack, Video

Mono = NDArray[np.float32]

Recording = Literal["own"] | Soundtrack | None
"""The video's own audio, another recording, or nothing."""

Given = Recording | Curve
"""What the envelope is of: a recording, or levels over time."""


def mono_source(video: Video, source: Recording, name: str, rate: int) -> Mono | None:
    """The mono audio of a source, as long as the video; None where it has none.

    SavgError for no source; name: of it, for the message.
    """
    if source is None:
        return None
    if source != "own" and not isinstance(source, Soundtrack):
        raise SavgError(f"{name} must be 'own', a Soundtrack or None, got {brief(source)}.")
    chosen = source if isinstance(source, Soundtrack) else video.audio
    return None if chosen is None else chosen.mono(rate, round(video.duration * rate))


def level_source(video: Video, source: Given, rate: int) -> Mono | Curve | None:
    """What the level follows: levels over time, or mono audio as of `mono_source`."""
    if isinstance(source, Curve):
        return source
    return mono_source(video, source, "envelope", rate)


@dataclass(frozen=True, eq=False)
class Steering:
    """A person and the frames a second of that track; a recording's mono audio or levels over time; the
    mono audio of what sounds. None is withheld."""

    person: tuple[Track, Fraction] | None
    envelope: Mono | Curve | None
    sounding: Mono | None

    def conditions(
        self,
        config: StereoSyncConfig,
        lengths: SequenceLengths,
        start: int,
        sound: SoundEmbedding | None,
    ) -> Conditions:
        """The conditions [1, …] of the window that begins at second `start`; NaN where withheld."""
        tokens, rate = config.tokens, lengths.sample_rate
        boxes = np.full((tokens.frames, 4), np.nan, np.float32)
        if self.person is not None:
            boxes = boxes_of(*self.person, start, float(lengths.duration), tokens.frames)
        level, first = self.envelope, start * rate
        if level is None:
            envelope = np.full((config.envelope, lengths.latent), np.nan, np.float32)
        elif isinstance(level, Curve):
            envelope = drawn_envelope(level, start, lengths, config.envelope)
        else:
            envelope = envelope_of(level[first:], lengths, config.envelope)
        embedding = None
        if self.sounding is not None and sound is not None:
            embedding = sound(self.sounding[first : first + lengths.samples], rate)
        if embedding is None:
            embedding = np.full(tokens.audio_width, np.nan, np.float32)
        values = {"boxes": boxes, "envelope": envelope, "audio": embedding}
        return Conditions(**{name: torch.from_numpy(value)[None] for name, value in values.items()})
