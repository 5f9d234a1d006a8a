"""Updates of a page that come one job after the other, in the order of a `JobQueue`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Any, TypeVar

import anyio
from anyio.to_thread import run_sync

from savg.studio.shared.job_queue import JobQueue, Place, Ticket

POLL_SECONDS, REPEAT_SECONDS = 0.1, 2.0
"""How often a waiting job looks for its place, and how often its page is told at least: telling it is
how Gradio notices that the page is gone."""

T = TypeVar("T")

_END: Any = object()


async def turn(
    queue: JobQueue, ticket: Ticket, is_over: Callable[[], bool] = lambda: False
) -> AsyncGenerator[Place, None]:
    """Places of a waiting ticket, ending when its turn begins, it was dropped, or `is_over()`."""
    told, age = None, 0.0
    while not ticket.is_dropped and not is_over():
        place = queue.poll(ticket)
        if place is None or ticket.is_dropped:
            return
        words = place.words
        if words != told or age >= REPEAT_SECONDS:
            told, age = words, 0.0
            yield place
        await asyncio.sleep(POLL_SECONDS)
        age += POLL_SECONDS


async def in_thread(updates: Iterator[T]) -> AsyncGenerator[T, None]:
    """The updates, computed in a thread; an early end closes them, and waits for that."""
    try:
        while (update := await run_sync(next, updates, _END)) is not _END:
            yield update
    finally:
        close = getattr(updates, "close", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await run_sync(close)


async def in_turn(
    queue: JobQueue, session: str, address: str, updates: Callable[[], Iterator[T]]
) -> AsyncGenerator[T, None]:
    """The updates of a short job when its turn has come; none if it was dropped before."""
    ticket = queue.join(session, address)
    try:
        async for _ in turn(queue, ticket):
            pass
        if queue.running is ticket:
            async with aclosing(in_thread(updates())) as results:
                async for update in results:
                    yield update
    finally:
        queue.leave(ticket)
