"""Reading ahead: a thread starts the next items while the caller works on those before."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import Generic, Protocol, TypeVar

MAX_BYTES = 2**29
"""Bytes of items that wait; one may always wait, whatever its size."""


class Sized(Protocol):
    """Something that occupies memory."""

    @property
    def size(self) -> int:
        """Bytes."""


T = TypeVar("T")
W = TypeVar("W", bound=Sized)


def read_ahead(
    start: Callable[[T], W], items: Iterable[T], most: int, most_bytes: int = MAX_BYTES
) -> Generator[W]:
    """`start(item)` of each item in order, called in a thread for up to `most` items ahead.

    At most `most` results exist that were not handed out, the one being made included. most: 0 for no
    thread. What `start` or the iteration raises is raised here, in its turn.
    """
    if most < 1:
        yield from map(start, items)
        return
    queue: _Queue[W] = _Queue(most, most_bytes)
    thread = threading.Thread(target=queue.fill, args=(start, items), daemon=True)
    thread.start()
    try:
        while (result := queue.take()) is not None:
            yield result
            del result
    finally:
        queue.stop()
        thread.join()


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, the last one shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


class _Queue(Generic[W]):
    """A queue of results with a limited number and size."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most, self.most_bytes = most, most_bytes
        self.changed = threading.Condition()
        self.results: deque[W] = deque()
        self.error: BaseException | None = None
        self.ended = self.stopped = False

    def fill(self, start: Callable[[T], W], items: Iterable[T]) -> None:
        """Make the results one by one."""
        try:
            for item in items:
                if not self._room():
                    return
                result = start(item)
                with self.changed:
                    self.results.append(result)
                    self.changed.notify_all()
                del result
        except BaseException as error:
            self.error = error
        finally:
            with self.changed:
                self.ended = True
                self.changed.notify_all()

    def _room(self) -> bool:
        """Wait until another result may be made; False where nobody wants it any more."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopped or self._is_free())
            return not self.stopped

    def _is_free(self) -> bool:
        size = sum(result.size for result in self.results)
        return len(self.results) < self.most and size < self.most_bytes

    def take(self) -> W | None:
        """The next result; None at the end."""
        with self.changed:
            self.changed.wait_for(lambda: self.results or self.ended)
            if self.results:
                result = self.results.popleft()
                self.changed.notify_all()
                return result
        if self.error is not None:
            raise self.error
        return None

    def stop(self) -> None:
        """Make no further results."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
