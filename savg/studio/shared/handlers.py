"""Small things that handlers of Gradio's events have in common."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import gradio as gr

from savg.errors import SavgError
from savg.studio.shared.job_queue import JobQueue
from savg.studio.shared.jobs import sentence
from savg.studio.shared.turns import in_turn
from savg.web.addresses import client_key

QUICK: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 8}
"""Options of events whose handlers take no time."""

SLOW: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None}
"""Options of events whose handlers are of `in_turns`."""

DARK = "document.body.classList.contains('dark')"
"""JavaScript: whether the page is dark."""


def with_value(place: int, script: str) -> str:
    """JavaScript of an event: the values of its inputs, and that of a script in one place."""
    return f"(...all) => [...all.slice(0, {place}), {script}, ...all.slice({place + 1})]"


def visitor(request: gr.Request) -> str:
    """Who asks: a page that somebody has open."""
    return str(request.session_hash)


def network_address(request: gr.Request) -> str:
    """The network address that asks, as far as limits go."""
    client = getattr(request, "client", None)
    return client_key(str(client.host)) if client else ""


def event_data(event: gr.EventData) -> dict[str, Any]:
    """What a component's script told with `trigger(…)`, empty if it is no table."""
    data = event._data  # type: ignore[attr-defined]
    return data if isinstance(data, dict) else {}


def inspect_clip(key: str) -> list[Any]:
    """Updates of `page.inspected` and `page.tabs` that open a clip in Inspect."""
    return [key, gr.Tabs(selected="inspect")]


def guarded(
    update: Callable[[], list[Any]], failed: Callable[[str, Exception], list[Any]]
) -> list[Any]:
    """The updates, or those of `failed(message, error)` if there was an error."""
    try:
        return update()
    except Exception as error:
        return failed(sentence(error), error)


def guarded_each(
    updates: Iterator[list[Any]], failed: Callable[[str, Exception], list[Any]]
) -> Iterator[list[Any]]:
    """The updates one after the other; where an error ends them, those of `failed(message, error)`."""
    try:
        yield from updates
    except Exception as error:
        yield failed(sentence(error), error)


def in_turns(queue: JobQueue, updates: Callable[..., Iterator[list[Any]]]) -> Callable[..., Any]:
    """A handler that gives `updates(visitor, *values)` when the visitor's turn in the queue has come.

    A visitor who cannot even wait is told so by Gradio's own message.
    """

    async def handler(request: gr.Request, *values: Any) -> AsyncGenerator[list[Any], None]:
        who, address = visitor(request), network_address(request)
        turns = in_turn(queue, who, address, lambda: updates(who, *values))
        try:
            async with aclosing(turns) as results:
                async for result in results:
                    yield result
        except SavgError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return handler
