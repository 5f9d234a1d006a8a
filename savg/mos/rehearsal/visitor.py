"""A listener's requests over HTTP/1.1, as the page sends them, for rehearsals and benchmarks.

One connection at a time, kept alive. A request that got no answer, or "busy", is sent again after a
pause that grows: every request of a listener may be repeated.
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
"""Seconds between two tries at most."""


@dataclass
class Visitor:
    """A listener with the link BASE/listen/`study`#`token`.

    patience: seconds for which lost connections and "busy" are tried again, each time. on_reply is
    told the kind of request, seconds from the first sending to the answer, and the status.
    """

    host: str
    port: int
    study: str
    token: str
    patience: float = 60.0
    on_reply: Callable[[str, float, int], object] | None = None
    requests: int = 0
    again: int = 0
    _wire: Wire = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._wire = Wire(self.host, self.port)

    async def get(self, path: str) -> Reply:
        """GET of an address below /listen/STUDY/api."""
        return await self._send("GET", path, b"")

    async def post(self, act: str, said: Mapping[str, Any]) -> Reply:
        """POST of what the listener does, as JSON."""
        return await self._send("POST", act, json.dumps(said).encode())

    async def state(self) -> dict[str, Any]:
        """Where the listener is."""
        return _accepted(await self.get("state"), "state")

    async def act(self, name: str, **said: Any) -> dict[str, Any]:
        """What the listener does; the state after it. NoAnswer if it is refused."""
        return _accepted(await self.post(name, said), name)

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
            lost = ""
            try:
                address = f"/listen/{self.study}/api/{path}"
                reply = await self._wire.request(method, address, headers, body)
                if reply.status not in (429, 503):
                    if self.on_reply is not None:
                        self.on_reply(kind, time.monotonic() - began, reply.status)
                    return reply
                lost = f"answers {reply.status}"
            except (OSError, EOFError) as error:
                lost = f"cannot be reached: {error}"
            self.again += 1
            if time.monotonic() - began > self.patience:
                raise NoAnswer(f"The server at {self.host}:{self.port} {lost}.")
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)


def _accepted(reply: Reply, what: str) -> dict[str, Any]:
    found = reply.json()
    if reply.status != 200:
        said = str(found.get("sentence", ""))[:200]
        raise NoAnswer(f"The server refused {what} with {reply.status}: {said}")
    return found
