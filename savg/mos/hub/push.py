"""Snapshots of listening tests in a private dataset on the Hub, for servers without a lasting disk.

A Hugging Face Space loses its disk at a restart. So every few minutes, and at shutdown, a snapshot of
each study that has changed is committed; at start-up studies are restored from there. The database is
authoritative: a push that fails is retried later. The dataset has study folders:

    STUDY/study.json      its name, and digests of the snapshot's file and of its rows
    STUDY/study.sqlite    the snapshot; tokens are in it as SHA-256 only
    STUDY/media/NAME      uploaded once

A study whose database is elsewhere (PostgreSQL) has the same form in the dataset.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from savg.errors import SavgError, first_line
from savg.json_files import read_object
from savg.mos.hub import DATASET_VARIABLE, MINUTES_VARIABLE
from savg.mos.hub.restore import (
    STUDY_FILE,
    DatasetStudy,
    make_folder,
    media_names,
    open_snapshot,
    read_study,
)
from savg.mos.storage.snapshot import FAULTS, content_digest, merge, write_snapshot
from savg.mos.study.folder import DATABASE
from savg.mos.web.studies import Studies
from savg.paths import file_sha256
from savg.private_dataset import DatasetMoved, DatasetRefused, PrivateDataset

MINUTES = 2.0
"""Minutes between two pushes; the Hub takes about two commits a minute at most."""

FIRST_TRIES = (0.0, 2.0, 5.0)
"""Seconds before each try to reach the Hub at start-up."""

LOG = logging.getLogger("savg.mos")


@dataclass(frozen=True)
class PushState:
    """The time of the last push (seconds since 1970), failures since, problems with the dataset, and
    faults of studies that the last push left out."""

    dataset: str
    minutes: float
    pushed_at: float | None = None
    failures: int = 0
    failure: str = ""
    problems: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


class Pushes:
    """Pushes the studies of a server to a dataset, and restores studies from it.

    Studies that only the dataset has are restored in `studies.root`.
    """

    def __init__(
        self,
        studies: Studies,
        dataset: str,
        minutes: float = MINUTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 0 < minutes <= 24 * 60:
            raise SavgError(
                f"{MINUTES_VARIABLE} must be a number of minutes up to 1440, got {minutes}."
            )
        self.studies = studies
        self.remote = PrivateDataset(dataset)
        self.state = PushState(dataset, minutes)
        self._clock = clock
        # goes with this object, too, where nothing closes it
        self._folder = tempfile.TemporaryDirectory(prefix="savg-push-", ignore_cleanup_errors=True)
        self._work = Path(self._folder.name)
        self._head: str | None = None
        self._files: set[str] = set()
        self._pushed: dict[str, str] = {}
        self._own: set[str] = set()
        self._foreign: set[str] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._error: Exception | None = None

    def start(self) -> None:
        """Restore what the dataset has, then push now and every few minutes.

        A Hub that does not answer is tried again later; nothing is pushed before everything in the
        dataset was read. SavgError for a dataset that can never be used.
        """
        self.studies.closing.append(self.close)
        for pause in FIRST_TRIES:
            self._closed.wait(pause)
            if self._try(self._pull):
                break
            if isinstance(self._error, DatasetRefused):
                self.studies.closing.remove(self.close)
                self.close(0.0)
                raise self._error
        threading.Thread(target=self._push_often, name="savg-push", daemon=True).start()

    def messages(self) -> list[str]:
        """The state in sentences, for an operator."""
        now = self.state
        sentences = [
            f"Listening tests are pushed to the private dataset {now.dataset} every "
            f"{now.minutes:g} minutes: a server whose disk is lost loses what came since the last push."
        ]
        if now.failures:
            sentences.append(
                f"The dataset could not be reached; it will be tried again: {now.failure}"
            )
        return [*sentences, *now.problems, *now.faults]

    def push(self) -> str | None:
        """Commit what has changed; the commit, or None. Failures go to `state`, none is raised."""
        commits: list[str | None] = []
        self._try(lambda: commits.append(self._push()))
        return commits[0] if commits else None

    def close(self, seconds: float = 25.0) -> bool:
        """Push the last changes and stop; whether they reached the dataset within `seconds`."""
        if self._closed.is_set():
            return not self.state.failures
        self._closed.set()
        complete = False
        if seconds > 0:
            last = threading.Thread(target=self.push, name="savg-last-push", daemon=True)
            last.start()
            last.join(seconds)
            faults = " ".join(self.state.faults)
            complete = not (last.is_alive() or self.state.failures or faults)
            if not complete:
                failure = self.state.failure or faults or "it took too long"
                LOG.error("The last changes did not reach %s: %s", self.state.dataset, failure)
        self._folder.cleanup()
        return complete

    def _push_often(self) -> None:
        pause = 0.0
        while not self._closed.wait(pause):
            self.push()
            pause = 60 * self.state.minutes
            if self.state.pushed_at is None:
                pause = min(30.0, pause)

    def _try(self, act: Callable[[], Any]) -> bool:
        try:
            with self._lock:
                act()
        except Exception as error:
            sentence = first_line(error)
            self._error = error
            self.state = replace(self.state, failures=self.state.failures + 1, failure=sentence)
            LOG.warning("%s could not be reached (%s)", self.state.dataset, sentence)
            return False
        self.state = replace(self.state, failures=0, failure="")
        return True

    def _push(self) -> str | None:
        for _ in range(3):
            if self._head is None or self.remote.head() != self._head:
                self._pull()
            assert self._head is not None
            files, digests = self._changed()
            if files:
                try:
                    self._head = self.remote.add(files, self._head)
                except DatasetMoved:
                    self._head = None
                    continue
                self._files |= set(files)
                self._pushed |= digests
                self._own |= set(digests)
            self.state = replace(self.state, pushed_at=self._clock())
            return self._head if files else None
        raise SavgError(f"Another server keeps changing the dataset {self.state.dataset}.")

    def _changed(self) -> tuple[dict[str, bytes | Path], dict[str, str]]:
        """Files to commit of studies that have changed, and the digest of each one's rows."""
        files: dict[str, bytes | Path] = {}
        digests: dict[str, str] = {}
        faults: list[str] = []
        for name in self.studies.names():
            if name in self._foreign:
                continue
            try:
                content = content_digest(self.studies.get(name).store, name)
                if content != self._pushed.get(name):
                    files |= self._files_of(name)
                    digests[name] = content
            except FAULTS as error:
                sentence = (
                    f"Study {name} could not be copied; it will be tried again: {first_line(error)}"
                )
                faults.append(sentence)
                LOG.warning(sentence)
        self.state = replace(self.state, faults=tuple(faults))
        return files, digests

    def _files_of(self, name: str) -> dict[str, bytes | Path]:
        """A new snapshot of a study, its description, and its media that the dataset lacks."""
        study = self.studies.get(name)
        snapshot = self._work / f"{name}.sqlite"
        snapshot.unlink(missing_ok=True)
        written = write_snapshot(study.store, name, snapshot)
        facts = read_object(study.path / "study.json")
        facts |= {"database": DATABASE, "sha256": file_sha256(snapshot), "content": written}
        media = {f"{name}/media/{m}": study.media / m for m in media_names(study.store.study(name))}
        return {
            f"{name}/study.json": (json.dumps(facts, indent=1) + "\n").encode(),
            f"{name}/{DATABASE}": snapshot,
            **{p: file for p, file in media.items() if p not in self._files and file.is_file()},
        }

    def _pull(self) -> None:
        """Read the whole dataset: restore missing studies, merge rows that the databases lack."""
        head = self.remote.head()
        names = self.remote.files(head)
        studies = sorted(m[1] for m in map(STUDY_FILE.fullmatch, names) if m)
        cache = self._work / "cache"
        parts = [f"{name}/{file}" for name in studies for file in ("study.json", DATABASE)]
        folder = self.remote.fetch(head, [p for p in parts if p in names], cache)
        problems: list[str] = []
        self._foreign, self._pushed, self._files = set(), {}, set(names)
        for name in studies:
            try:
                described = read_study(folder / name, name)
                problems += self._restore(described, head, cache)
                self._pushed[name] = described.content
                self._own.add(name)
            except SavgError as error:
                outcome = "is replaced" if name in self._own else "stays unchanged"
                problems.append(f"{error} It {outcome} in {self.state.dataset}.")
                if name not in self._own:
                    self._foreign.add(name)
        shutil.rmtree(cache, ignore_errors=True)
        self._head = head
        for sentence in problems:
            if sentence not in self.state.problems:
                LOG.warning(sentence)
        self.state = replace(self.state, problems=tuple(dict.fromkeys(problems)))

    def _restore(self, described: DatasetStudy, head: str, cache: Path) -> list[str]:
        """Restore a study of the dataset, or merge it into the one here; problems in sentences."""
        name = described.name
        if name in self.studies.names():
            study = self.studies.get(name)
            if content_digest(study.store, name) == described.content:
                return []
        elif self.studies.root is None:
            raise SavgError(f"There is no folder in which study {name} could be restored.")
        with closing(open_snapshot(described)) as snapshot:
            if name not in self.studies.names():
                assert self.studies.root is not None
                row = snapshot.study(name)
                media = [f"{name}/media/{file}" for file in media_names(row)]
                if missing := sorted(set(media) - self._files):
                    raise SavgError(f"{missing[0]} is missing: the dataset's history has it.")

                def fetched() -> Path:
                    return self.remote.fetch(head, media, cache) / name / "media"

                make_folder(described, snapshot, fetched, self.studies.root / name)
                return []
            merged = merge(snapshot, self.studies.get(name).store, name)
        if merged.added:
            LOG.info("%s: %d entries came back from the dataset", name, merged.added)
        return merged.problems


def pushes_of(studies: Studies, environment: Mapping[str, str] = os.environ) -> Pushes | None:
    """Pushes to the dataset of SAVG_MOS_DATASET; None if it is not set."""
    dataset = environment.get(DATASET_VARIABLE, "").strip()
    if not dataset:
        return None
    minutes_text = environment.get(MINUTES_VARIABLE, "").strip() or str(MINUTES)
    try:
        minutes = float(minutes_text)
    except ValueError:
        raise SavgError(
            f"{MINUTES_VARIABLE} must be a number of minutes, got {minutes_text[:40]!r}."
        ) from None
    return Pushes(studies, dataset, minutes)
