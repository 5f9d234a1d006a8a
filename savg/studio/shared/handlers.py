"""Small things that handlers of Gradio's events have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from savg.studio.shared.jobs import sentence

QUICK: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 8}
"""Options of events whose handlers take no time."""

DARK = "document.body.classList.contains('dark')"
"""JavaScript: whether the page is dark."""


def visitor(request: gr.Request) -> str:
    """Who asks: a page that somebody has open."""
    return str(request.session_hash)


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
