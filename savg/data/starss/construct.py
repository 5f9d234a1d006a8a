"""The clips of one recording.

Labels are judged first, then the sound of what is left, and only then, and only where a clip is kept,
the film is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from savg.audio.levels import level_db, level_difference_db
from savg.data.clip_names import clip_name
from savg.data.starss.audio import RecordingAudio, load_audio, open_audio
from savg.data.starss.cutting import KeptClip, first_sample, write_missing
from savg.data.starss.labels import RecordingLabels, read_labels
from savg.data.starss.recordings import Recording
from savg.data.starss.results import Candidate, ClipRecord, Construction, Problem, RecordingResult
from savg.data.starss.windows import clip_labels, judge
from savg.data.starss.workplace import UnwritableError, Workplace
from savg.errors import SavgError
from savg.media.frame_index import VideoIndex, index_video

MAX_DIFFERENCE = 1.0
"""Seconds by which sound and video of a recording may differ in length."""

NOTED_DIFFERENCE = 0.1
"""Seconds (a label frame) of difference that are reported."""

_DECIMALS = 4

SILENCE_DB = -180.0
"""The level of digital silence in the records."""


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
            source, film = open_audio(files.audio), index_video(files.video)
            _check_panorama(film)
            seconds, problems = _common_length(recording.name, source.seconds, film.seconds)
            verdict = judge(labels, seconds, settings)
            clips: list[KeptClip] = []
            if verdict.candidates:
                check()
                sound = load_audio(source, settings)
                check()
                clips = _heard(recording.name, labels, sound, verdict.candidates, settings)
                write_missing(recording.name, clips, film, sound, place, settings, check)
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


def _check_panorama(film: VideoIndex) -> None:
    if film.width != 2 * film.height:
        raise SavgError(
            f"{film.path} has pictures of {film.width}×{film.height}: expected a panorama twice as "
            "wide as high."
        )


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
    sound: RecordingAudio,
    candidates: Iterable[Candidate],
    settings: Construction,
) -> list[KeptClip]:
    """The candidates whose sound does not clip, with what is known about them."""
    format = settings.format
    kept = []
    for candidate in candidates:
        first = first_sample(candidate.start, format)
        stereo = sound.clip(first, candidate.view, format.samples)
        peak = float(max(stereo.max(), -stereo.min()))
        if peak > 1.0:
            continue
        table = clip_labels(labels, candidate, settings)
        record = ClipRecord(
            name=clip_name(name, candidate.view, candidate.start),
            start=candidate.start,
            view=candidate.view,
            category=candidate.category,
            active=round(len(np.unique(table.frames)) / format.label_frames, _DECIMALS),
            x=round(float(np.mean(table.x)), _DECIMALS),
            level_db=round(level_db(stereo, SILENCE_DB), _DECIMALS),
            difference_db=round(level_difference_db(stereo), _DECIMALS),
            peak=round(peak, _DECIMALS),
        )
        kept.append(KeptClip(record, table))
    return kept
