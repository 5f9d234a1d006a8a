"""The addresses of a studio: which of Gradio's are open, and which files `file=` may name.

Gradio has many more routes than the page needs: some fetch addresses from other hosts, some run
functions without a queue, some write files. What is not listed here is closed.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

API = "/gradio_api"

JOIN, UPLOAD = f"{API}/queue/join", f"{API}/upload"

LOGIN_CHECK = f"{API}/login_check"

STREAM, HEARTBEAT = f"{API}/queue/data", re.compile(rf"{API}/heartbeat/([\w-]{{1,64}})")

READ = frozenset(
    f"{API}/{name}"
    for name in (
        "app_id",
        "info",
        "login_check",
        "mcp/schema",
        "queue/data",
        "queue/status",
        "startup-events",
        "theme.css",
        "token",
        "user",
    )
)
"""Gradio's addresses below /gradio_api that may be read, beside HEARTBEAT and files."""

CONTROL = frozenset(f"{API}/{name}" for name in ("cancel", "reset", "reset/"))
"""Gradio's addresses that take a small JSON object."""

AGENTS = frozenset((f"{API}/mcp", f"{API}/mcp/"))
"""Where agents call (MCP): one JSON object a request, files in it by the names of clips alone."""

LOGIN = frozenset(("/login", "/login/"))

CLOSED = re.compile(r"/(monitoring|svelte|pwa_icon)(/|$)")
"""Gradio's addresses outside /gradio_api that nobody needs."""

FETCHING = re.compile(r"(file|proxy)\s*=|gradio_api/+(file|proxy)\b", re.IGNORECASE)
"""Addresses at which Gradio serves or fetches what their rest names."""

SERVED = re.compile(r"(?:(?:results|dataset)/)?[0-9a-f]{32}/(?:[\w-]+/)?[\w-][\w.-]*")
"""Files of the library that a browser may fetch, below its folder."""

TYPES = (".mp4", ".jpg", ".png", ".csv", ".json")
"""Their suffixes; none is an active document."""

MOST_DECODINGS = 4


def is_fetching(path: str, raw_path: bytes = b"") -> bool:
    """Whether a path, however often percent-encoded, has a part that Gradio serves or fetches."""
    forms = {path, raw_path.decode("latin-1")}
    for _ in range(MOST_DECODINGS):
        if any(FETCHING.search(form.replace("\\", "/")) for form in forms):
            return True
        forms = {unquote(form) for form in forms}
    return False


def is_served(path: str, root: Path) -> bool:
    """Whether a path of a request names a file of the library at `root` in its one spelling."""
    start = f"{API}/file={root.as_posix()}/"
    rest = path.removeprefix(start)
    return path.startswith(start) and bool(SERVED.fullmatch(rest)) and rest.endswith(TYPES)


def is_open(method: str, path: str) -> bool:
    """Whether a method and path are open, apart from those of `is_fetching`."""
    if method in ("GET", "HEAD", "OPTIONS"):
        if path == API or path.startswith(f"{API}/"):
            return path in READ or bool(HEARTBEAT.fullmatch(path))
        return not CLOSED.match(path)
    return method == "POST" and path in {JOIN, UPLOAD} | CONTROL | LOGIN | AGENTS
