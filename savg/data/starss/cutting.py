"""The clips of one recording cut out of its video and audio, in one pass over the video.

Each view of each frame is projected and coded once, however many overlapping windows contain it. A clip
is written with its last frame, and frames that no later clip needs are dropped, so that memory does not
grow with a recording's length.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.annotation import ClipLabels
from savg.data.starss.audio import RecordingAudio
from savg.data.starss.projection import projector
from savg.data.starss.results import ClipRecord, Construction
from savg.data.starss.workplace import Workplace, writing
from savg.format import ClipFormat
from savg.media.frame_index import IndexedFrame, VideoIndex, frames_at
from savg.media.strips import Canvas, Strip
from savg.paths import atomic_file

PANORAMA_WIDTH = 640
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]


@dataclass(frozen=True, eq=False)
class AcceptedClip:
    """A clip that passed every rule, and its labels."""

    record: ClipRecord
    labels: ClipLabels


def write_missing(
    name: str,
    clips: Sequence[AcceptedClip],
    video: VideoIndex,
    audio: RecordingAudio,
    place: Workplace,
    settings: Construction,
    check: Callable[[], None],
) -> None:
    """Write the missing clips and panoramas, in one pass over the video."""
    clock = _Clock(settings.format)
    panoramas = _panoramas(name, clips, place, clock)
    plans = [plan for plan in _strips(clips, clock) if plan.missing(place)]
    opening: dict[int, list[_StripPlan]] = defaultdict(list)
    for plan in plans:
        opening[plan.begin].append(plan)
    moments = sorted({*panoramas, *(moment for plan in plans for moment in plan.moments(clock))})
    renderer = _ViewRenderer(video, settings)
    running: list[_StripWriter] = []
    try:
        for index, frame in frames_at(video, [moment / clock.ticks for moment in moments]):
            check()
            moment = moments[index]
            for start in panoramas.get(moment, ()):
                _write_panorama(place.panorama(name, start), frame, video)
            running += [_StripWriter(plan, audio, clock) for plan in opening.pop(moment, ())]
            showing = [strip for strip in running if strip.shows(moment)]
            views = renderer.views(frame, {strip.plan.view for strip in showing})
            for strip in showing:
                strip.show(views[strip.plan.view], place, check)
            running = [strip for strip in running if not strip.ended]
    finally:
        for strip in running:
            strip.strip.close()


@dataclass(frozen=True)
class _Clock:
    """Moments in ticks, of which frames and label frames last whole numbers."""

    format: ClipFormat

    @property
    def ticks(self) -> int:
        """Ticks a second."""
        return lcm(self.format.fps, self.format.label_fps)

    @property
    def frame(self) -> int:
        """Ticks from one frame to the next."""
        return self.ticks // self.format.fps

    @property
    def length(self) -> int:
        """Ticks of a clip's frames."""
        return self.format.frames * self.frame

    def begin(self, clip: AcceptedClip) -> int:
        """The moment of a clip's first frame."""
        return clip.record.start * (self.ticks // self.format.label_fps)


@dataclass(frozen=True, eq=False)
class _StripPlan:
    """Clips of a view, in order, that overlap and whose frames fall on the same moments."""

    view: int
    begin: int
    end: int
    clips: tuple[AcceptedClip, ...]

    def missing(self, place: Workplace) -> bool:
        """Whether one of its clips is missing."""
        return not all(place.has(clip.record.name) for clip in self.clips)

    def moments(self, clock: _Clock) -> range:
        """The moments of its frames."""
        return range(self.begin, self.end, clock.frame)


def _strips(clips: Iterable[AcceptedClip], clock: _Clock) -> list[_StripPlan]:
    """The strips of `clips`, existing clips included, so that a resumed strip is coded as before."""
    lanes: dict[tuple[int, int], list[AcceptedClip]] = defaultdict(list)
    for clip in clips:
        lanes[clip.record.view, clock.begin(clip) % clock.frame].append(clip)
    plans = []
    for (view, _), lane in lanes.items():
        lane.sort(key=clock.begin)
        groups: list[list[AcceptedClip]] = []
        for clip in lane:
            if groups and clock.begin(clip) < clock.begin(groups[-1][-1]) + clock.length:
                groups[-1].append(clip)
            else:
                groups.append([clip])
        for group in groups:
            end = clock.begin(group[-1]) + clock.length
            plans.append(_StripPlan(view, clock.begin(group[0]), end, tuple(group)))
    return plans


class _StripWriter:
    """A strip being coded: its position and the clips still to be cut."""

    def __init__(self, plan: _StripPlan, audio: RecordingAudio, clock: _Clock) -> None:
        self.plan, self._clock = plan, clock
        format = clock.format
        first = first_sample(plan.clips[0].record.start, format)
        samples = first_sample(plan.clips[-1].record.start, format) + format.samples - first

        def read_audio(start: int, length: int) -> NDArray[np.float32]:
            return audio.clip(first + start, plan.view, length)

        self.strip = Strip(format, samples, read_audio)
        self._begins = {clock.begin(clip) for clip in plan.clips}
        self._waiting = list(plan.clips)
        self._moment = plan.begin

    @property
    def ended(self) -> bool:
        """Whether all its clips are cut; its encoders are then released."""
        return not self._waiting

    def shows(self, moment: int) -> bool:
        """Whether its next frame is that of a moment."""
        return self._moment == moment

    def show(self, frame: Any, place: Workplace, check: Callable[[], None]) -> None:
        """Code the next frame, and cut the clip that ends with it, if it is missing."""
        clock, format = self._clock, self._clock.format
        self.strip.show(frame, self._moment in self._begins)
        self._moment += clock.frame
        clip = self._waiting[0]
        if clock.begin(clip) + clock.length != self._moment:
            return
        if not place.has(clip.record.name):
            check()
            shift = (clock.begin(clip) - self.plan.begin) // clock.frame
            sample = first_sample(clip.record.start - self.plan.clips[0].record.start, format)
            with writing():
                clip.labels.write_csv(place.tables / f"{clip.record.name}.csv")
                with atomic_file(place.videos / f"{clip.record.name}.mp4") as part:
                    self.strip.cut(part, shift, sample)
        del self._waiting[0]
        if self.ended:
            self.strip.close()


def first_sample(start: int, format: ClipFormat) -> int:
    """First sample of the window that begins with label frame `start`."""
    return start * format.sample_rate // format.label_fps


def _panoramas(
    name: str, clips: Iterable[AcceptedClip], place: Workplace, clock: _Clock
) -> dict[int, list[int]]:
    """Moments in the middle of windows → the windows' starts, where a panorama is missing."""
    moments: dict[int, list[int]] = defaultdict(list)
    begins = {clip.record.start: clock.begin(clip) for clip in clips}
    for start, begin in begins.items():
        if not place.panorama(name, start).exists():
            moments[begin + clock.format.frames // 2 * clock.frame].append(start)
    return dict(moments)


class _ViewRenderer:
    """Views of a panorama video's frames, as frames for the encoder."""

    def __init__(self, video: VideoIndex, settings: Construction) -> None:
        format = settings.format
        self._project = projector(
            (video.width, video.height),
            (format.size, format.picture_height),
            settings.field_of_view,
            settings.antialias,
        )
        self._canvas = Canvas(format)

    def views(self, frame: IndexedFrame, views: Iterable[int]) -> dict[int, Any]:
        """View → padded yuv420p frame; the panorama is converted at most once."""
        prepared = None
        frames = {}
        for view in views:
            if prepared is None:
                prepared = self._project.prepare(frame.rgb(self._project.first, self._project.last))
            frames[view] = self._canvas.frame(self._project.view(prepared, view))
        return frames


def _write_panorama(path: Path, frame: IndexedFrame, video: VideoIndex) -> None:
    width = min(PANORAMA_WIDTH, video.width)
    image = frame.small(width, max(2, round(width * video.height / video.width)))
    data = cv2.imencode(".jpg", image[..., ::-1], _JPEG)[1]
    with writing(), atomic_file(path) as part:
        part.write_bytes(data.tobytes())
