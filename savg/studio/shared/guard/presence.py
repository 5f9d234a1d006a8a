"""Who has the page open: a session is present while it listens, and for a while after."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cachetools import LRUCache

MOST_SESSIONS = 20_000


class Presence:
    """The sessions of a studio: which of them listens for results, and when each was last seen.

    Connections are counted in the server's event loop; any thread may ask.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: LRUCache[str, float] = LRUCache(MOST_SESSIONS)
        self._streams: dict[str, int] = {}
        self._pages: dict[str, int] = {}
        self._lock = threading.Lock()

    def see(self, session: str) -> None:
        """The session has sent a request."""
        with self._lock:
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
        now = self._clock()
        if session in self._streams or session in self._pages:
            return 0.0
        with self._lock:
            return now - self._seen.setdefault(session, now)

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
