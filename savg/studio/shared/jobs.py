"""Long work in a thread of its own: progress while it runs, results as they come, stop on request.

The web server stays free, and a stop takes effect at the work's next step whether or not anyone is
looking at its progress.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import Cancelled, SavgError
from savg.studio.shared.job_queue import JobQueue

log = logging.getLogger(__name__)

WAITING, RUNNING, DONE, STOPPED, FAILED = "waiting", "running", "done", "stopped", "failed"

Preview = NDArray[np.uint8]


@dataclass(frozen=True)
class Snapshot:
    """What a job has reached: `done` of `total` steps, `text` in words, results so far."""

    state: str = WAITING
    done: float = 0
    total: float = 1
    text: str = ""
    preview: Preview | None = None
    results: tuple[Any, ...] = ()
    error: str = ""
    seconds: float = 0.0


class Job:
    """One piece of work, run once; `cancel()` may come from any thread, even before it starts."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._changed = threading.Condition()
        self._now = Snapshot()
        self._version = 0

    @property
    def cancelled(self) -> bool:
        """Whether a stop was requested."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Stop at the next step."""
        self._cancelled.set()
        self._update()

    def step(self, done: float, total: float, text: str, preview: Preview | None = None) -> bool:
        """Report progress, from within the work; False means stop now."""
        if preview is None:
            preview = self._now.preview
        self._update(done=done, total=total, text=text, preview=preview)
        return not self.cancelled

    def result(self, item: Any) -> None:
        """Hand over one finished result, from within the work."""
        with self._changed:
            results = (*self._now.results, item)
        self._update(results=results)

    def check(self) -> None:
        """Raise Cancelled, within the work, if a stop was requested."""
        if self.cancelled:
            raise Cancelled

    def run(self, work: Callable[[Job], None], every: float = 0.2) -> Iterator[Snapshot]:
        """Do the work; yields what it has reached, at most each `every` seconds, the end last.

        Closing the iterator stops the work and waits for its current step.
        """
        # In the caller's context, which tells ZeroGPU whose daily minutes a GPU is borrowed for.
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run, args=(self._do, work), name="savg-job", daemon=True
        )
        began = time.monotonic()
        version = -1
        thread.start()
        try:
            while thread.is_alive():
                with self._changed:
                    if self._version == version:
                        self._changed.wait(timeout=1.0)
                    version, now = self._version, self._now
                if now.state == RUNNING:
                    yield replace(now, seconds=time.monotonic() - began)
                thread.join(every)
            yield replace(self._now, seconds=time.monotonic() - began)
        finally:
            self._cancelled.set()
            thread.join()

    def _do(self, work: Callable[[Job], None]) -> None:
        self._update(state=RUNNING)
        try:
            self.check()
            work(self)
            self.check()
            self._update(state=DONE)
        except Cancelled:
            self._update(state=STOPPED)
        except Exception as error:
            self._update(state=FAILED, error=sentence(error))

    def _update(self, **changes: Any) -> None:
        with self._changed:
            self._now = replace(self._now, **changes)
            self._version += 1
            self._changed.notify_all()


class Board:
    """The job of each visitor, so that a Stop reaches the right one, and the queue of all jobs."""

    def __init__(self, queue: JobQueue | None = None) -> None:
        self.queue = queue or JobQueue()
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(self, visitor: str) -> Job:
        """A new job for a visitor; one that still runs is told to stop."""
        with self._lock:
            old = self._jobs.get(visitor)
            job = self._jobs[visitor] = Job()
        if old:
            old.cancel()
        return job

    def job(self, visitor: str) -> Job | None:
        """The visitor's job, if there is one."""
        return self._jobs.get(visitor)

    def stop(self, visitor: str) -> bool:
        """Ask the visitor's job to stop; False if there is none."""
        job = self.job(visitor)
        if job:
            job.cancel()
        return job is not None

    def forget(self, visitor: str, job: Job) -> None:
        """The job has ended."""
        with self._lock:
            if self._jobs.get(visitor) is job:
                del self._jobs[visitor]


def sentence(error: BaseException) -> str:
    """What to tell a visitor about an error; those that are not the visitor's own are logged."""
    if isinstance(error, SavgError):
        return str(error)
    if isinstance(error, MemoryError):
        return "There is not enough memory for this: try fewer clips or steps."
    if isinstance(error, OSError) and error.strerror:
        return f"A file could not be used: {error.strerror}."
    log.error("Unexpected error in the studio", exc_info=error)
    return (
        f"Something unexpected went wrong ({type(error).__name__}); the server's log has details."
    )
