"""Checks of a set of clips: files, video, audio, labels, and its manifest where it has one.

Expected: of each clip an mp4 and a CSV of one name; frames, rates and lengths of the set's format;
black rows above and below the picture; audio that is neither silent nor clipped;
labels within the clip and its picture, one at a time, in at least 80 % of the label frames [S1, S2].
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from savg.data.savgbench import SPLIT_NAMES, BenchItem, SavgBench
from savg.device import cores
from savg.errors import Cancelled, SavgError
from savg.folders import by_stem
from savg.format import ClipFormat
from savg.media.probe import FileFacts, file_facts
from savg.paths import file_sha256

PUBLISHED_CLIPS = {"dev": 5031}
"""Number of clips of a published split, where that is known [S1]."""

RATE_TOLERANCE = 0.01
"""Frames a second by which a file may differ."""

AUDIO_TOLERANCE = 0.1
"""Seconds by which the audio may be shorter or longer than the clip: codecs pad it."""

BLACK = 16.0
"""Mean brightness (of 255) up to which padding counts as black: codecs smear the picture's edge."""

SILENT = 1e-3
"""Largest sample of silence."""

CLIPPED = 0.01
"""Share of a channel's samples at full scale from which it counts as clipped: lossy codecs carry loud
audio that was not clipped a little beyond it."""

MIN_ACTIVE = 0.8
"""Share of label frames with a label, for sets without a manifest."""

Progress = Callable[[int, int], Any]


@dataclass(frozen=True)
class Finding:
    """One fault of a set: file (relative to the checked folder), kind, and a sentence.

    kind: count, missing, unreadable, format, video, audio, labels, duplicate or manifest.
    """

    file: str
    kind: str
    sentence: str


@dataclass(frozen=True)
class CheckReport:
    """Findings in a split of `clips` clips; quick: nothing was decoded."""

    folder: Path
    split: str
    clips: int
    quick: bool
    findings: tuple[Finding, ...]

    @property
    def kinds(self) -> dict[str, int]:
        """Number of findings of each kind."""
        return dict(Counter(finding.kind for finding in self.findings))


def check(
    bench: SavgBench,
    *,
    quick: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Check every clip of a split.

    Args:
        bench: the split.
        quick: read only headers and tables, decode nothing.
        threads: by default one a core.
        progress: called with clips done and total; returning False stops.

    Raises:
        Cancelled: `progress` returned False.
    """
    findings = [*_set_findings(bench)]
    tables = bench.metadata.is_dir()
    hashes = _label_hashes(bench.manifest)
    min_active = float((bench.manifest or {}).get("settings", {}).get("min_active", MIN_ACTIVE))

    def check_item(item: BenchItem) -> list[Finding]:
        own = [*_clip_findings(item, bench.format, quick)]
        if tables:
            own += _label_findings(item, bench.format, min_active, hashes.get(item.name))
        return own

    with ThreadPoolExecutor(threads or cores()) as pool:
        for done, own in enumerate(pool.map(check_item, bench), 1):
            findings += own
            if progress is not None and progress(done, len(bench)) is False:
                pool.shutdown(cancel_futures=True)
                raise Cancelled(f"Checking stopped after {done} of {len(bench)} clips.")
    findings += _duplicates(bench)
    return CheckReport(bench.folder, bench.split, len(bench), quick, tuple(findings))


def _set_findings(bench: SavgBench) -> Iterator[Finding]:
    """Faults of the set as a whole: number of clips, pairs of files, manifest."""
    names = {item.name for item in bench}
    folder = bench.folder.name
    manifest, count = bench.manifest, PUBLISHED_CLIPS.get(bench.split)
    if not names:
        yield Finding(folder, "count", f"{folder} holds no clips.")
    elif manifest is None and count is not None and len(bench) != count:
        kind = SPLIT_NAMES[bench.split].lower()
        sentence = f"{len(bench)} clips, the published {kind} set has {count}"
        yield Finding(folder, "count", f"{folder} holds {sentence}.")
    if not bench.metadata.is_dir():
        missing = bench.metadata.name
        yield Finding(
            folder, "missing", f"{folder} has no folder {missing} with the clips' labels."
        )
    for name in sorted(set(by_stem(bench.metadata, (".csv",))) - names):
        file = f"{bench.metadata.name}/{name}.csv"
        yield Finding(file, "missing", f"{file} has no clip: expected {name}.mp4.")
    if manifest is None:
        return
    listed = {clip["name"] for clip in manifest["clips"]}
    for name in sorted(listed - names):
        file = f"{bench.videos.name}/{name}.mp4"
        yield Finding(file, "manifest", f"{file} is missing: the manifest lists it.")
    for name in sorted(names - listed):
        file = f"{bench.videos.name}/{name}.mp4"
        yield Finding(file, "manifest", f"{file} is not in the manifest.")


def _label_hashes(manifest: dict[str, Any] | None) -> dict[str, str]:
    clips = (manifest or {}).get("clips", ())
    return {clip["name"]: clip["labels_sha256"] for clip in clips if "labels_sha256" in clip}


def _clip_findings(item: BenchItem, format: ClipFormat, quick: bool) -> Iterator[Finding]:
    file = f"{item.path.parent.name}/{item.path.name}"
    try:
        facts = file_facts(item.path, format, decoded=not quick)
    except SavgError as error:
        yield Finding(file, "unreadable", _relative(str(error), item.path, file))
        return
    for kind, words in [*_wrong_format(facts, format), *_wrong_content(facts)]:
        yield Finding(file, kind, f"{file} {words}.")


def _wrong_format(facts: FileFacts, format: ClipFormat) -> Iterator[tuple[str, str]]:
    if (facts.width, facts.height) != (format.size, format.size):
        size = f"{format.size}×{format.size}"
        yield "format", f"has frames of {facts.width}×{facts.height}, expected {size}"
    if abs(facts.fps - format.fps) > RATE_TOLERANCE:
        yield "format", f"has {facts.fps:g} frames a second, expected {format.fps}"
    if facts.frames is not None and facts.frames != format.frames:
        yield "format", f"has {facts.frames} frames, expected {format.frames}"
    if facts.channels != 2:
        words = f"{facts.channels} audio channel{'s' * (facts.channels != 1)}"
        yield "format", f"has {words}, expected 2"
    if facts.sample_rate != format.sample_rate:
        yield "format", f"has audio at {facts.sample_rate} Hz, expected {format.sample_rate}"
    if facts.audio_seconds is not None and facts.channels:
        late = facts.audio_seconds - format.seconds
        if abs(late) > AUDIO_TOLERANCE:
            words = f"{facts.audio_seconds:.2f} s of audio, expected {format.seconds:g}"
            yield "format", f"has {words}"


def _wrong_content(facts: FileFacts) -> Iterator[tuple[str, str]]:
    if facts.padding is not None and facts.padding > BLACK:
        yield (
            "video",
            f"has rows above or below its picture that are not black ({facts.padding:.0f})",
        )
    if facts.picture is not None and facts.picture < 1.0:
        yield "video", "has a black picture"
    if facts.peaks is None:
        return
    if max(facts.peaks) < SILENT:
        yield "audio", "is silent"
    elif min(facts.peaks) < SILENT:
        side = ("left", "right")[int(np.argmin(facts.peaks))]
        yield "audio", f"has a silent {side} channel"
    if facts.full_scale >= CLIPPED:
        yield "audio", f"is clipped ({100 * facts.full_scale:.0f} % of its samples at full scale)"


def _label_findings(
    item: BenchItem, format: ClipFormat, min_active: float, digest: str | None
) -> Iterator[Finding]:
    file = f"{item.labels_path.parent.name}/{item.labels_path.name}"
    if not item.labels_path.is_file():
        video = f"{item.path.parent.name}/{item.path.name}"
        yield Finding(file, "missing", f"{video} has no labels: expected {file}.")
        return
    if digest is not None and file_sha256(item.labels_path) != digest:
        yield Finding(file, "manifest", f"{file} has changed since the manifest was written.")
    try:
        labels = item.labels
    except SavgError as error:
        yield Finding(file, "labels", _relative(str(error), item.labels_path, file))
        return
    late = labels.frames[labels.frames >= format.label_frames]
    if len(late):
        words = f"a label in frame {late[0]}, the last one is {format.label_frames - 1}"
        yield Finding(file, "labels", f"{file} has {words}.")
    for axis, values, most in (
        ("x", labels.x, format.size),
        ("y", labels.y, format.picture_height),
    ):
        outside = values[(values < 0) | (values > most)]
        if len(outside):
            words = f"{axis} = {outside[0]:g}, outside the picture (0…{most})"
            yield Finding(file, "labels", f"{file} has a label at {words}.")
    frames, counts = np.unique(labels.frames, return_counts=True)
    if (counts > 1).any():
        words = f"{counts.max()} labels at once, first in frame {frames[counts > 1][0]}"
        yield Finding(file, "labels", f"{file} has {words}.")
    active = len(frames[frames < format.label_frames]) / format.label_frames
    if active < min_active - 1e-9:
        words = (
            f"labels in {100 * active:.0f} % of the clip, expected at least {100 * min_active:.0f}"
        )
        yield Finding(file, "labels", f"{file} has {words} %.")


def _relative(sentence: str, path: Path, file: str) -> str:
    """A sentence about a path, naming it from the checked folder on."""
    return sentence.replace(str(path), file)


def _duplicates(bench: SavgBench) -> Iterator[Finding]:
    """Clips with the same bytes under several names; only files of one size are compared."""
    for group in _equal(list(bench), lambda item: item.path.stat().st_size):
        for same in _equal(group, lambda item: file_sha256(item.path)):
            first, *others = (f"{item.path.parent.name}/{item.path.name}" for item in same)
            for file in others:
                yield Finding(file, "duplicate", f"{file} is the same file as {first}.")


def _equal(items: Sequence[BenchItem], key: Callable[[BenchItem], object]) -> list[list[BenchItem]]:
    """Groups of at least two items with one key."""
    groups: dict[object, list[BenchItem]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return [group for group in groups.values() if len(group) > 1]
