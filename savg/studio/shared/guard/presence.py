"""Who has the page open: a session is present while it listens, and for a while after."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cachetools import LRUCache

MOST_SESSIONS = 20_000


class Presence:
    """The sessions of a studio: which of them listens for results, and when each was last seen."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: LRUCache[str, float] = LRUCache(MOST_SESSIONS)
        self._streams: dict[str, int] = {}
        self._pages: dict[str, int] = {}

    def see(self, session: str) -> None:
        """The session has sent a request."""
        self._seen[session] = self._clock()

    def is_listening(self, session: str) -> bool:
        """Whether results reach somebody."""
        return session in self._streams

    @contextmanager
    def listening(self, session: str) -> Iterator[None]:
        """While the session receives results."""
        with self._open(self._streams, session):
            yield

    @contextmanager
    def page(self, session: str) -> Iterator[None]:
        """While the session's page is open."""
        with self._open(self._pages, session):
            yield

    def away(self, session: str) -> float:
        """Seconds since the session was last seen; one that was never seen counts from now."""
        if session in self._streams or session in self._pages:
            self.see(session)
        if session not in self._seen:
            self.see(session)
        return self._clock() - self._seen[session]

    @contextmanager
    def _open(self, connections: dict[str, int], session: str) -> Iterator[None]:
        self.see(session)
        connections[session] = connections.get(session, 0) + 1
        try:
            yield
        finally:
            connections[session] -= 1
            if not connections[session]:
                del connections[session]
            self.see(session)
