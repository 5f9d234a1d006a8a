"""The clips of one recording.

Labels are judged first, then the sound of what is left, and only then, and only where a clip is kept,
the film is decoded: once, each view of each picture projected once, whatever number of overlapping
windows shows it. A clip is written as soon as its last picture is there, so memory holds the pictures
of the windows that are open at one moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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
from savg.data.starss.video import Film, FilmFrame, Projector, frames_at, open_film
from savg.data.starss.windows import clip_labels, judge
from savg.errors import SavgError
from savg.geometry import level_difference_db
from savg.media import Encoding, write_video
from savg.paths import whole_file

ENCODING = Encoding(
    preset="ultrafast",
    crf=16,
    tune="zerolatency",
    audio_bit_rate=160_000,
    audio_options={
        "aac_coder": "fast",
        "aac_is": "0",
        "aac_ms": "0",
        "aac_pns": "0",
        "aac_tns": "0",
    },
    threads=1,
)
"""Fast, and still without visible loss: luminance within 46 dB or more of the projected pictures.

Sound is coded each channel by itself, so that nothing but rounding touches the level difference, at
the highest rate that needs no second search of an AAC frame's size.
"""

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


@dataclass(eq=False)
class _OpenClip:
    """A clip on its way: its pictures so far, in the encoder's format."""

    record: ClipRecord
    labels: ClipLabels
    pictures: list[Any] = field(default_factory=list)


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
            clips: list[_OpenClip] = []
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
) -> list[_OpenClip]:
    """The candidates whose sound does not clip, with what is known about them."""
    form = settings.format
    kept = []
    for candidate in candidates:
        stereo = _stereo(sound, candidate.start, candidate.view, form)
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
        kept.append(_OpenClip(record, table))
    return kept


def _stereo(sound: RecordingSound, start: int, view: int, form: ClipFormat) -> NDArray[np.float32]:
    """The sound of the window that begins at label frame `start`."""
    first = start * form.sample_rate // form.label_fps
    return sound.clip(first, view, form.samples)


def _write_missing(
    name: str,
    clips: Sequence[_OpenClip],
    film: Film,
    sound: RecordingSound,
    place: Workplace,
    settings: Construction,
    check: Callable[[], None],
) -> None:
    """Write the clips and panoramas that are not there yet, in one pass over the film."""
    form = settings.format
    # A moment is counted in ticks that both pictures and label frames are whole numbers of.
    ticks = lcm(form.fps, form.label_fps)
    picture_step, label_step = ticks // form.fps, ticks // form.label_fps
    shown: dict[int, dict[int, list[_OpenClip]]] = defaultdict(lambda: defaultdict(list))
    panoramas: dict[int, list[int]] = defaultdict(list)
    for clip in clips:
        begin = clip.record.start * label_step
        if not place.has(clip.record.name):
            for index in range(form.frames):
                shown[begin + index * picture_step][clip.record.view].append(clip)
        middle, start = begin + form.frames // 2 * picture_step, clip.record.start
        if start not in panoramas[middle] and not place.panorama(name, start).exists():
            panoramas[middle].append(start)
    moments = sorted({*shown, *(moment for moment, starts in panoramas.items() if starts)})
    painter = _Painter(film, settings)
    for index, frame in frames_at(film, [moment / ticks for moment in moments]):
        check()
        moment = moments[index]
        for start in panoramas.pop(moment, ()):
            _write_panorama(place.panorama(name, start), frame, film)
        for view, picture in painter.views(frame, shown.get(moment, {})):
            for clip in shown[moment][view]:
                clip.pictures.append(picture)
                if len(clip.pictures) == form.frames:
                    check()
                    _write_clip(clip, _stereo(sound, clip.record.start, view, form), place, form)
                    clip.pictures = []
        shown.pop(moment, None)


class _Painter:
    """Views of a film's pictures as frames for the encoder."""

    def __init__(self, film: Film, settings: Construction) -> None:
        from av.video.reformatter import VideoReformatter

        form = settings.format
        self._project = Projector(
            (film.width, film.height),
            (form.size, form.picture_height),
            settings.field_of_view,
            settings.antialias,
        )
        self._rows = slice(form.top, form.bottom)
        self._canvas = np.zeros((form.size, form.size, 3), np.uint8)
        self._reformatter = VideoReformatter()

    def views(self, frame: FilmFrame, views: Iterable[int]) -> Iterator[tuple[int, Any]]:
        """(view, padded picture) of each view; the panorama is converted once, if at all."""
        import av

        prepared = None
        for view in views:
            if prepared is None:
                prepared = self._project.prepare(frame.rgb(self._project.first, self._project.last))
            self._canvas[self._rows] = self._project.view(prepared, view)
            picture = av.VideoFrame.from_ndarray(self._canvas, "rgb24")
            yield view, self._reformatter.reformat(picture, format="yuv420p")


def _write_clip(
    clip: _OpenClip, stereo: NDArray[np.float32], place: Workplace, form: ClipFormat
) -> None:
    with _writing():
        clip.labels.write_csv(place.tables / f"{clip.record.name}.csv")
        path = place.videos / f"{clip.record.name}.mp4"
        write_video(path, clip.pictures, form.fps, stereo, form.sample_rate, ENCODING)


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
