"""The order in which visitors' long work is done: one at a time, with a place and an estimate for all
who wait.

Whoever waits polls its place; whoever has no open page is passed over and soon dropped.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from savg.errors import SavgError
from savg.memory import give_back

VARIABLE = "SAVG_JOBS_PER_ADDRESS"
"""Environment variable: how many jobs of one network address may wait or run at a time."""

PER_ADDRESS, MOST = 4, 40
"""Jobs that may wait or run at a time: of one network address, of all."""

SHORT_PER_SESSION, SHORT_PER_ADDRESS = 4, 16
"""As above for jobs of seconds: of one page, of one network address."""

GRACE_SECONDS = 15.0
"""How long a waiting job is kept whose page is not connected."""

RECENT = 8
"""Ended jobs whose mean duration is the estimate for the next."""


@dataclass(frozen=True)
class Place:
    """A place in the queue: how many are before, and in about how many seconds it is its turn."""

    before: int
    seconds: float | None = None

    @property
    def words(self) -> str:
        """For whoever waits."""
        place = f"In the queue (position {self.before + 1})"
        if not self.before:
            return f"{place}: you are next …"
        if self.seconds is None:
            return f"{place} …"
        return f"{place}: about {duration(self.seconds)} to wait …"


@dataclass(eq=False)
class Ticket:
    """One job that waits or runs."""

    session: str
    address: str
    connected: float
    began: float | None = None
    share: float = 0.0
    is_dropped: bool = False


@dataclass
class JobQueue:
    """The waiting jobs of one kind, and the running one.

    is_listening: whether somebody receives the results of a session. per_session: jobs of a session
    that may wait or run; if it is 1, a new one takes the place of one that waits.
    """

    is_listening: Callable[[str], bool] = lambda session: True
    per_address: int = PER_ADDRESS
    per_session: int = 1
    most: int = MOST
    clock: Callable[[], float] = time.monotonic
    waiting: list[Ticket] = field(default_factory=list)
    running: Ticket | None = None
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def join(self, session: str, address: str, *, replaces: bool = True) -> Ticket:
        """Wait at the end. SavgError if too many wait.

        replaces: False where several share a session, so that one does not take another's place.
        """
        own = [one for one in self.waiting if one.session == session] if replaces else []
        if self.per_session == 1:
            for other in own:
                self._drop(other)
        elif len(own) >= self.per_session:
            raise SavgError("Too many requests of this page are waiting: wait for one to end.")
        jobs = [*self.waiting, *([self.running] if self.running else [])]
        if sum(job.address == address for job in jobs) >= self.per_address:
            raise SavgError(
                f"{self.per_address} jobs of your network wait or run already: try again when one "
                "has ended."
            )
        if len(jobs) >= self.most:
            raise SavgError(f"{len(jobs)} jobs wait already: try again in a few minutes.")
        ticket = Ticket(session, address, self.clock())
        self.waiting.append(ticket)
        return ticket

    def poll(self, ticket: Ticket) -> Place | None:
        """The ticket's place, or None when its turn begins; check `is_dropped` first."""
        now = self.clock()
        if self.is_listening(ticket.session):
            ticket.connected = now
        elif now - ticket.connected > GRACE_SECONDS:
            self._drop(ticket)
        if ticket.is_dropped:
            return Place(0)
        if self.running is None and self._first() is ticket:
            self.waiting.remove(ticket)
            self.running, ticket.began = ticket, now
            return None
        return self._place(ticket, now)

    def leave(self, ticket: Ticket) -> None:
        """The job has ended, or waits no longer."""
        if self.running is ticket:
            self.running = None
            if ticket.began is not None:
                self.durations.append(self.clock() - ticket.began)
            give_back()
        else:
            self._drop(ticket)

    def _drop(self, ticket: Ticket) -> None:
        ticket.is_dropped = True
        if ticket in self.waiting:
            self.waiting.remove(ticket)

    def _first(self) -> Ticket | None:
        return next((one for one in self.waiting if self.is_listening(one.session)), None)

    def _place(self, ticket: Ticket, now: float) -> Place:
        ahead = self.waiting.index(ticket)
        before = ahead + (self.running is not None)
        whole = sum(self.durations) / len(self.durations) if self.durations else None
        left = 0.0
        if self.running is not None and self.running.began is not None:
            elapsed, share = now - self.running.began, self.running.share
            if share > 0.05:
                whole = elapsed / share if whole is None else whole
                left = elapsed * (1 - share) / share
            elif whole is not None:
                left = max(whole - elapsed, 0.0)
        return Place(before, None if whole is None else left + ahead * whole)


def short_jobs(is_listening: Callable[[str], bool] = lambda session: True) -> JobQueue:
    """A queue of jobs that take seconds."""
    return JobQueue(is_listening, SHORT_PER_ADDRESS, SHORT_PER_SESSION)


def per_address(environment: Mapping[str, str] = os.environ) -> int:
    """The operator's number of jobs of one address; SavgError if it is none."""
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return PER_ADDRESS
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:6]) <= MOST:
        raise SavgError(f"{VARIABLE} must be a whole number in 1..{MOST}, got {text!r}.")
    return int(text)


def duration(seconds: float) -> str:
    """Rounded up, as nobody minds waiting less."""
    if seconds <= 55:
        return f"{5 * max(1, math.ceil(seconds / 5))} s"
    return f"{math.ceil(seconds / 60)} min"
