"""Security headers, errors as JSON, bounded request bodies and rate limits."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from cachetools import LRUCache
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 16 * 1024
"""Bytes of a request's body."""

BODY_SECONDS = 30.0
"""Seconds within which a body must arrive."""

MAX_DEPTH = 16
"""Largest depth of a request's JSON."""

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""Headers of every reply of /listen and /admin, which people open at top level, also where the studio
itself stands in a frame; Cache-Control is no-store unless a reply has its own."""

STATUS = {
    "unknown": 401,
    "closed": 403,
    "absent": 404,
    "method": 405,
    "slow": 408,
    "size": 413,
    "form": 415,
    "value": 422,
    "often": 429,
    "error": 500,
    "busy": 503,
    "full": 507,
}
"""Reason of a rejected request → HTTP status; 409 (conflict with the state) for others."""


class Problem(Exception):
    """A rejected request, with a reason and one sentence."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason, self.sentence = reason, sentence

    @property
    def status(self) -> int:
        """The HTTP status of the reason."""
        return STATUS.get(self.reason, 409)

    def reply(self) -> Response:
        """The reply, as JSON with reason and sentence."""
        headers = {"Retry-After": "2"} if self.reason in ("often", "busy") else None
        return JSONResponse(
            {"reason": self.reason, "sentence": self.sentence}, self.status, headers
        )


class SecurityHeaders:
    """ASGI middleware that adds HEADERS to every reply."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, with_headers)


async def body_of(request: Request, most: int = MAX_BODY) -> bytes:
    """The whole body; Problem as soon as it is longer than `most` bytes, or after BODY_SECONDS."""
    declared = request.headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit() or int(declared[:12]) > most:
        raise Problem("size", f"A request must have at most {most} bytes.")
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise Problem("size", f"A request must have at most {most} bytes.")
                parts.append(part)
    except TimeoutError:
        raise Problem("slow", "The request did not arrive in time.") from None
    except ClientDisconnect:
        raise Problem("slow", "The request did not arrive.") from None
    return b"".join(parts)


async def json_object(request: Request, most: int = MAX_BODY) -> dict[str, Any]:
    """The request's body of at most `most` bytes as a JSON object; Problem for anything else. Other
    content types are rejected, so that pages of other origins cannot post without a preflight
    request."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Problem("form", "Content type must be application/json.")
    body = await body_of(request, most)
    try:
        text = body.decode("utf-8")
        value = json.loads(
            text, parse_constant=_reject, parse_float=_finite, object_pairs_hook=_unique_keys
        )
        _check_depth(value)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # rejects halves of surrogate pairs
    except (ValueError, RecursionError):
        raise Problem("value", "The request is not valid JSON.") from None
    if not isinstance(value, dict):
        raise Problem("value", "The request must be a JSON object.")
    return value


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for item in level:
            inner += (
                item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
            )
        if not inner:
            return
        level = inner
    raise ValueError("nested too deeply")


def _reject(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is too large")
    return number


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a key occurs twice")
    return names


class RateLimiter:
    """Limits failures by key (an address, say): `most` within `seconds`, for at most `keys` keys."""

    def __init__(
        self,
        most: int,
        seconds: float,
        keys: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._failures: LRUCache[str, deque[float]] = LRUCache(keys)
        self._lock = threading.Lock()

    def is_limited(self, key: str) -> bool:
        """Whether the key has reached the limit."""
        with self._lock:
            times = self._failures.get(key)
            if times is None:
                return False
            while times and times[0] < self._clock() - self._seconds:
                times.popleft()
            return len(times) >= self._most

    def add_failure(self, key: str) -> None:
        """Count a failure of the key now."""
        with self._lock:
            times = self._failures.setdefault(key, deque(maxlen=self._most))
            times.append(self._clock())
