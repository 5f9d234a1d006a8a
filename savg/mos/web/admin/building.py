"""Building studies in the background: folders to choose from, progress, stopping.

Folders of clips are chosen from those under roots that the operator named at the start of the server;
what a browser sends is only looked up in their list.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from savg.errors import Cancelled, SavgError
from savg.folders import videos_in
from savg.mos.study.folder import create_folder
from savg.mos.study.options import Plan
from savg.mos.web.studies import Studies

LOG = logging.getLogger("savg.mos")

DEPTH, MOST_FOLDERS = 4, 500
"""Depth under a root to which folders are searched, and the largest number offered."""

SHOWN = 5
"""Largest number of jobs that are shown."""


@dataclass(frozen=True)
class ClipFolder:
    """A folder for a condition; pages show `label` instead of its path."""

    label: str
    path: Path
    clips: int


def clip_folders(roots: Sequence[Path]) -> dict[str, ClipFolder]:
    """Folders with clips under the roots by label; symbolic links are not followed."""
    folders: dict[str, ClipFolder] = {}
    for root in roots:
        for folder in _walk(root.resolve()):
            clips = len(videos_in(folder))
            if not clips:
                continue
            label = Path(root.resolve().name, folder.relative_to(root.resolve())).as_posix()
            while label in folders:
                label += " (another)"
            folders[label] = ClipFolder(label, folder, clips)
            if len(folders) >= MOST_FOLDERS:
                return folders
    return folders


def _walk(root: Path) -> Iterator[Path]:
    for directory, inside, files in os.walk(root):
        folder = Path(directory)
        depth = len(folder.relative_to(root).parts)
        hidden = depth >= DEPTH or "study.json" in files
        inside[:] = [] if hidden else sorted(d for d in inside if not d.startswith("."))
        yield folder


@dataclass(frozen=True)
class BuildJob:
    """The building of a study; `state` is running, done, stopped or failed; times in seconds."""

    number: int
    name: str
    state: str = "running"
    done: int = 0
    total: int = 0
    error: str = ""
    began: float = 0.0
    seconds: float = 0.0
    stopping: bool = False

    @property
    def left(self) -> float | None:
        """Expected seconds until it is done; None before there is an estimate."""
        if self.state != "running" or self.done < 3:
            return None
        return self.seconds / self.done * (self.total - self.done)


class StudyBuilder:
    """Builds studies in the root folder of `studies`, one at a time, each in a thread."""

    def __init__(self, studies: Studies, roots: Sequence[Path] = ()) -> None:
        self.studies, self.roots = studies, tuple(roots)
        self._jobs: dict[int, BuildJob] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._number = 0
        self._thread: threading.Thread | None = None

    @property
    def ready(self) -> bool:
        """Whether the server has a folder for new studies and folders of clips."""
        return self.studies.root is not None and bool(self.roots)

    def folders(self) -> dict[str, ClipFolder]:
        """The folders that can be chosen now, by label."""
        return clip_folders(self.roots)

    def jobs(self) -> list[BuildJob]:
        """Running and recently ended jobs, newest first."""
        with self._lock:
            return [self._now(j) for j in sorted(self._jobs.values(), key=lambda j: -j.number)]

    def start(self, plan: Plan, folders: Mapping[str, Path]) -> BuildJob:
        """Begin a job; SavgError if another one runs, or the name is in use."""
        name = plan.study.name
        root = self.studies.root
        if root is None:
            raise SavgError("The server was started without a folder for new studies.")
        if name in self.studies.names() or (root / name).exists():
            raise SavgError(f"A study called {name} exists already: choose another name.")
        with self._lock:
            if any(j.state == "running" for j in self._jobs.values()):
                raise SavgError("Another study is being made: wait until it is done, or stop it.")
            self._jobs = {n: j for n, j in self._jobs.items() if j.name != name}
            self._number += 1
            job = BuildJob(self._number, name, began=time.monotonic())
            self._jobs[job.number] = job
            for old in sorted(self._jobs)[:-SHOWN]:
                del self._jobs[old]
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._make,
                args=(job.number, plan, dict(folders), root / name, self._stop),
                name="savg-make-study",
                daemon=True,
            )
            self._thread.start()
        return job

    def stop(self, number: int) -> None:
        """Stop a job at its next clip; its folder is removed."""
        with self._lock:
            job = self._jobs.get(number)
            if job is not None and job.state == "running":
                self._stop.set()
                self._jobs[number] = replace(job, stopping=True)

    def forget(self, number: int) -> None:
        """Remove an ended job from the list."""
        with self._lock:
            if number in self._jobs and self._jobs[number].state != "running":
                del self._jobs[number]

    def close(self, seconds: float = 10.0) -> None:
        """Stop the running job at its next clip and wait for that, so that no encoder is at work when
        the process ends."""
        with self._lock:
            self._stop.set()
            thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _make(
        self,
        number: int,
        plan: Plan,
        folders: Mapping[str, Path],
        path: Path,
        stop: threading.Event,
    ) -> None:
        def on_clip(done: int, total: int) -> None:
            if stop.is_set():
                raise Cancelled
            self._update(number, done=done, total=total)

        try:
            create_folder(
                plan.study,
                folders,
                path,
                url=self.studies.url,
                clips=plan.clips,
                format=plan.format,
                on_clip=on_clip,
            )
        except Cancelled:
            self._end(number, "stopped")
        except SavgError as error:
            self._end(number, "failed", self._without_paths(str(error)))
        except Exception as error:
            LOG.error("a study could not be made", exc_info=error)
            self._end(
                number,
                "failed",
                f"Something unexpected went wrong ({type(error).__name__}); the server's log has "
                "details.",
            )
        else:
            self._end(number, "done")

    def _without_paths(self, sentence: str) -> str:
        """The sentence with the names of folders in place of their paths on the server."""
        for root in (*self.roots, self.studies.root):
            if root is not None:
                for directory in {str(root.resolve()), str(root)}:
                    sentence = sentence.replace(directory, root.resolve().name)
        return sentence

    def _end(self, number: int, state: str, error: str = "") -> None:
        with self._lock:
            job = self._now(self._jobs[number])
            self._jobs[number] = replace(job, state=state, error=error, stopping=False)

    def _update(self, number: int, **changes: int) -> None:
        with self._lock:
            self._jobs[number] = replace(self._jobs[number], **changes)  # type: ignore[arg-type]

    def _now(self, job: BuildJob) -> BuildJob:
        if job.state != "running":
            return job
        return replace(job, seconds=time.monotonic() - job.began)
