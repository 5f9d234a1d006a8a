"""The clips of one recording.

Labels are judged first, then the audio of the candidates; video is decoded only for accepted clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from savg.audio.levels import level_db, level_difference_db
from savg.data.clip_names import clip_name
from savg.data.starss.audio import RecordingAudio, load_audio, open_audio
from savg.data.starss.cutting import AcceptedClip, first_sample, write_missing
from savg.data.starss.labels import RecordingLabels, read_labels
from savg.data.starss.recordings import Recording
from savg.data.starss.results import Candidate, ClipRecord, Construction, Problem, RecordingResult
from savg.data.starss.windows import clip_labels, judge
from savg.data.starss.workplace import UnwritableError, Workplace
from savg.errors import SavgError
from savg.media.frame_index import VideoIndex, index_video

MAX_DIFFERENCE = 1.0
"""Seconds by which audio and video of a recording may differ in length."""

NOTED_DIFFERENCE = 0.1
"""Seconds (a label frame) of difference that are reported."""

_DECIMALS = 4

SILENCE_DB = -180.0
"""Level of digital silence in the records."""


def construct(
    recording: Recording,
    place: Workplace,
    settings: Construction,
    check: Callable[[], None] = lambda: None,
) -> tuple[RecordingResult, tuple[Problem, ...]]:
    """Write the clips of a recording that `place` lacks; returns its result and its problems.

    check: called repeatedly, may raise to stop; complete clips remain. Raises SavgError where the
    recording cannot be used (its clips are then removed), and UnwritableError where clips cannot be
    written.
    """
    try:
        with recording.files(place.cache) as files:
            labels = read_labels(files.labels)
            source, video = open_audio(files.audio), index_video(files.video)
            _check_panorama(video)
            seconds, problems = _common_length(recording.name, source.seconds, video.seconds)
            verdict = judge(labels, seconds, settings)
            clips: list[AcceptedClip] = []
            if verdict.candidates:
                check()
                audio = load_audio(source, settings)
                check()
                clips = _accepted(recording.name, labels, audio, verdict.candidates, settings)
                write_missing(recording.name, clips, video, audio, place, settings, check)
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


def _check_panorama(video: VideoIndex) -> None:
    if video.width != 2 * video.height:
        raise SavgError(
            f"{video.path} must be a panorama twice as wide as high, got frames of "
            f"{video.width}×{video.height}."
        )


def _common_length(name: str, audio: float, video: float) -> tuple[float, tuple[Problem, ...]]:
    """Seconds that both audio and video last, and the problem where they differ."""
    lengths = f"{name} has {audio:.1f} s of audio and {video:.1f} s of video"
    difference = abs(audio - video)
    if difference > MAX_DIFFERENCE:
        raise SavgError(f"{lengths}: they must differ by at most {MAX_DIFFERENCE:g} s.")
    seconds = min(audio, video)
    if difference <= NOTED_DIFFERENCE:
        return seconds, ()
    return seconds, (Problem(name, f"{lengths}; the common length is used.", skipped=False),)


def _accepted(
    name: str,
    labels: RecordingLabels,
    audio: RecordingAudio,
    candidates: Iterable[Candidate],
    settings: Construction,
) -> list[AcceptedClip]:
    """The candidates whose audio does not clip, with their records and labels."""
    format = settings.format
    clips = []
    for candidate in candidates:
        first = first_sample(candidate.start, format)
        stereo = audio.clip(first, candidate.view, format.samples)
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
        clips.append(AcceptedClip(record, table))
    return clips
