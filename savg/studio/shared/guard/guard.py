"""The ASGI layer before Gradio's routes.

It lets through what `addresses` lists and JSON that `payloads` accepts, and takes uploads itself;
everything else is refused here, in one sentence.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from savg.studio.shared.guard import addresses
from savg.studio.shared.guard.headers import StudioHeaders
from savg.studio.shared.guard.limits import check_pending
from savg.studio.shared.guard.payloads import (
    MAX_JSON,
    Inputs,
    check_event,
    check_files,
    session_of,
)
from savg.studio.shared.guard.presence import Presence
from savg.studio.shared.guard.uploads import UploadRoute
from savg.studio.shared.storage import Storage
from savg.web.addresses import client_key
from savg.web.replies import Problem, json_object

LOG = logging.getLogger("savg.studio")

CLOSED = "This address is closed."

Events = Callable[[], list[tuple[str, str]]]
"""Gives the session and address of every event that waits or runs."""


class StudioGuard:
    """ASGI middleware of a studio; `beside` are paths of other applications on the same address."""

    def __init__(
        self,
        app: ASGIApp,
        storage: Storage,
        presence: Presence,
        events: Events,
        inputs: Inputs,
        max_upload: int,
        beside: tuple[str, ...] = (),
    ) -> None:
        self.app, self.storage, self.presence = app, storage, presence
        self.events, self.inputs, self.beside = events, inputs, beside
        self.uploads, self.headers = UploadRoute(storage, max_upload), StudioHeaders()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = route_path(scope)
        fetching = addresses.is_fetching(scope["path"], scope.get("raw_path") or b"")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.headers.add(MutableHeaders(scope=message), fetching)
            await send(message)

        if not fetching and any(path == p or path.startswith(f"{p}/") for p in self.beside):
            await self.app(scope, receive, with_headers)
            return
        try:
            self._check(scope, path, fetching)
            if path == addresses.UPLOAD:
                await self._upload(scope, receive, with_headers)
                return
            if scope["method"] == "POST" and path not in addresses.LOGIN:
                receive = await self._payload(scope, receive, path)
        except Problem as problem:
            await _reply(problem, path)(scope, receive, with_headers)
            return
        with self._present(scope, path):
            await self._answered(scope, receive, with_headers, path)

    async def _answered(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """Gradio's answer; an error of its routes, as of a forged request, is one line in the log."""
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception as error:
            LOG.warning("%s %s failed: %s", scope["method"], path, type(error).__name__)
            if not has_begun:
                problem = Problem("error", "Something went wrong on the server.")
                await _reply(problem, path)(scope, receive, send)

    def _check(self, scope: Scope, path: str, fetching: bool) -> None:
        """Problem for a closed address, or a form of another site."""
        if fetching:
            if scope["method"] not in ("GET", "HEAD") or not addresses.is_served(
                path, self.storage.root
            ):
                raise Problem("closed", "Only files of this studio can be fetched.")
        elif not addresses.is_open(scope["method"], path):
            raise Problem("closed", CLOSED)
        site = dict(scope["headers"]).get(b"sec-fetch-site", b"")
        if scope["method"] == "POST" and site == b"cross-site":
            raise Problem("closed", "Another site cannot use this studio.")

    async def _payload(self, scope: Scope, receive: Receive, path: str) -> Receive:
        """Check the JSON of a request; returns a `receive` that gives it to the application."""
        value = await json_object(Request(scope, receive), MAX_JSON)
        check_files(value, self.storage.uploads)
        if path == addresses.JOIN:
            session = session_of(value)
            check_event(value, self.inputs)
            self.presence.see(session)
            check_pending(self.events(), session, sender(scope))
        body = json.dumps(value).encode()
        scope["headers"] = [
            (name, str(len(body)).encode() if name == b"content-length" else text)
            for name, text in scope["headers"]
        ]
        return _given(body, receive)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not await self._is_let_in(scope):
            raise Problem("unknown", "Log in first.")
        reply = await self.uploads.receive(scope, receive, sender(scope))
        await reply(scope, receive, send)

    async def _is_let_in(self, scope: Scope) -> bool:
        """Whether Gradio's own login lets the sender of a request in, if it has one."""
        status = 0

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def note(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)

        path = f"{scope.get('root_path', '')}{addresses.LOGIN_CHECK}"
        asked = {"path": path, "raw_path": path.encode(), "method": "GET", "query_string": b""}
        await self.app({**scope, **asked}, nothing, note)
        return status == 200

    def _present(self, scope: Scope, path: str) -> AbstractContextManager[None]:
        """While a connection of a page is open, its session is present."""
        if path == addresses.STREAM:
            query = parse_qs(scope["query_string"].decode("latin-1"))
            return self.presence.listening(query.get("session_hash", [""])[0][:64])
        heartbeat = addresses.HEARTBEAT.fullmatch(path)
        return self.presence.page(heartbeat[1]) if heartbeat else nullcontext()


def route_path(scope: Scope) -> str:
    """The path of a request without the prefix under which the studio is mounted."""
    path, prefix = str(scope["path"]), str(scope.get("root_path") or "").rstrip("/")
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        return path[len(prefix) :] or "/"
    return path


def sender(scope: Any) -> str:
    """Who sent a request, as far as limits go: a network address."""
    client = scope.get("client")
    return client_key(str(client[0])) if client else ""


def _given(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body once, then what the connection gives."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


def _reply(problem: Problem, path: str) -> Response:
    """A problem in the form that Gradio's page shows: `detail`, or plain text for an upload."""
    if path == addresses.UPLOAD:
        return PlainTextResponse(problem.sentence, problem.status)
    content = {"detail": problem.sentence, "reason": problem.reason}
    return JSONResponse(content, problem.status)
