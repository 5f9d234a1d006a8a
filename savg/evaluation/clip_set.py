"""A folder of clips to evaluate: names, files, keys in the cache, and checks before long work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from savg.device import cores
from savg.errors import SavgError
from savg.evaluation.cache import content_hash, derived_key, digest
from savg.evaluation.files import result_names
from savg.evaluation.observers import Source
from savg.evaluation.reading import Reading
from savg.folders import VIDEO_SUFFIXES, videos_in
from savg.media.channels import AudioRules
from savg.media.clip_reader import audio_note
from savg.media.probe import video_info
from savg.metrics.base import Metric, Need
from savg.paths import existing

SHOWN = 3
"""Names that a sentence lists before it counts the rest."""


@dataclass(frozen=True)
class ClipFile:
    """A file of a clip.

    content: its SHA-256, None where it cannot be read; note: what becomes of audio that is not stereo.
    """

    name: str
    path: Path
    content: str | None = None
    note: str = ""

    def source(self, reading: Reading) -> Source:
        """The clip as it is read."""
        key = None if self.content is None else derived_key(self.content, reading=reading.facts)
        return Source(self.name, partial(reading.read, self.path), key)


@dataclass(frozen=True)
class ClipSet:
    """The clips of a folder, by name."""

    folder: Path
    files: tuple[ClipFile, ...]

    @classmethod
    def of(cls, folder: Path, audio: AudioRules | None = None) -> ClipSet:
        """The videos of a folder with their content's hashes; SavgError without a folder or a video.

        audio: what becomes stereo.
        """
        if not existing(folder, "folder").is_dir():
            raise SavgError(f"{folder} must be a folder of clips, got a file.")
        paths = videos_in(folder)
        if not paths:
            raise SavgError(f"{folder} has no video ({', '.join(VIDEO_SUFFIXES)}).")
        with ThreadPoolExecutor(cores()) as pool:
            contents = list(pool.map(_content, paths))
            notes = list(pool.map(partial(_note, rules=audio or AudioRules()), paths))
        names = result_names(paths)
        return cls(folder, tuple(map(ClipFile, names, paths, contents, notes)))

    @property
    def names(self) -> list[str]:
        """The clips' names, in order."""
        return [file.name for file in self.files]

    @property
    def sha256(self) -> str:
        """A hash of the clips' contents, whatever their names."""
        return digest(sorted(file.content or file.name for file in self.files))

    def sources(self, reading: Reading) -> list[Source]:
        """The clips as they are read, in order."""
        return [file.source(reading) for file in self.files]

    def path(self, name: str) -> Path:
        """The file of a clip."""
        return next(file.path for file in self.files if file.name == name)


def _content(path: Path) -> str | None:
    try:
        return content_hash(path)
    except SavgError:
        return None


def _note(path: Path, rules: AudioRules) -> str:
    try:
        return audio_note(path, rules)
    except SavgError:
        return ""  # the reader tells it


def _rate(path: Path) -> Fraction | None:
    try:
        return video_info(path).fps
    except SavgError:
        return None


def refuse_silent_set(clips: ClipSet) -> None:
    """SavgError where no file of a folder has an audio track; what cannot be opened is left to the
    reader."""
    for file in clips.files:
        try:
            if video_info(file.path).channels:
                return
        except SavgError:
            return
    raise SavgError(
        f"No clip in {clips.folder} has an audio track: an evaluation needs videos with sound, or "
        "--silent-ok to read them as silent."
    )


def warnings_about(generated: ClipSet, reference: ClipSet | None) -> list[str]:
    """What is odd about the sets and does not stop an evaluation: copies, other numbers of clips."""
    warnings = [
        f"{listed(names)} in {generated.folder} are the same file."
        for names in _copies(generated.files)
    ]
    for clips in (generated, *([reference] if reference else [])):
        for note in dict.fromkeys(file.note for file in clips.files if file.note):
            names = [file.name for file in clips.files if file.note == note]
            warnings.append(f"{note} ({listed(names)} in {clips.folder})")
    if reference is None:
        return warnings
    warnings += [
        f"{listed(names)} in {reference.folder} are the same file."
        for names in _copies(reference.files)
    ]
    known = {file.content for file in reference.files} - {None}
    common = [file.name for file in generated.files if file.content in known]
    if common:
        verb = "is" if len(common) == 1 else "are"
        warnings.append(f"{listed(common)} {verb} in the reference set too, byte for byte.")
    n, m = len(generated.files), len(reference.files)
    if n != m:
        warnings.append(
            f"The sets have unequal numbers of clips: {n} in {generated.folder}, "
            f"{m} in {reference.folder}."
        )
    return warnings


def warnings_about_rates(clips: ClipSet, fps: int) -> list[str]:
    """That files have other frame rates than they are read at, which measures of time follow."""
    with ThreadPoolExecutor(cores()) as pool:
        rates = list(pool.map(_rate, [file.path for file in clips.files]))
    by_rate: dict[Fraction, list[str]] = {}
    for file, rate in zip(clips.files, rates, strict=True):
        if rate is not None and rate != fps:
            by_rate.setdefault(rate, []).append(file.name)
    return [
        f"{listed(names)} in {clips.folder}: the file has {float(rate):g} frames a second and is read "
        f"at {fps} (--fps), which measures of time follow."
        for rate, names in sorted(by_rate.items())
    ]


def _copies(files: Iterable[ClipFile]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for file in files:
        if file.content is not None:
            groups.setdefault(file.content, []).append(file.name)
    return [names for names in groups.values() if len(names) > 1]


def problems_of(
    metrics: Iterable[type[Metric]], generated: ClipSet, reference: ClipSet | None
) -> dict[str, str]:
    """Why metrics cannot be computed of these sets, a sentence by the metrics' names."""
    problems = {}
    for metric in metrics:
        sets = [generated]
        if metric.needs & {Need.REFERENCE, Need.PAIRS} and reference is not None:
            sets.append(reference)
        for clips in sets:
            if len(clips.files) < metric.least_clips:
                problems[metric.name] = (
                    f"The metric {metric.name} needs at least {metric.least_clips} clips, "
                    f"{clips.folder} has {len(clips.files)}."
                )
        if Need.PAIRS in metric.needs and reference is not None:
            sentence = _unpaired(generated, reference)
            if sentence:
                problems[metric.name] = f"The metric {metric.name} needs pairs: {sentence}"
    return problems


def _unpaired(generated: ClipSet, reference: ClipSet) -> str:
    partners = set(reference.names)
    alone = [name for name in generated.names if name not in partners]
    if not alone:
        return ""
    if len(alone) == len(generated.files):
        return (
            f"no clip in {reference.folder} has the name of one in {generated.folder} "
            f"({listed(generated.names)} there, {listed(reference.names)} here)."
        )
    return f"{reference.folder} has no clip named {listed(alone)}."


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "a, b and c", of more the first ones."""
    if len(names) > SHOWN + 1:
        return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} others"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
