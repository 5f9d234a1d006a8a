"""How much one address may do at a time, so that nobody keeps others out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cachetools import LRUCache

from savg.web.replies import Problem

PER_SESSION, PER_ADDRESS, TOGETHER = 12, 48, 400
"""Events of Gradio that may be pending: of one page, of one address, of all."""

UPLOADS_AT_ONCE = 6
"""Uploads of one address that may arrive at the same time."""

UPLOAD_BYTES, UPLOAD_SECONDS = 4_000_000_000, 3600.0
"""What one address may upload within so many seconds."""

COUNT_SECONDS = 60.0
"""Bytes that arrive within so many seconds are one count."""

MOST_ADDRESSES = 10_000


class UploadLimits:
    """Counts the uploads of each address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bytes: LRUCache[str, deque[tuple[float, int]]] = LRUCache(MOST_ADDRESSES)
        self._running: dict[str, int] = {}

    def count(self, address: str, size: int) -> None:
        """Count bytes that have arrived."""
        counts, now = self._bytes.setdefault(address, deque()), self._clock()
        if counts and now - counts[-1][0] < COUNT_SECONDS:
            began, before = counts.pop()
            counts.append((began, before + size))
        else:
            counts.append((now, size))

    def left(self, address: str) -> int:
        """Bytes that the address may still upload now."""
        arrived = self._bytes.get(address, deque())
        while arrived and arrived[0][0] < self._clock() - UPLOAD_SECONDS:
            arrived.popleft()
        return UPLOAD_BYTES - sum(size for _, size in arrived)

    @contextmanager
    def upload(self, address: str) -> Iterator[None]:
        """While an upload arrives; Problem for one too many."""
        if self._running.get(address, 0) >= UPLOADS_AT_ONCE:
            raise Problem("often", "Too many uploads at once: wait until one is done.")
        self._running[address] = self._running.get(address, 0) + 1
        try:
            yield
        finally:
            self._running[address] -= 1
            if not self._running[address]:
                del self._running[address]


def check_pending(events: list[tuple[str, str]], session: str, address: str) -> None:
    """Problem if too many events, each as (session, address), wait or run for another one."""
    own = sum(one == session for one, _ in events)
    near = sum(one == address for _, one in events)
    if own >= PER_SESSION:
        raise Problem("often", "Too many requests of this page are waiting: wait for one to end.")
    if near >= PER_ADDRESS:
        raise Problem("often", "Too many requests of your network are waiting: try again soon.")
    if len(events) >= TOGETHER:
        raise Problem("often", "The studio is very busy: try again in a minute.")
