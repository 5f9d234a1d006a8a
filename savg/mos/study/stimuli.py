"""The clips of a study: chosen, levelled with one gain, transcoded once, named opaquely.

Every clip is decoded, multiplied by the gain of the study, written as H.264 with AAC at 48 kHz,
decoded again and compared. Levels in LUFS and dB; a level difference is left over right.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from savg.audio.levels import level_difference_db
from savg.audio.loudness import RATE, common_gain, integrated_loudness, true_peak
from savg.clip import Clip
from savg.errors import MediaError, SavgError
from savg.folders import videos_in
from savg.format import SAVGBENCH, ClipFormat
from savg.media.audio_track import audio_of
from savg.media.encode import Encoding, write_video
from savg.mos.study.assignment import check_pool
from savg.mos.study.design import ANCHORS, OFF_CENTRE_DB, DesignError, Kind, Stimulus, Study
from savg.mos.study.renditions import anchor_audio, catch_frame, shown_rows
from savg.paths import file_sha256

T = TypeVar("T")

BIT_RATE = 320_000
"""Of the audio, in bit/s: at lower rates AAC moves level differences between the channels."""

TOLERANCE_DB = 0.2
"""Largest change of a level difference that the transcoding may make."""

LONGEST = 60.0
"""Seconds of a clip, at most."""

TARGET_LUFS = -23.0

OnClip = Callable[[int, int], object]
"""Called with the number of finished clips and the number of all clips."""


@dataclass(frozen=True)
class Source:
    """A clip file and its levels: loudness in LUFS, true peak and level difference in dB."""

    path: Path
    condition: str
    seconds: float
    loudness: float
    peak: float
    difference: float


@dataclass(frozen=True)
class Levels:
    """Levels of a written stimulus: loudness and peak as written, difference before and after AAC."""

    id: str
    condition: str
    kind: Kind
    clip: str
    loudness: float
    peak: float
    difference_source: float
    difference_written: float


@dataclass(frozen=True)
class BuiltStimuli:
    """The clips of a study, the levels of each, and their common gain in dB."""

    stimuli: tuple[Stimulus, ...]
    levels: tuple[Levels, ...]
    gain: float

    @property
    def loudness(self) -> float:
        """Median loudness of the clips in LUFS, which is that of the volume noise too."""
        values = [row.loudness for row in self.levels if np.isfinite(row.loudness)]
        return float(np.median(values)) if values else TARGET_LUFS

    def summary(self) -> dict[str, object]:
        """Levels of each condition, and the largest change of a level difference, as JSON types."""
        conditions: dict[str, dict[str, float | int]] = {}
        for name in sorted({row.condition for row in self.levels}):
            rows = [r for r in self.levels if r.condition == name and np.isfinite(r.loudness)]
            if rows:
                values = np.array([r.loudness for r in rows])
                conditions[name] = {
                    "clips": len(rows),
                    "loudness_mean": round(float(values.mean()), 2),
                    "loudness_sd": round(float(values.std()), 2),
                    "peak_max": round(max(r.peak for r in rows), 2),
                }
        changes = [abs(r.difference_written - r.difference_source) for r in self.levels]
        return {
            "gain_db": round(self.gain, 3),
            "level_difference_change_max_db": round(max(changes, default=0.0), 3),
            "conditions": conditions,
            "clips": [{k: _finite(v) for k, v in asdict(row).items()} for row in self.levels],
        }


def _finite(value: Any) -> Any:
    """The value for JSON: None for the infinite level of silence."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def find_clips(folder: Path) -> list[Path]:
    """The videos of a folder: its own, else those in dataset folders (video_dev, …) beneath."""
    if not folder.is_dir():
        raise SavgError(f"{folder}: no such folder of clips.")
    clips = videos_in(folder) or [
        path for path in videos_in(folder, deep=True) if path.parent.name.startswith("video_")
    ]
    if not clips:
        raise SavgError(f"{folder} contains no clips: expected videos in it.")
    return clips


def count_off_centre(folders: Mapping[str, Path], condition: str, clips: int, seed: int) -> int:
    """How many of the clips that `build` draws of a condition have a sound off centre.

    folders, clips, seed: as of `build` and its study. MediaError for a clip that cannot be read.
    """
    count = 0
    for path in _drawn(folders, clips, np.random.default_rng(seed))[condition]:
        audio = audio_of(path, LONGEST, RATE)
        difference = 0.0 if audio is None else level_difference_db(audio, bounded=True)
        count += abs(difference) >= OFF_CENTRE_DB
    return count


def build(
    study: Study,
    folders: Mapping[str, Path],
    media: Path,
    *,
    clips: int = 100,
    format: ClipFormat = SAVGBENCH,
    target: float = TARGET_LUFS,
    on_clip: OnClip | None = None,
) -> BuiltStimuli:
    """Write the clips of a study into the existing folder `media`.

    Args:
        folders: a folder of clips for each condition; up to `clips` of each are drawn (seeded).
        format: frame rate and size of the written clips.
        target: median loudness in LUFS, lowered where a peak would clip.
        on_clip: called after each measured and each written clip.

    Raises:
        SavgError: too few clips, or a clip whose level difference changes by more than TOLERANCE_DB.
    """
    if set(folders) != {c.name for c in study.conditions}:
        raise DesignError(
            f"Folders must be those of {', '.join(c.name for c in study.conditions)}, got "
            f"{', '.join(sorted(folders)) or 'none'}."
        )
    format = replace(format, sample_rate=RATE)
    rng = np.random.default_rng(study.seed)
    paths = _drawn(folders, clips, rng)
    number = sum(map(len, paths.values()))
    step = _Counter(2 * number, on_clip)
    sources = {
        name: [step.after(measure(p, name, format)) for p in clip_paths]
        for name, clip_paths in paths.items()
    }
    everything = [s for clip_paths in sources.values() for s in clip_paths]
    gain = common_gain(
        np.array([s.loudness for s in everything]), np.array([s.peak for s in everything]), target
    )
    plan = list(_plan(study, sources, rng))
    check_pool(study, [_unwritten(p, i) for i, p in enumerate(plan)])
    step.total = number + len(plan)
    order = rng.permutation(len(plan))
    written = {
        int(i): step.after(_write(plan[i], media, format, gain, len(study.labels))) for i in order
    }
    results = [written[i] for i in range(len(plan))]
    return BuiltStimuli(tuple(s for s, _ in results), tuple(row for _, row in results), gain)


def measure(path: Path, condition: str, format: ClipFormat) -> Source:
    """Read a clip and measure the levels of its audio."""
    clip = _read(path, format)
    return Source(
        path,
        condition,
        clip.format.seconds,
        integrated_loudness(clip.audio),
        true_peak(clip.audio),
        level_difference_db(clip.audio, bounded=True),
    )


@dataclass(frozen=True)
class _PlannedStimulus:
    source: Source
    condition: str
    kind: Kind
    scene: str
    variant: str = "as_is"
    expected: int | None = None


def _plan(
    study: Study, sources: Mapping[str, Sequence[Source]], rng: np.random.Generator
) -> Iterable[_PlannedStimulus]:
    """The stimuli to write: practice and catch trials first, anchors, then the rest."""
    aside = _set_aside(study, sources, rng)
    used = {id(source) for source, _ in aside}
    for source, variant in aside[: study.practice]:
        yield _PlannedStimulus(source, "practice", "practice", _scene(study, source), variant)
    scores = rng.permutation([s for s in study.scores] * study.catch)
    for i in range(study.catch):
        source = aside[i % len(aside)][0]
        yield _PlannedStimulus(source, "catch", "catch", f"catch/{i}", expected=int(scores[i]))
    for anchor, source in _anchors(study, sources, used):
        yield _PlannedStimulus(source, anchor, anchor, _scene(study, source), anchor)
    for name, clips in sources.items():
        kind: Kind = "reference" if name == study.reference else "system"
        for source in clips:
            if id(source) not in used:
                yield _PlannedStimulus(source, name, kind, _scene(study, source))


def _unwritten(planned: _PlannedStimulus, number: int) -> Stimulus:
    """A stimulus as planned, so that sessions can be tried before anything is transcoded."""
    source = planned.source
    return Stimulus(
        f"{number}",
        planned.condition,
        source.path.name,
        planned.scene,
        planned.kind,
        source.seconds,
        expected=planned.expected,
    )


def _set_aside(
    study: Study, sources: Mapping[str, Sequence[Source]], rng: np.random.Generator
) -> list[tuple[Source, str]]:
    """Clips for practice (the whole range of the scale if there is ground truth) and catch trials,
    each with its `anchor_audio` variant.

    Taken from the condition with most clips to spare, ground truth where it has enough.
    """
    number = max(study.practice, 1 if study.catch else 0)
    if not number:
        return []
    spare = {c.name: len(sources[c.name]) - c.trials for c in study.conditions}
    if study.reference is not None:
        spare[study.reference] -= sum(a.trials for a in study.anchors)
    name = max(spare, key=lambda n: (min(spare[n], number), n == study.reference))
    clips = sources[name]
    if spare[name] < number:
        raise DesignError(
            f"Practice and catch trials need {number} clips that are not rated: condition {name} "
            f"has {len(clips)} clips, {number - spare[name]} too few."
        )
    if name != study.reference or not study.anchors:
        return [(clips[i], "as_is") for i in rng.permutation(len(clips))[:number]]
    aside = sorted(clips, key=lambda s: abs(s.difference))
    off = [s for s in aside if abs(s.difference) >= OFF_CENTRE_DB]
    needed = sum(a.trials for a in study.anchors) + number
    chosen = off[:number] if len(off) >= needed else aside[:number]
    return [(s, ("as_is", *ANCHORS)[i % 3]) for i, s in enumerate(chosen)]


def _anchors(
    study: Study, sources: Mapping[str, Sequence[Source]], used: set[int]
) -> Iterable[tuple[Kind, Source]]:
    """The most off-centre ground truth for each anchor, four times as many as a listener rates."""
    if not study.anchors or study.reference is None:
        return
    off_centre = [
        s
        for s in sources[study.reference]
        if id(s) not in used and abs(s.difference) >= OFF_CENTRE_DB
    ]
    off_centre.sort(key=lambda s: -abs(s.difference))
    needed = sum(a.trials for a in study.anchors)
    if len(off_centre) < needed:
        raise DesignError(
            f"Anchors need {needed} clips of {study.reference} with a sound at least "
            f"{OFF_CENTRE_DB:g} dB off centre: there are {len(off_centre)} (or take fewer anchors)."
        )
    for anchor in study.anchors:
        for source in off_centre[: 4 * needed]:
            yield ("swapped" if anchor.name == "swapped" else "mono"), source


def _scene(study: Study, source: Source) -> str:
    return source.path.stem if study.matched else f"{source.condition}/{source.path.stem}"


def _write(
    planned: _PlannedStimulus, media: Path, format: ClipFormat, gain: float, scores: int
) -> tuple[Stimulus, Levels]:
    """Transcode one clip, and check what a browser will decode."""
    clip = _read(planned.source.path, format)
    gained = anchor_audio(clip.audio, planned.variant) * np.float32(10 ** (gain / 20))
    frames = np.ascontiguousarray(shown_rows(clip, planned.source.path))
    if planned.expected is not None:
        frames = np.stack([catch_frame(frame, planned.expected, scores) for frame in frames])
    name = secrets.token_hex(12)
    path = media / f"{name}.mp4"
    gained = np.clip(gained, -1.0, 1.0)
    write_video(path, frames, format.fps, gained, RATE, Encoding(audio_bit_rate=BIT_RATE))
    os.utime(path, (0, 0))
    decoded = _read(path, replace(format, frames=clip.format.frames)).audio
    before, after = (level_difference_db(audio, bounded=True) for audio in (gained, decoded))
    if abs(after - before) > TOLERANCE_DB:
        raise MediaError(
            f"{planned.source.path}: the level difference between its channels is {before:.2f} dB "
            f"and became {after:.2f} dB: it must change by at most {TOLERANCE_DB} dB."
        )
    stimulus = Stimulus(
        name,
        planned.condition,
        planned.source.path.name,
        planned.scene,
        planned.kind,
        clip.format.seconds,
        file_sha256(path),
        planned.expected,
    )
    levels = Levels(
        name,
        planned.condition,
        planned.kind,
        planned.source.path.name,
        integrated_loudness(decoded),
        true_peak(decoded),
        before,
        after,
    )
    return stimulus, levels


def _read(path: Path, format: ClipFormat) -> Clip:
    return Clip.read(path, format, max_seconds=LONGEST)


def _drawn(
    folders: Mapping[str, Path], most: int, rng: np.random.Generator
) -> dict[str, list[Path]]:
    """Up to `most` clips of each folder."""
    drawn = {}
    for name, folder in folders.items():
        paths = find_clips(folder)
        drawn[name] = [paths[i] for i in sorted(rng.permutation(len(paths))[:most])]
    return drawn


class _Counter:
    """Counts finished clips for `on_clip`, which may raise Cancelled."""

    def __init__(self, total: int, on_clip: OnClip | None) -> None:
        self.total, self.done, self.on_clip = total, 0, on_clip

    def after(self, value: T) -> T:
        self.done += 1
        if self.on_clip is not None:
            self.on_clip(self.done, self.total)
        return value
