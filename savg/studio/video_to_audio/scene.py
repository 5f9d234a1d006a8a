"""A video as the editor shows it: frames that a browser plays, the people in it, its level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from cachetools import LRUCache

from savg.audio.loudness import RATE
from savg.clip import Clip
from savg.detectors.tracking import choose_person, persons, track
from savg.errors import SavgError
from savg.media.audio_track import audio_of
from savg.media.mux import with_audio
from savg.pipelines.box_path import BoxPath
from savg.studio.shared.context import Context
from savg.studio.shared.library import MAX_UPLOAD_SECONDS, VIDEO, media_url, with_owners_name
from savg.studio.video_to_audio.levels import levels_of
from savg.studio.video_to_audio.uploads import Source, Uploads
from savg.video import Soundtrack, Video

FPS = 8
"""Frames a second that people are looked for in, as pipelines do."""

DARK = 24
"""Values below it are the padding of a frame."""

MAX_SCENES = 64


@dataclass(frozen=True)
class Scene:
    """clip: key of the library's clip that shows the video; rows: first and last+1 row of the 256×256
    frame worth showing; tracks: people from left to right; longest: the index of the one seen longest;
    levels: of its own audio in dB, None without audio."""

    clip: str
    rows: tuple[int, int]
    seconds: float
    levels: list[float] | None
    tracks: tuple[BoxPath, ...] = ()
    longest: int = 0

    def to_json(self) -> dict[str, Any]:
        """The people, rounded as they are drawn."""
        people = [
            [
                [round(t, 2), *row]
                for t, row in zip(one.seconds, one.xyxy.round(1).tolist(), strict=True)
            ]
            for one in self.tracks
        ]
        top, bottom = self.rows
        shown = {"top": top, "bottom": bottom, "seconds": round(self.seconds, 3)}
        return {**shown, "levels": self.levels, "people": people, "longest": self.longest + 1}


class Scenes:
    """The scenes of visitors' videos, each by one person detector, as long as their clips are here."""

    def __init__(self, context: Context, uploads: Uploads) -> None:
        self.context, self.uploads = context, uploads
        self._scenes: LRUCache[tuple[str, str], Scene] = LRUCache(MAX_SCENES)

    def known(self, key: str, detector: str) -> Scene | None:
        """The scene of a video's key, if it was looked at."""
        scene = self._scenes.get((key, detector))
        return scene if scene and self.context.library.get([scene.clip]) else None

    def url(self, scene: Scene) -> str:
        """Where the browser finds the video."""
        return media_url(self.context.library[scene.clip].path(VIDEO))

    def look(self, source: Source, detector: str, visitor: str) -> Scene:
        """Read a visitor's video, store a copy that plays in browsers, and find the people in it.

        SavgError, with its owner's name, for a file that cannot be read, or where there is no room.
        """
        known = self.known(source.key, detector)
        if known:
            return known
        try:
            scene = self._look(source, detector, visitor)
        except SavgError as error:
            raise SavgError(with_owners_name(error, source.path, source.name)) from error
        self._scenes[source.key, detector] = scene
        return scene

    def _look(self, source: Source, detector: str, visitor: str) -> Scene:
        video = Video.read(source.path, max_seconds=MAX_UPLOAD_SECONDS)
        shown = next((s for (key, _), s in self._scenes.items() if key == source.key), None)
        if shown is None or not self.context.library.get([shown.clip]):
            shown = self._shown(source, video, visitor)
        finder = self.context.services.person_finder(detector)
        tracks, longest = _people(video, finder)
        return replace(shown, tracks=tracks, longest=longest)

    def _shown(self, source: Source, video: Video, visitor: str) -> Scene:
        """The scene without people."""
        seconds = float(video.duration)
        rows = np.flatnonzero(video.frames.max(axis=(0, 2, 3)) >= DARK)
        own = audio_of(source.path, seconds, RATE)
        levels = None if own is None else levels_of(Soundtrack(own, RATE))
        top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, video.frames.shape[1])
        if self.context.library.get([source.key]):
            return Scene(source.key, (top, bottom), seconds, levels)
        audio = np.zeros((2, round(seconds * RATE)), np.float32) if own is None else own
        stored = self.context.library.store(
            lambda target: with_audio(source.path, target, audio, RATE),
            video.frames[len(video.frames) // 2, top:bottom],
            source.name,
            "As it was uploaded",
            visitor,
        )
        self.uploads.add_clips(visitor, [stored.key])
        return Scene(stored.key, (top, bottom), seconds, levels)


def _people(video: Video, finder: Callable[[Clip], Any]) -> tuple[tuple[BoxPath, ...], int]:
    """The people in a video from left to right, and the index of the one seen longest."""
    from savg.pipelines.person_parts import people_in  # late: it imports torch

    boxes, fps = people_in(video, FPS, finder, lambda _: None)
    people = persons(track(boxes, fps))
    if not people:
        return (), 0
    longest = choose_person(people)
    index = next(i for i, one in enumerate(people) if one is longest)
    return tuple(BoxPath.of_track(one, fps) for one in people), index
