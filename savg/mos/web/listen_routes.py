"""/listen/STUDY: the listener's page, and its requests as JSON.

A participant's link is `/listen/STUDY#TOKEN`. The part after the # stays in the browser: the page sends
the token as `Authorization: Bearer TOKEN`, so that it is in no log and no Referer. The rules of a
session are in `savg.mos.session`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.staticfiles import StaticFiles

from savg.errors import first_line
from savg.mos import session
from savg.mos.session import RequestRejected, SessionState
from savg.mos.storage.engine import DatabaseFailure
from savg.mos.storage.rows import UnknownStudy
from savg.mos.storage.store import Store
from savg.mos.study.folder import StudyFolder
from savg.mos.web.studies import Studies
from savg.web.addresses import client_key
from savg.web.replies import Problem, RateLimiter, json_object

PAGES = Path(__file__).parent / "pages"

TEMPLATES = Environment(loader=FileSystemLoader(PAGES / "listener"), undefined=StrictUndefined)

NO_CACHE = {"Cache-Control": "no-cache"}

TYPES = {".mp4": "video/mp4", ".wav": "audio/wav", ".flac": "audio/flac"}
"""Content types of media files by suffix; no other files are served."""

LOG = logging.getLogger("savg.mos")

Endpoint = Callable[[Request], Awaitable[Response]]
Act = Callable[[Store, str, Mapping[str, Any]], SessionState]

MOST_DELAYED = 32
"""Largest number of replies that are delayed at once: each keeps a connection."""

NO_LINK = "This link is not valid."


def _consent(store: Store, token: str, body: Mapping[str, Any]) -> SessionState:
    device = body["device"]
    if not isinstance(device, dict):
        raise Problem("value", "Device must be a JSON object.")
    return session.consent(store, token, device)


def _screening(store: Store, token: str, body: Mapping[str, Any]) -> SessionState:
    return session.answer_screening(
        store, token, body["stage"], body["attempt"], body["trial"], body["answer"]
    )


def _serve(store: Store, token: str, body: Mapping[str, Any]) -> SessionState:
    session.serve(store, token, body["position"])
    return session.session_state(store, token)


def _rating(store: Store, token: str, body: Mapping[str, Any]) -> SessionState:
    return session.rate(
        store,
        token,
        body["position"],
        body["score"],
        plays=body["plays"],
        seconds_played=body["seconds_played"],
        response_seconds=body["response_seconds"],
    )


def _answer(store: Store, token: str, body: Mapping[str, Any]) -> SessionState:
    return session.answer_question(store, token, body["key"], body["text"])


ACTS: dict[str, tuple[Act, frozenset[str]]] = {
    "consent": (_consent, frozenset({"device"})),
    "screening": (_screening, frozenset({"stage", "attempt", "trial", "answer"})),
    "serve": (_serve, frozenset({"position"})),
    "rating": (
        _rating,
        frozenset({"position", "score", "plays", "seconds_played", "response_seconds"}),
    ),
    "answer": (_answer, frozenset({"key", "text"})),
}
"""Action of a listener → its function, and the keys of its JSON object."""


class Listening:
    """Endpoints of the listeners of `studies`."""

    def __init__(self, studies: Studies) -> None:
        self.studies = studies
        self.strangers = RateLimiter(60, 60.0)
        self.delayed = 0

    async def page(self, request: Request) -> Response:
        """The page, which is the same for all listeners."""
        return HTMLResponse(TEMPLATES.get_template("listen.html").render(), headers=NO_CACHE)

    async def landing(self, request: Request) -> Response:
        """A page for whoever comes without a link; it names no study."""
        return HTMLResponse(TEMPLATES.get_template("landing.html").render(), headers=NO_CACHE)

    async def facts(self, request: Request) -> Response:
        """The public facts of a study, as JSON."""
        folder = await self.study(request)
        row = await run_in_threadpool(folder.store.study, folder.name)
        study = row.study
        return JSONResponse(
            {
                "study": study.name,
                "open": row.status == "open",
                "consent": study.consent,
                "question": study.question,
                "labels": study.labels,
                "practice": study.practice,
                "positions": study.positions,
                "break_after": study.break_after,
                "played": study.played,
                "seconds": max((clip.seconds for clip in row.stimuli), default=0.0),
                "level": study.level,
                "questions": [asdict(question) for question in study.questions],
            }
        )

    async def state(self, request: Request) -> Response:
        """The session's state, as JSON."""
        token = self.token(request)
        folder = await self.study(request)
        return self.reply_with(
            folder, await run_in_threadpool(session.session_state, folder.store, token)
        )

    def act(self, name: str) -> Endpoint:
        """The endpoint of one of ACTS."""
        function, keys = ACTS[name]

        async def endpoint(request: Request) -> Response:
            token = self.token(request)
            body = await json_object(request)
            if body.keys() != keys:
                raise Problem(
                    "value", f"The keys of this request must be {', '.join(sorted(keys))}."
                )
            folder = await self.study(request)
            return self.reply_with(
                folder, await run_in_threadpool(function, folder.store, token, body)
            )

        return endpoint

    async def media(self, request: Request) -> Response:
        """A clip or screening sound that this listener may load now; 404 for any other."""
        token = self.token(request)
        name = request.path_params["name"]
        folder = await self.study(request)
        allowed = await run_in_threadpool(session.may_fetch, folder.store, token, name)
        path = folder.media / name
        if not allowed or path.suffix not in TYPES or not path.is_file():
            raise Problem("absent", "This file is not available now.")
        return FileResponse(path, media_type=TYPES[path.suffix])

    def token(self, request: Request) -> str:
        """The bearer token of a request; RequestRejected if there is none."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise RequestRejected("unknown", NO_LINK)
        return token.strip()

    async def study(self, request: Request) -> StudyFolder:
        """The study of the address; RequestRejected if there is none."""
        try:
            return await run_in_threadpool(self.studies.get, request.path_params["study"])
        except UnknownStudy:
            raise RequestRejected("unknown", NO_LINK) from None

    def reply_with(self, folder: StudyFolder, state: SessionState) -> Response:
        """A session's state as JSON; RequestRejected unless the link is for this study, as studies may
        share a database."""
        if state.study != folder.name:
            raise RequestRejected("unknown", NO_LINK)
        return JSONResponse(asdict(state))

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """An endpoint that replies to errors with a reason and one sentence, without details."""

        async def safely(request: Request) -> Response:
            try:
                return await endpoint(request)
            except RequestRejected as rejected:
                if rejected.reason == "unknown":
                    return await self.stranger(request)
                return Problem(rejected.reason, str(rejected)).reply()
            except Problem as problem:
                return problem.reply()
            except DatabaseFailure as error:
                LOG.error("The database of a listening test failed: %s", first_line(error))
                return Problem("busy", "The server is busy: it will be tried again.").reply()

        return safely

    async def stranger(self, request: Request) -> Response:
        """Reply to an unknown token. Replies to a client that tries many are delayed, a few at a time,
        and say so; valid links from the same address keep working."""
        address = client_key(request.client.host if request.client else "")
        if self.strangers.is_limited(address):
            if self.delayed < MOST_DELAYED:
                self.delayed += 1
                try:
                    await asyncio.sleep(1.0)
                finally:
                    self.delayed -= 1
            return Problem("often", "Too many links that are not valid: wait a minute.").reply()
        self.strangers.add_failure(address)
        return Problem("unknown", NO_LINK).reply()


def listen_mount(studies: Studies) -> Mount:
    """The routes below /listen."""
    listening = Listening(studies)

    def route(path: str, endpoint: Endpoint, method: str) -> Route:
        return Route(path, listening.guarded(endpoint), methods=[method])

    listen_routes = [
        Mount("/_page", StaticFiles(directory=PAGES / "listen"), name="listen-static"),
        route("/", listening.landing, "GET"),
        route("/{study}", listening.page, "GET"),
        route("/{study}/api/facts", listening.facts, "GET"),
        route("/{study}/api/state", listening.state, "GET"),
        route("/{study}/api/media/{name}", listening.media, "GET"),
        *(route(f"/{{study}}/api/{name}", listening.act(name), "POST") for name in ACTS),
    ]
    return Mount("/listen", Router(listen_routes, redirect_slashes=False), name="listen")
