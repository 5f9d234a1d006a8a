"""What a video's audio follows in StereoSync, gathered once for a video and cut for each window.

A source that a video does not have is withheld. Times are in seconds from the video's start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from savg.detectors.tracking import Track
from savg.errors import SavgError, brief
from savg.features.depth import DepthEstimator
from savg.models.stereosync import Conditions, StereoSyncConfig
from savg.pipelines.depth_condition import (
    DepthEmbedding,
    DepthMaps,
    Maps,
    depth_of,
    moments,
    normalised,
)
from savg.pipelines.envelope_file import Curve
from savg.pipelines.sound_embedding import Sound
from savg.pipelines.stereosync_codec import Codec
from savg.pipelines.stereosync_features import boxes_of
from savg.pipelines.words import Words
from savg.video import Soundtrack, Video

Mono = NDArray[np.float32]

Recording = Literal["own"] | Soundtrack | None
"""The video's own audio, another recording, or nothing."""

Given = Recording | Curve
"""What the envelope is of: a recording, or levels over time."""

GivenDepth = Literal["own"] | DepthMaps | None
"""Depth that the pipeline sees itself, given maps, or nothing."""

Like = Recording | Words
"""What it shall sound like: a recording, or words."""


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


def sound_source(video: Video, source: Like, rate: int) -> Mono | Words | None:
    """What it shall sound like: words, or mono audio as of `mono_source`."""
    if isinstance(source, Words):
        return source
    return mono_source(video, source, "semantic", rate)


def depth_source(
    video: Video, source: GivenDepth, estimator: DepthEstimator | None, trained: bool
) -> Callable[[NDArray[np.float64]], Maps] | None:
    """Times → depth maps of a video; None for nothing.

    Args:
        estimator: sees depth where it is not given.
        trained: whether the network was trained with depth.

    Raises:
        SavgError: maps for a network that was not, or no source.
    """
    if isinstance(source, DepthMaps):
        if not trained:
            raise SavgError("depth must be 'own' or None: these weights were trained without it.")
        return depth_of(video, source)
    if source not in ("own", None):
        raise SavgError(f"depth must be 'own', DepthMaps or None, got {brief(source)}.")
    if source is None or estimator is None or not trained:
        return None
    return depth_of(video, estimator)


@dataclass(frozen=True, eq=False)
class Steering:
    """A person and the frames a second of that track; a recording's mono audio or levels over time; the
    mono audio of what sounds, or words; depth maps at times in seconds. None is withheld."""

    person: tuple[Track, Fraction] | None
    envelope: Mono | Curve | None
    sounding: Mono | Words | None
    depth: Callable[[NDArray[np.float64]], Maps] | None = None

    def conditions(
        self,
        config: StereoSyncConfig,
        codec: Codec,
        seconds: float,
        start: int,
        sound: Sound | None,
        depth: DepthEmbedding | None = None,
    ) -> Conditions:
        """The conditions [1, …] of a window that begins at second `start`; NaN where withheld."""
        tokens, (latents, samples) = config.tokens, codec.lengths(seconds)
        length, first = float(Fraction(seconds).limit_denominator(1000)), start * codec.rate
        boxes = np.full((tokens.frames, 4), np.nan, np.float32)
        if self.person is not None:
            boxes = boxes_of(*self.person, start, length, tokens.frames)
        level = self.envelope
        if level is None:
            envelope = np.full((config.envelope, latents), np.nan, np.float32)
        elif isinstance(level, Curve):
            envelope = codec.drawn(level, start, seconds, config.envelope)
        else:
            envelope = codec.envelope(level[first:], seconds, config.envelope)
        embedding, sounding = None, self.sounding
        if isinstance(sounding, Words):
            embedding = None if sound is None else sound.words(sounding.text)
        elif sounding is not None and sound is not None:
            embedding = sound(sounding[first : first + samples], codec.rate)
        if embedding is None:
            embedding = np.full(tokens.audio_width, np.nan, np.float32)
        values = {"boxes": boxes, "envelope": envelope, "audio": embedding}
        if depth is not None:
            values["depth"] = np.full((tokens.maps, tokens.depth_width), np.nan, np.float32)
        if depth is not None and self.depth is not None:
            maps = self.depth(moments(start, length, tokens.maps))
            values["depth"] = depth(normalised(maps))
        if config.audio.overall:
            values["seconds"] = np.array([0.0, length], np.float32)
        return Conditions(**{name: torch.from_numpy(value)[None] for name, value in values.items()})
