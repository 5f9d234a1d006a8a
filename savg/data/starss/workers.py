"""Construction of recordings in this process or in several.

A worker stops between two clips when the stop event is set, and at once when its parent process ends,
so no worker of a killed construction keeps writing.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from savg.command import begin_worker, uninterrupted
from savg.data.starss.construct import construct
from savg.data.starss.recordings import Recording
from savg.data.starss.results import Construction, Problem, RecordingResult
from savg.data.starss.workplace import UnwritableError, Workplace
from savg.device import cores
from savg.errors import Cancelled, SavgError
from savg.json_files import read_object
from savg.paths import atomic_file


@dataclass(frozen=True)
class BuildTask:
    """Arguments of each construction: folders of clips, settings, folder of results."""

    place: Workplace
    settings: Construction
    results: Path


@dataclass(frozen=True)
class RecordingOutcome:
    """Outcome of a recording: its result, or None where it could not be used, and problems."""

    result: RecordingResult | None
    problems: tuple[Problem, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        result = None if self.result is None else self.result.to_dict()
        return {"result": result, "problems": [asdict(problem) for problem in self.problems]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The outcome in a JSON file."""
        result = values["result"] and RecordingResult.from_dict(values["result"])
        return cls(result, tuple(Problem(**problem) for problem in values["problems"]))


@contextmanager
def construct_recordings(
    recordings: Sequence[Recording], task: BuildTask, processes: int | None
) -> Iterator[Iterator[RecordingOutcome]]:
    """The recordings' outcomes in order of completion; leaving the block stops the rest."""
    count = min(processes or cores(), len(recordings))
    if count <= 1:
        yield (_build(recording, task, None) for recording in recordings)
        return
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(count, context, _start, (stop,))
    try:
        yield _results(pool, recordings, task)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _results(
    pool: ProcessPoolExecutor, recordings: Sequence[Recording], task: BuildTask
) -> Iterator[RecordingOutcome]:
    with uninterrupted():
        futures: list[Future[RecordingOutcome]] = [
            pool.submit(_work, recording, task) for recording in recordings
        ]
    try:
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise SavgError(
            "A process of the construction ended unexpectedly (perhaps out of memory); the same "
            "command resumes it."
        ) from error


_stop: Any = None


def _start(stop: Any) -> None:
    """Prepare a worker process."""
    global _stop
    import cv2

    _stop = stop
    cv2.setNumThreads(1)
    begin_worker()


def _work(recording: Recording, task: BuildTask) -> RecordingOutcome:
    return _build(recording, task, _stop)


def _build(recording: Recording, task: BuildTask, stop: Any) -> RecordingOutcome:
    """Construct a recording and write its outcome for later calls."""

    def check() -> None:
        if stop is not None and stop.is_set():
            raise Cancelled("The construction was stopped.")

    check()
    try:
        _discard_if_changed(recording, task)
        result, problems = construct(recording, task.place, task.settings, check)
    except UnwritableError:
        raise
    except SavgError as error:
        return RecordingOutcome(None, (Problem(recording.name, str(error)),))
    outcome = RecordingOutcome(result, problems)
    values = {**outcome.to_dict(), "state": recording.state()}
    _write_json(task.results / f"{recording.name}.json", values)
    return outcome


def _discard_if_changed(recording: Recording, task: BuildTask) -> None:
    """Remove clips of an earlier call that were cut from files of other content."""
    begun = task.results / f"{recording.name}.begun.json"
    sources = recording.fingerprint()
    try:
        if read_object(begun) == sources:
            return
    except SavgError:
        pass
    task.place.discard(recording.name)
    _write_json(begun, sources)


def _write_json(path: Path, values: dict[str, Any]) -> None:
    try:
        with atomic_file(path) as part:
            part.write_text(json.dumps(values, sort_keys=True), encoding="utf-8")
    except SavgError as error:
        raise UnwritableError(str(error)) from error
