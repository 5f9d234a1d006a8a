"""Listening tests kept in a private dataset on the Hub, for servers whose disk does not last.

A Hugging Face Space loses its disk at a restart. So every few minutes what the databases have gained
is added to one file of lines for each participant (see `journal`) and committed by
`huggingface_hub.CommitScheduler`; at start-up studies and participants come back from there. The
database stays the truth: lines are derived from its rows, and a push that fails is tried again later.
In the dataset:

    STUDY/study.json               design, clips, sounds
    STUDY/study.jsonl              its status and analyses
    STUDY/media/NAME
    STUDY/participants/CODE.jsonl
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import CommitScheduler

from savg.errors import SavgError
from savg.mos.hub.dataset import Moved, PrivateDataset, Refusal
from savg.mos.hub.journal import Event, Lines, events_of, study_events
from savg.mos.hub.restore import merge
from savg.mos.study.definition import definition, make_folder, media_of, read_definition, same_study
from savg.mos.study.folder import StudyFolder
from savg.mos.web.studies import Studies

DATASET_VARIABLE = "SAVG_MOS_DATASET"
"""Environment variable: the private dataset, USER/NAME."""

MINUTES_VARIABLE = "SAVG_MOS_PUSH_MINUTES"
MINUTES = 2.0
"""Between two pushes; the Hub takes about two commits a minute at most."""

FIRST_TRIES = (0.0, 2.0, 5.0)
"""Seconds before each try to reach the Hub at start-up."""

STUDY_FILE = re.compile(r"([a-z0-9_-]{1,40})/study\.json", re.ASCII)
LINES_FILE = re.compile(
    r"([a-z0-9_-]{1,40})/(?:participants/([A-Z0-9]{1,16})|study)\.jsonl", re.ASCII
)

LOG = logging.getLogger("savg.mos")


@dataclass(frozen=True)
class PushState:
    """How pushing goes: when it last worked, what failed since, what in the dataset is wrong."""

    dataset: str
    minutes: float
    pushed_at: float | None = None
    failures: int = 0
    failure: str = ""
    problems: tuple[str, ...] = ()


class Pushes:
    """Pushes the studies of a server to a dataset, and brings back those that the dataset has.

    Studies that only the dataset has are made in `studies.root`.
    """

    def __init__(
        self,
        studies: Studies,
        dataset: str,
        minutes: float = MINUTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 0 < minutes <= 24 * 60:
            raise SavgError(f"{MINUTES_VARIABLE} is a number of minutes up to 1440, not {minutes}.")
        self.studies = studies
        self.remote = PrivateDataset(dataset)
        self.state = PushState(dataset, minutes)
        self._clock = clock
        self._work = Path(tempfile.mkdtemp(prefix="savg-push-"))
        self._lines: dict[str, Lines] = {}
        self._waiting: set[str] = set()
        self._there: set[str] = set()
        self._foreign: set[str] = set()
        self._head: str | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._scheduler: _Scheduler | None = None
        self._error: Exception | None = None

    def start(self) -> None:
        """Bring back what the dataset has, then push now and every few minutes.

        SavgError for a dataset that cannot be used at all. A Hub that does not answer is tried again
        later: nothing is pushed before everything there was read.
        """
        self.studies.closing.append(self.close)
        for pause in FIRST_TRIES:
            self._closed.wait(pause)
            if self._try(self._pull):
                break
            if isinstance(self._error, Refusal):
                self.studies.closing.remove(self.close)
                self.close(0.0)
                raise self._error
        threading.Thread(target=self._begin, name="savg-push", daemon=True).start()

    def told(self) -> list[str]:
        """What an operator should know, in sentences."""
        now = self.state
        said = [
            f"Listening tests are pushed to the private dataset {now.dataset} every "
            f"{now.minutes:g} minutes: a server whose disk is lost loses what came since the last push."
        ]
        if now.failures:
            said.append(f"The dataset could not be reached; it will be tried again: {now.failure}")
        return [*said, *now.problems]

    def push(self) -> str | None:
        """Commit what is new, if anything; the commit. Failures are noted, not raised."""
        made: list[str | None] = []
        self._try(lambda: made.append(self._push()))
        return made[0] if made else None

    def close(self, seconds: float = 25.0) -> bool:
        """Push what is left and stop; whether everything reached the dataset in time."""
        if self._closed.is_set():
            return not self.state.failures
        self._closed.set()
        scheduler, done = self._scheduler, False
        if seconds > 0:
            last = threading.Thread(target=self.push, name="savg-last-push", daemon=True)
            last.start()
            last.join(seconds)
            done = not last.is_alive() and not self.state.failures
        if scheduler is not None:
            scheduler.stop()
        if seconds > 0 and not done:
            LOG.error(
                "The last changes did not reach %s: %s", self.state.dataset, self.state.failure
            )
        shutil.rmtree(self._work, ignore_errors=True)
        return done

    def _begin(self) -> None:
        """The scheduler contacts the Hub when it is made: wait for that to work."""
        pause = min(30.0, self.state.minutes * 60)
        while not self._closed.is_set():
            try:
                self._scheduler = _Scheduler(self, self._work / "scheduled")
                return
            except Exception as error:
                self._failed(error)
            self._closed.wait(pause)

    def _try(self, act: Callable[[], Any]) -> bool:
        try:
            with self._lock:
                act()
        except Exception as error:
            self._failed(error)
            return False
        self.state = replace(self.state, failures=0, failure="")
        return True

    def _failed(self, error: Exception) -> None:
        self._error = error
        sentence = (str(error).strip().splitlines() or [type(error).__name__])[0]
        self.state = replace(self.state, failures=self.state.failures + 1, failure=sentence)
        LOG.warning("%s could not be reached (%s)", self.state.dataset, sentence)

    def _push(self) -> str | None:
        for _ in range(3):
            if self._head is None or self.remote.head() != self._head:
                self._pull()
            assert self._head is not None
            files, new = self._gathered()
            if not files:
                self.state = replace(self.state, pushed_at=self._clock())
                return None
            try:
                self._head = self.remote.add(files, self._head)
            except Moved:
                self._head = None
                continue
            self._waiting.clear()
            self._there |= new
            self.state = replace(self.state, pushed_at=self._clock())
            return self._head
        raise SavgError(f"Another server keeps changing the dataset {self.state.dataset}.")

    def _gathered(self) -> tuple[dict[str, bytes | Path], set[str]]:
        """Files to commit: lines with what is new, and whole studies that the dataset lacks."""
        files: dict[str, bytes | Path] = {}
        new: set[str] = set()
        for name in self.studies.names():
            if name in self._foreign:
                continue
            study = self.studies.get(name)
            if name not in self._there:
                files |= self._whole(study)
                new.add(name)
            self._gather(study)
        return files | {p: (self._work / p).read_bytes() for p in sorted(self._waiting)}, new

    def _whole(self, study: StudyFolder) -> dict[str, bytes | Path]:
        made = definition(study)
        text = json.dumps(made, ensure_ascii=False, indent=1) + "\n"
        files: dict[str, bytes | Path] = {f"{study.name}/study.json": text.encode()}
        for name in media_of(made):
            if (study.media / name).is_file():
                files[f"{study.name}/media/{name}"] = study.media / name
        return files

    def _gather(self, study: StudyFolder) -> None:
        """Add lines for what the database has gained."""
        own = f"{study.name}/study.jsonl"
        told = self._lines.get(own, Lines()).events
        with study.store.reading() as connection:
            events = {
                f"{study.name}/participants/{code}.jsonl": found
                for code, found in events_of(connection, study.name).items()
            }
            events[own] = study_events(connection, study.name, told, self._clock())
        for path, found in events.items():
            lines = self._lines.setdefault(path, Lines())
            if new := lines.missing(found):
                lines.write(self._work / path, path, new)
                self._waiting.add(path)

    def _pull(self) -> None:
        """Read the whole dataset: make studies that are not here, merge what the databases lack."""
        head = self.remote.head()
        names = self.remote.files(head)
        wanted = [n for n in names if STUDY_FILE.fullmatch(n) or LINES_FILE.fullmatch(n)]
        cache = self._work / "cache"
        folder = self.remote.fetch(head, wanted, cache)
        there = {m[1] for m in map(STUDY_FILE.fullmatch, wanted) if m}
        problems: list[str] = []
        self._lines, self._waiting, self._foreign = {}, set(), set()
        for name in sorted(there):
            mine = [n for n in wanted if n.startswith(f"{name}/") and LINES_FILE.fullmatch(n)]
            try:
                made = read_definition(folder / name / "study.json")
                study = self._study(name, made, head, cache)
                if not same_study(study.store.study(name), made):
                    raise SavgError(
                        f"The dataset {self.state.dataset} has another study called {name}: it was "
                        "left alone, and this one is not pushed."
                    )
                problems += self._merge(study, mine, folder)
            except SavgError as error:
                self._foreign.add(name)
                problems.append(str(error))
        shutil.rmtree(cache, ignore_errors=True)
        self._head, self._there = head, there
        for sentence in problems:
            if sentence not in self.state.problems:
                LOG.warning(sentence)
        self.state = replace(self.state, problems=tuple(dict.fromkeys(problems)))

    def _study(self, name: str, made: Mapping[str, Any], head: str, cache: Path) -> StudyFolder:
        """The study of that name here, made from the dataset if there is none."""
        if name in self.studies.names():
            return self.studies.get(name)
        if self.studies.root is None:
            raise SavgError(f"There is no folder in which study {name} could be restored.")
        files = [f"{name}/media/{media}" for media in media_of(dict(made))]
        folder = self.remote.fetch(head, files, cache)
        make_folder(dict(made), folder / name / "media", self.studies.root / name)
        return self.studies.get(name)

    def _merge(self, study: StudyFolder, files: list[str], folder: Path) -> list[str]:
        problems: list[str] = []
        people: dict[str, list[Event]] = {}
        own: list[Event] = []
        for path in files:
            target = self._work / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / path, target)
            lines = self._lines[path] = Lines.read(target, path, path)
            problems += lines.problems
            match = LINES_FILE.fullmatch(path)
            assert match is not None
            if match[2]:
                people[match[2]] = lines.events
            else:
                own = lines.events
        merged = merge(study.store, study.name, people, own)
        if merged.added:
            LOG.info("%s: %d entries came back from the dataset", study.name, merged.added)
        return [*problems, *(f"{study.name}: {p}" for p in merged.problems)]


class _Scheduler(CommitScheduler):
    """When to push; what to push is decided by `Pushes`."""

    def __init__(self, pushes: Pushes, folder: Path) -> None:
        self._pushes = pushes
        super().__init__(
            repo_id=pushes.state.dataset,
            repo_type="dataset",
            private=True,
            folder_path=folder,
            every=pushes.state.minutes,
            hf_api=pushes.remote.api,
        )

    def push_to_hub(self) -> None:  # type: ignore[override]
        """Called now, every few minutes, and at the end of the program."""
        if not self._pushes._closed.is_set():
            self._pushes.push()


def pushes_of(studies: Studies, environment: Mapping[str, str] = os.environ) -> Pushes | None:
    """Pushes to the dataset of SAVG_MOS_DATASET, if it is named."""
    dataset = environment.get(DATASET_VARIABLE, "").strip()
    if not dataset:
        return None
    given = environment.get(MINUTES_VARIABLE, "").strip() or str(MINUTES)
    try:
        minutes = float(given)
    except ValueError:
        raise SavgError(f"{MINUTES_VARIABLE} is a number of minutes, not {given[:40]!r}.") from None
    return Pushes(studies, dataset, minutes)
