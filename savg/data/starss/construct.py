"""The clips of one recording.

Labels are judged first, then the sound of what is left, and only then, and only where a clip is kept,
the film is decoded: once, each view of each picture projected and coded once, whatever number of
overlapping windows shows it. A clip is written as soon as its last picture is there, and what no later
clip needs is dropped, so memory does not grow with a recording's length (but for its sound).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.annotation import ClipLabels
from savg.clip import ClipFormat
from savg.data.starss.labels import RecordingLabels, read_labels
from savg.data.starss.recordings import Recording
from savg.data.starss.results import (
    Candidate,
    ClipRecord,
    Construction,
    Problem,
    RecordingResult,
    clip_name,
    parse_clip_name,
)
from savg.data.starss.sound import RecordingSound, load_sound, open_sound
from savg.data.starss.strips import Canvas, Strip
from savg.data.starss.video import Film, FilmFrame, frames_at, open_film, projector
from savg.data.starss.windows import clip_labels, judge
from savg.errors import SavgError
from savg.geometry import level_difference_db
from savg.paths import whole_file

MAX_DIFFERENCE = 1.0
"""Seconds by which sound and video of a recording may differ in length."""

NOTED_DIFFERENCE = 0.1
"""Seconds (a label frame) of difference that are reported."""

PANORAMA_WIDTH = 640
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 85]
_DECIMALS = 4


class UnwritableError(SavgError):
    """Something that cannot be written, which is no fault of the recording and stops everything."""


@dataclass(frozen=True)
class Workplace:
    """Folders that a construction fills: clips and tables of a split, panoramas, unpacked files."""

    root: Path
    split: str

    @property
    def clips(self) -> Path:
        """What becomes the split's folder."""
        return self.root / "clips"

    @property
    def videos(self) -> Path:
        return self.clips / f"video_{self.split}"

    @property
    def tables(self) -> Path:
        return self.clips / f"metadata_{self.split}"

    @property
    def panoramas(self) -> Path:
        return self.root / "panoramas"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def panorama(self, recording: str, start: int) -> Path:
        """Where the panorama in the middle of a window is kept."""
        return self.panoramas / f"{recording}_start{start}.jpg"

    def has(self, clip: str) -> bool:
        """Whether a clip is complete; its table is written first."""
        return (self.videos / f"{clip}.mp4").exists() and (self.tables / f"{clip}.csv").exists()

    def discard(self, recording: str) -> None:
        """Remove whatever there is of a recording."""
        for folder in (self.videos, self.tables):
            for path in folder.glob(f"{recording}_deg*"):
                parsed = parse_clip_name(path.stem)
                if parsed is not None and parsed[0] == recording:
                    path.unlink()
        for path in self.panoramas.glob(f"{recording}_start*.jpg"):
            path.unlink()


@dataclass(frozen=True, eq=False)
class _Kept:
    """A clip that is kept, and its labels."""

    record: ClipRecord
    labels: ClipLabels


def construct(
    recording: Recording,
    place: Workplace,
    settings: Construction,
    check: Callable[[], None] = lambda: None,
) -> tuple[RecordingResult, tuple[Problem, ...]]:
    """Write the clips of a recording that `place` lacks; what became of it, and notes about it.

    check: called now and then, may raise to stop; what is written by then stays. Raises SavgError
    with one sentence where the recording cannot be used (nothing of it is left then), and
    UnwritableError where clips cannot be written.
    """
    try:
        with recording.files(place.cache) as files:
            labels = read_labels(files.labels)
            source, film = open_sound(files.audio), open_film(files.video)
            seconds, problems = _common_length(recording.name, source.seconds, film.seconds)
            verdict = judge(labels, seconds, settings)
            clips: list[_Kept] = []
            if verdict.candidates:
                check()
                sound = load_sound(source, settings)
                check()
                clips = _heard(recording.name, labels, sound, verdict.candidates, settings)
                _write_missing(recording.name, clips, film, sound, place, settings, check)
            dropped = dict(verdict.dropped)
            dropped["clipping"] += len(verdict.candidates) - len(clips)
            records = tuple(clip.record for clip in clips)
            result = RecordingResult(
                recording.name, seconds, verdict.windows, dropped, records, recording.fingerprint()
            )
            return result, problems
    except UnwritableError:
        raise
    except SavgError:
        place.discard(recording.name)
        raise


def _common_length(name: str, sound: float, film: float) -> tuple[float, tuple[Problem, ...]]:
    """Seconds that both sound and film have, and what is to be said about it."""
    lengths = f"{name} has {sound:.1f} s of sound and {film:.1f} s of video"
    difference = abs(sound - film)
    if difference > MAX_DIFFERENCE:
        raise SavgError(f"{lengths}: expected lengths within {MAX_DIFFERENCE:g} s of each other.")
    seconds = min(sound, film)
    if difference <= NOTED_DIFFERENCE:
        return seconds, ()
    return seconds, (Problem(name, f"{lengths}; the common length is used.", skipped=False),)


def _heard(
    name: str,
    labels: RecordingLabels,
    sound: RecordingSound,
    candidates: Iterable[Candidate],
    settings: Construction,
) -> list[_Kept]:
    """The candidates whose sound does not clip, with what is known about them."""
    form = settings.format
    kept = []
    for candidate in candidates:
        first = candidate.start * form.sample_rate // form.label_fps
        stereo = sound.clip(first, candidate.view, form.samples)
        peak = float(max(stereo.max(), -stereo.min()))
        if peak > 1.0:
            continue
        table = clip_labels(labels, candidate, settings)
        level = 10.0 * np.log10(float(np.mean(np.square(stereo, dtype=float))) + 1e-18)
        record = ClipRecord(
            name=clip_name(name, candidate.view, candidate.start),
            start=candidate.start,
            view=candidate.view,
            category=candidate.category,
            active=round(len(np.unique(table.frames)) / form.label_frames, _DECIMALS),
            x=round(float(np.mean(table.x)), _DECIMALS),
            level_db=round(level, _DECIMALS),
            difference_db=round(level_difference_db(stereo), _DECIMALS),
            peak=round(peak, _DECIMALS),
        )
        kept.append(_Kept(record, table))
    return kept


def _write_missing(
    name: str,
    clips: Sequence[_Kept],
    film: Film,
    sound: RecordingSound,
    place: Workplace,
    settings: Construction,
    check: Callable[[], None],
) -> None:
    """Write the clips and panoramas that are not there yet, in one pass over the film."""
    clock = _Clock(settings.format)
    panoramas = _panoramas(name, clips, place, clock)
    plans = [plan for plan in _strips(clips, clock) if plan.missing(place)]
    opening: dict[int, list[_StripPlan]] = defaultdict(list)
    for plan in plans:
        opening[plan.begin].append(plan)
    moments = sorted({*panoramas, *(moment for plan in plans for moment in plan.moments(clock))})
    painter = _Painter(film, settings)
    running: list[_Running] = []
    try:
        for index, frame in frames_at(film, [moment / clock.ticks for moment in moments]):
            check()
            moment = moments[index]
            for start in panoramas.get(moment, ()):
                _write_panorama(place.panorama(name, start), frame, film)
            running += [_Running(plan, sound, clock) for plan in opening.pop(moment, ())]
            showing = [strip for strip in running if strip.shows(moment)]
            pictures = painter.views(frame, {strip.plan.view for strip in showing})
            for strip in showing:
                strip.show(pictures[strip.plan.view], place, check)
            running = [strip for strip in running if not strip.ended]
    finally:
        for strip in running:
            strip.strip.close()


@dataclass(frozen=True)
class _Clock:
    """Moments counted in ticks that both pictures and label frames are whole numbers of."""

    form: ClipFormat

    @property
    def ticks(self) -> int:
        """Ticks a second."""
        return lcm(self.form.fps, self.form.label_fps)

    @property
    def picture(self) -> int:
        """Ticks from one picture to the next."""
        return self.ticks // self.form.fps

    @property
    def length(self) -> int:
        """Ticks of a clip's pictures."""
        return self.form.frames * self.picture

    def begin(self, clip: _Kept) -> int:
        """The moment of a clip's first picture."""
        return clip.record.start * (self.ticks // self.form.label_fps)


@dataclass(frozen=True, eq=False)
class _StripPlan:
    """Clips of a view, in order, that overlap and whose pictures fall on the same moments."""

    view: int
    begin: int
    end: int
    clips: tuple[_Kept, ...]

    def missing(self, place: Workplace) -> bool:
        """Whether a clip of it is not there yet."""
        return not all(place.has(clip.record.name) for clip in self.clips)

    def moments(self, clock: _Clock) -> range:
        """The moments of its pictures."""
        return range(self.begin, self.end, clock.picture)


def _strips(clips: Iterable[_Kept], clock: _Clock) -> list[_StripPlan]:
    """The strips that `clips` make, whether they are there already or not, so that a strip that is
    taken up again is coded as it was."""
    lanes: dict[tuple[int, int], list[_Kept]] = defaultdict(list)
    for clip in clips:
        lanes[clip.record.view, clock.begin(clip) % clock.picture].append(clip)
    plans = []
    for (view, _), lane in lanes.items():
        lane.sort(key=clock.begin)
        groups: list[list[_Kept]] = []
        for clip in lane:
            if groups and clock.begin(clip) < clock.begin(groups[-1][-1]) + clock.length:
                groups[-1].append(clip)
            else:
                groups.append([clip])
        for group in groups:
            end = clock.begin(group[-1]) + clock.length
            plans.append(_StripPlan(view, clock.begin(group[0]), end, tuple(group)))
    return plans


class _Running:
    """A strip on its way: the clips that are still to be cut, and where it is."""

    def __init__(self, plan: _StripPlan, sound: RecordingSound, clock: _Clock) -> None:
        self.plan, self._clock = plan, clock
        form = clock.form
        first = _first_sample(plan.clips[0], form)
        samples = _first_sample(plan.clips[-1], form) + form.samples - first

        def hear(start: int, length: int) -> NDArray[np.float32]:
            return sound.clip(first + start, plan.view, length)

        self.strip = Strip(form, samples, hear)
        self._begins = {clock.begin(clip) for clip in plan.clips}
        self._waiting = list(plan.clips)
        self._moment = plan.begin

    @property
    def ended(self) -> bool:
        """Whether all its clips are cut; its encoders are then released."""
        return not self._waiting

    def shows(self, moment: int) -> bool:
        """Whether its next picture is that of a moment."""
        return self._moment == moment

    def show(self, picture: Any, place: Workplace, check: Callable[[], None]) -> None:
        """Take the next picture, and cut the clip that ends with it, if it is missing."""
        clock, form = self._clock, self._clock.form
        self.strip.show(picture, self._moment in self._begins)
        self._moment += clock.picture
        clip = self._waiting[0]
        if clock.begin(clip) + clock.length != self._moment:
            return
        if not place.has(clip.record.name):
            check()
            shift = (clock.begin(clip) - self.plan.begin) // clock.picture
            sample = _first_sample(clip, form) - _first_sample(self.plan.clips[0], form)
            with _writing():
                clip.labels.write_csv(place.tables / f"{clip.record.name}.csv")
                with whole_file(place.videos / f"{clip.record.name}.mp4") as part:
                    self.strip.cut(part, shift, sample)
        del self._waiting[0]
        if self.ended:
            self.strip.close()


def _first_sample(clip: _Kept, form: ClipFormat) -> int:
    return clip.record.start * form.sample_rate // form.label_fps


def _panoramas(
    name: str, clips: Iterable[_Kept], place: Workplace, clock: _Clock
) -> dict[int, list[int]]:
    """Moments in the middle of windows → the windows' starts, where a panorama is missing."""
    wanted: dict[int, list[int]] = defaultdict(list)
    begins = {clip.record.start: clock.begin(clip) for clip in clips}
    for start, begin in begins.items():
        if not place.panorama(name, start).exists():
            wanted[begin + clock.form.frames // 2 * clock.picture].append(start)
    return dict(wanted)


class _Painter:
    """Views of a film's pictures as frames for the encoder."""

    def __init__(self, film: Film, settings: Construction) -> None:
        form = settings.format
        self._project = projector(
            (film.width, film.height),
            (form.size, form.picture_height),
            settings.field_of_view,
            settings.antialias,
        )
        self._canvas = Canvas(form)

    def views(self, frame: FilmFrame, views: Iterable[int]) -> dict[int, Any]:
        """View → padded picture as a yuv420p frame; the panorama is converted once, if at all."""
        prepared = None
        pictures = {}
        for view in views:
            if prepared is None:
                prepared = self._project.prepare(frame.rgb(self._project.first, self._project.last))
            pictures[view] = self._canvas.frame(self._project.view(prepared, view))
        return pictures


def _write_panorama(path: Path, frame: FilmFrame, film: Film) -> None:
    width = min(PANORAMA_WIDTH, film.width)
    picture = frame.small(width, max(2, round(width * film.height / film.width)))
    data = cv2.imencode(".jpg", picture[..., ::-1], _JPEG)[1]
    with _writing(), whole_file(path) as part:
        part.write_bytes(data.tobytes())


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except (SavgError, OSError) as error:
        sentence = str(error) if isinstance(error, SavgError) else f"{error.strerror or error}."
        raise UnwritableError(sentence) from error
