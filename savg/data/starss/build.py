"""Construction of a SAVGBench dataset from STARSS23: recordings in parallel, resumable.

A split is filled in a hidden folder beside its place:

    .SAVGBench_Dataset_Development.part/
        plan.json              split and settings; only an equal call resumes it
        clips/                 becomes SAVGBench_Dataset_Development
        panoramas/             become report/panoramas
        recordings/NAME.json   finished recordings; NAME.begun.json: hashes of a started one
        cache/                 files unpacked from zips temporarily

Clips, tables and results appear whole or not at all, so the files left by a killed call are complete,
and a later call writes only the missing ones.
"""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from savg.data.savgbench import split_folder
from savg.data.starss.labels import RecordingLabels, read_labels
from savg.data.starss.recordings import Recording, find_recordings
from savg.data.starss.report import write_reports
from savg.data.starss.results import Construction, Problem, RecordingResult
from savg.data.starss.workers import BuildTask, RecordingOutcome, construct_recordings
from savg.data.starss.workplace import Workplace
from savg.errors import Cancelled, SavgError
from savg.format import SAVGBENCH
from savg.json_files import read_object
from savg.paths import atomic_file

Progress = Callable[[int, int], Any]
"""Called with recordings done and total; returning False stops, and the next call resumes."""

SPLITS = ("dev", "eval")

NAMES_RULE = "azimuth in the clip = azimuth in the recording + deg"
"""Meaning of `deg` in the clips' names; part of the plan and so of the manifest."""


@dataclass(frozen=True)
class BuildOutcome:
    """A finished split: its folder, the result of each recording (by name), and problems."""

    folder: Path
    results: tuple[RecordingResult, ...]
    problems: tuple[Problem, ...]


def build(
    starss: str | os.PathLike[str],
    out: str | os.PathLike[str],
    settings: Construction | None = None,
    *,
    split: str = "dev",
    only: str | None = None,
    strict: bool = False,
    processes: int | None = None,
    progress: Progress | None = None,
    restart: bool = False,
) -> BuildOutcome:
    """Cut the clips of a split from the recordings in `starss` into OUT/…_Development (…_Evaluation).

    Recordings that cannot be used are reported and skipped.

    Args:
        starss: folder with STARSS23's folders or zip files.
        out: folder of the dataset.
        settings: by default those of the development set.
        split: "dev" or "eval".
        only: a pattern like `dev-train-*` for the folder or the name of the recordings to use.
        strict: stop at the first problem instead of reporting it.
        processes: by default one a core.
        progress: called with recordings done and total; returning False stops.
        restart: discard the results of earlier calls, finished or not.

    Raises:
        SavgError: nothing to build from, `out` holds something else, or the first problem if `strict`.
        Cancelled: `progress` returned False.

    Example:
        >>> outcome = build("STARSS23", "dataset", split="dev")
        >>> outcome.folder, len(outcome.results)
    """
    settings = settings or Construction()
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}.")
    recordings, problems = _selected(starss, only)
    if strict and problems:
        raise SavgError(problems[0].sentence)
    out = Path(out)
    plan = {"split": split, "settings": settings.to_dict(), "only": only, "names": NAMES_RULE}
    with _exclusive(out, split):
        place = Workplace(out / f".{split_folder(split)}.part", split)
        _refuse_foreign(out, place)
        _remove(place.root, anyway=restart)
        if not restart and not place.root.exists() and (out / split_folder(split)).exists():
            return _finished(out, plan, recordings, problems)
        _prepare(out, place, plan)
        results, more = _construct(recordings, place, settings, strict, processes, progress)
        problems = tuple(sorted({*problems, *more}, key=lambda p: (p.recording, p.sentence)))
        if not results:
            _remove(place.root)
            raise SavgError(f"No recording of {starss} can be used: {problems[0].sentence}")
        return _finish(out, place, plan, results, problems)


def _selected(
    starss: str | os.PathLike[str], only: str | None
) -> tuple[tuple[Recording, ...], tuple[Problem, ...]]:
    """The recordings to use, and the problems of finding them."""
    index = find_recordings(starss)
    if only is None:
        if not index.recordings:
            raise SavgError(f"No recording of {starss} can be used: {index.problems[0].sentence}")
        return index.recordings, index.problems
    chosen = tuple(
        recording
        for recording in index.recordings
        if any(fnmatch.fnmatchcase(name, only) for name in (recording.group, recording.name))
    )
    if not chosen:
        raise SavgError(f"{starss} has no recording or folder of recordings that matches {only}.")
    names = {recording.name for recording in chosen}
    return chosen, tuple(p for p in index.problems if p.recording in names)


def labels_of(
    starss: str | os.PathLike[str], only: str | None = None
) -> Iterator[tuple[RecordingLabels, float]]:
    """Labels of the recordings to use, and the seconds until their last event; audio and video are
    not read. Tables that cannot be read are omitted (`build` reports them)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        for recording in _selected(starss, only)[0]:
            with suppress(SavgError):
                with recording.labels.open() as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target)
                labels = read_labels(path)
                last = int(labels.frames.max(initial=-1)) + 1
                yield labels, last / SAVGBENCH.label_fps


@contextmanager
def _exclusive(out: Path, split: str) -> Iterator[None]:
    """Lock out a second construction of the same split during the block."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / f".{split_folder(split)}.lock").open("w")
    except OSError as error:
        raise SavgError(f"{out} is not a folder for a dataset: {error.strerror}.") from error
    with lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass
        except OSError as error:
            raise SavgError(f"{out / split_folder(split)} is being built already.") from error
        try:
            yield
        finally:
            Path(lock.name).unlink(missing_ok=True)


def _refuse_foreign(out: Path, place: Workplace) -> None:
    """SavgError for an existing split that was not built here, for instance a downloaded one."""
    final = out / split_folder(place.split)
    begun = place.root.exists() and not place.clips.exists()
    if final.exists() and not begun and not _record_path(out, place.split).exists():
        raise SavgError(f"{final} exists and was not built here: choose another --out.")


def _prepare(out: Path, place: Workplace, plan: dict[str, Any]) -> None:
    """Create the folders, or resume with those of an equal call."""
    path = place.root / "plan.json"
    text = json.dumps(plan, indent=1, sort_keys=True)
    if place.root.exists() and path.exists() and path.read_text(encoding="utf-8") != text:
        raise SavgError(
            f"{out} holds an unfinished construction with other settings: repeat it with those, "
            "or discard it with --restart."
        )
    final = out / split_folder(place.split)
    if path.exists() and not place.clips.exists() and final.exists():
        os.replace(final, place.clips)
    for folder in (place.videos, place.tables, place.panoramas, _results(place)):
        folder.mkdir(parents=True, exist_ok=True)
    _sweep(place)
    with atomic_file(path) as part:
        part.write_text(text, encoding="utf-8")


def _remove(folder: Path, anyway: bool = True) -> None:
    """Remove a folder atomically (renamed first), and the remains of an interrupted removal."""
    old = folder.with_suffix(".old")
    if anyway and folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.replace(folder, old)
    shutil.rmtree(old, ignore_errors=True)


def _sweep(place: Workplace) -> None:
    """Remove partial files and unpacked ones of a killed call."""
    shutil.rmtree(place.cache, ignore_errors=True)
    for folder in (place.root, place.videos, place.tables, place.panoramas, _results(place)):
        for path in folder.glob(".*"):
            path.unlink(missing_ok=True)


def _results(place: Workplace) -> Path:
    return place.root / "recordings"


def _construct(
    recordings: Sequence[Recording],
    place: Workplace,
    settings: Construction,
    strict: bool,
    processes: int | None,
    progress: Progress | None,
) -> tuple[list[RecordingResult], list[Problem]]:
    """The results of all recordings, those of earlier calls included unchanged."""
    results: list[RecordingResult] = []
    problems: list[Problem] = []
    todo = []
    for recording in recordings:
        earlier = _earlier_outcome(recording, place)
        if earlier is None:
            todo.append(recording)
        else:
            results += [earlier.result] if earlier.result else []
            problems += earlier.problems
    if strict and problems:
        raise SavgError(problems[0].sentence)
    task = BuildTask(place, settings, _results(place))
    _report_progress(progress, len(recordings) - len(todo), len(recordings))
    with construct_recordings(todo, task, processes) as outcomes:
        for count, outcome in enumerate(outcomes, len(recordings) - len(todo) + 1):
            if strict and outcome.problems:
                raise SavgError(outcome.problems[0].sentence)
            results += [outcome.result] if outcome.result else []
            problems += outcome.problems
            _report_progress(progress, count, len(recordings))
    return results, problems


def _report_progress(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None and progress(done, total) is False:
        raise Cancelled(f"The construction stopped after {done} of {total} recordings.")


def _earlier_outcome(recording: Recording, place: Workplace) -> RecordingOutcome | None:
    """The outcome of an earlier call, if the recording's files and its clips are unchanged."""
    path = _results(place) / f"{recording.name}.json"
    try:
        values = read_object(path)
        earlier = RecordingOutcome.from_dict(values)
        if earlier.result is None:
            return None
        same = values["state"] == recording.state()
        if not same and earlier.result.sources != recording.fingerprint():
            return None
        return earlier if all(place.has(clip.name) for clip in earlier.result.clips) else None
    except (SavgError, OSError, ValueError, KeyError, TypeError):
        return None


def _finish(
    out: Path,
    place: Workplace,
    plan: dict[str, Any],
    results: Sequence[RecordingResult],
    problems: Sequence[Problem],
) -> BuildOutcome:
    """Move the split into its place and write the reports; each step can be repeated after a kill."""
    split = place.split
    final = out / split_folder(split)
    ordered = tuple(sorted(results, key=lambda result: result.name))
    _sweep(place)
    if final.exists():
        shutil.rmtree(final)
    os.replace(place.clips, final)
    panoramas = out / "report" / "panoramas"
    panoramas.mkdir(parents=True, exist_ok=True)
    for name in _panoramas_of(_read_record(out, split)) - _panoramas_of(ordered):
        (panoramas / name).unlink(missing_ok=True)
    for path in sorted(place.panoramas.iterdir()):
        os.replace(path, panoramas / path.name)
    record = {
        "plan": plan,
        "results": [result.to_dict() for result in ordered],
        "problems": [asdict(problem) for problem in problems],
    }
    with atomic_file(_record_path(out, split)) as part:
        part.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    write_reports(out, plan, ordered, problems)
    _remove(place.root)
    return BuildOutcome(final, ordered, tuple(problems))


def _record_path(out: Path, split: str) -> Path:
    return out / "report" / f"results_{split}.json"


def _read_record(out: Path, split: str) -> tuple[RecordingResult, ...]:
    """The results of the last finished call; empty without one."""
    with suppress(SavgError, ValueError, KeyError, TypeError):
        record = read_object(_record_path(out, split))
        return tuple(RecordingResult.from_dict(values) for values in record["results"])
    return ()


def _panoramas_of(results: Sequence[RecordingResult]) -> set[str]:
    return {f"{r.name}_start{clip.start}.jpg" for r in results for clip in r.clips}


def _finished(
    out: Path,
    plan: dict[str, Any],
    recordings: Sequence[Recording],
    problems: Sequence[Problem],
) -> BuildOutcome:
    """The outcome of an equal finished call; SavgError where the settings or recordings differ."""
    split = plan["split"]
    with suppress(SavgError, ValueError, KeyError, TypeError):
        record = read_object(_record_path(out, split))
        results = tuple(RecordingResult.from_dict(values) for values in record["results"])
        reported = tuple(Problem(**values) for values in record["problems"])
        used = {result.name for result in results}
        same = used | {p.recording for p in reported} == {r.name for r in recordings} | {
            p.recording for p in problems
        }
        if same and record["plan"] == json.loads(json.dumps(plan)):
            return BuildOutcome(out / split_folder(split), results, reported)
    raise SavgError(
        f"{out / split_folder(split)} exists and is no construction of these recordings with these "
        "settings: choose another --out, or replace it with --restart."
    )
