"""A listener's requests over HTTP/1.1, as the page sends them, for rehearsals and benchmarks.

One connection at a time, kept alive. Requests without an answer, or with "busy", are sent again after
growing pauses: every request of a listener is idempotent.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from savg.web.client import NoAnswer, Reply, Wire

LONGEST_PAUSE = 2.0
"""Longest pause between two tries, in seconds."""


@dataclass
class Visitor:
    """A listener with the link BASE/listen/`study`#`token`.

    patience: seconds for which a request is retried after lost connections and "busy". on_reply:
    called with the kind of request, seconds from the first sending to the answer, and the status.
    requests, retries: how many were sent, and how many of them repeatedly.
    """

    host: str
    port: int
    study: str
    token: str
    patience: float = 60.0
    on_reply: Callable[[str, float, int], object] | None = None
    requests: int = 0
    retries: int = 0
    _wire: Wire = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._wire = Wire(self.host, self.port)

    async def get(self, path: str) -> Reply:
        """GET of an address below /listen/STUDY/api."""
        return await self._send("GET", path, b"")

    async def post(self, act: str, body: Mapping[str, Any]) -> Reply:
        """POST of an action with its JSON object."""
        return await self._send("POST", act, json.dumps(body).encode())

    async def state(self) -> dict[str, Any]:
        """The session's state; NoAnswer if the request is refused."""
        return _accepted(await self.get("state"), "state")

    async def act(self, name: str, **body: Any) -> dict[str, Any]:
        """Send an action; the session's state after it. NoAnswer if it is refused."""
        return _accepted(await self.post(name, body), name)

    async def media(self, name: str) -> bytes:
        """A file that the listener may load now."""
        reply = await self.get(f"media/{name}")
        if reply.status != 200:
            raise NoAnswer(f"The server answered {reply.status} for the media file {name}.")
        return reply.body

    def close(self) -> None:
        """Close the connection."""
        self._wire.drop()

    async def _send(self, method: str, path: str, body: bytes) -> Reply:
        headers = {"Authorization": f"Bearer {self.token}"}
        if method == "POST":
            headers["Content-Type"] = "application/json"
        kind, began, pause = path.split("/", 1)[0], time.monotonic(), 0.05
        while True:
            self.requests += 1
            try:
                address = f"/listen/{self.study}/api/{path}"
                reply = await self._wire.request(method, address, headers, body)
                if reply.status not in (429, 503):
                    if self.on_reply is not None:
                        self.on_reply(kind, time.monotonic() - began, reply.status)
                    return reply
                failure = f"answers {reply.status}"
            except (OSError, EOFError) as error:
                failure = f"cannot be reached: {error}"
            self.retries += 1
            if time.monotonic() - began > self.patience:
                raise NoAnswer(f"The server at {self.host}:{self.port} {failure}.")
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)


def _accepted(reply: Reply, what: str) -> dict[str, Any]:
    body = reply.json()
    if reply.status != 200:
        sentence = str(body.get("sentence", ""))[:200]
        raise NoAnswer(f"The server refused {what} with {reply.status}: {sentence}")
    return body
