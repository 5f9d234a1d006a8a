"""A page that is built without the servers that Gradio makes of it on the way.

Gradio makes a FastAPI application, with all its routes, when blocks are begun, when they end, when
their queue is set, and when they are launched; the last one alone ever serves. In the body of
`without_apps` the others are not made, and `blocks.app` is None until the launch. A Gradio without
that function is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FUNCTION = "create_app"


@contextmanager
def without_apps() -> Iterator[None]:
    """Build blocks in the body; launches, also of other threads, go on as ever."""
    from gradio.routes import App

    own = vars(App).get(FUNCTION)
    if own is None:
        yield
        return

    def create_app(*blocks: Any, **options: Any) -> Any:
        is_launch = len(blocks) != 1 or options != {"mcp_server": False}
        return own.__get__(None, App)(*blocks, **options) if is_launch else None

    setattr(App, FUNCTION, staticmethod(create_app))
    try:
        yield
    finally:
        setattr(App, FUNCTION, own)
