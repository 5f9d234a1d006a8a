"""/admin: the organiser's pages, behind a password.

Every page but the login needs a session, and every change is a POST with the session's CSRF token.
"""

from __future__ import annotations

import hmac
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from savg.errors import SavgError, first_line
from savg.mos.storage.engine import DatabaseFailure
from savg.mos.web.admin import actions as acts
from savg.mos.web.admin import pages
from savg.mos.web.admin.building import StudyBuilder
from savg.mos.web.admin.request import PAGES, AdminContext, AdminRequest, read_form
from savg.mos.web.studies import Studies
from savg.web.login import COOKIE, SESSION_SECONDS, LoginThrottle, Sessions
from savg.web.replies import Problem

LOG = logging.getLogger("savg.mos")

Handler = Callable[[AdminRequest], Response]
Endpoint = Callable[[Request], Awaitable[Response]]

PATH = re.compile(r"(?:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*)?")
"""Paths below /admin to which a login may redirect."""

MAX_NAME = 80


def admin_mount(
    studies: Studies,
    password: str,
    clips: Sequence[Path] = (),
    clock: Callable[[], float] = time.time,
    listeners: int | str | None = None,
) -> Mount:
    """The routes below /admin.

    clips: folders under which those of new studies may be chosen; listeners: where /listen is if not
    beside /admin (`AdminContext`). There the cookie has a name of its own, which no /admin at another
    port of the host takes or changes.
    """
    context = AdminContext(
        studies,
        LoginThrottle(password, clock),
        Sessions(clock),
        StudyBuilder(studies, clips),
        clock,
        COOKIE if listeners is None else f"{COOKIE}_alone",
        listeners,
    )
    studies.closing.append(context.builder.close)

    def get(path: str, handler: Handler) -> Route:
        return Route(path, _guarded(context, handler), methods=["GET"])

    def post(path: str, handler: Handler) -> Route:
        return Route(path, _guarded(context, handler), methods=["POST"])

    study, person = "/studies/{study}", "/studies/{study}/people/{code}"
    return Mount(
        "/admin",
        name="admin",
        routes=[
            Mount("/_page", StaticFiles(directory=PAGES / "static"), name="admin-static"),
            Route("/login", _login(context), methods=["POST"]),
            post("/logout", _logout),
            get("/", pages.overview),
            get("/new", pages.new),
            post("/new", acts.make),
            get("/works", pages.jobs),
            post("/works/{number:int}/stop", acts.stop),
            post("/works/{number:int}/forget", acts.forget),
            get(study, pages.study),
            get("/live/{study}", pages.live),
            post(f"{study}/status", acts.status),
            post(f"{study}/links", acts.links),
            get(f"{study}/links", pages.links),
            get(f"{study}/report", pages.report),
            post(f"{study}/export", acts.export),
            get(person, pages.person),
            post(f"{person}/decision", acts.decision),
            Route("/{rest:path}", _guarded(context, _not_found), methods=["GET", "POST"]),
        ],
    )


def _guarded(context: AdminContext, handler: Handler) -> Endpoint:
    """An endpoint of a handler that needs a session; its errors become pages with one sentence."""

    async def endpoint(request: Request) -> Response:
        admin = AdminRequest(
            context, request, context.sessions.get(request.cookies.get(context.cookie, ""))
        )
        if admin.session is None:
            return admin.page("login.html", 401, problem="", target=admin.place, who="")
        try:
            if request.method == "POST":
                admin.form = await read_form(request)
                _check_origin(admin)
            return await run_in_threadpool(handler, admin)
        except Problem as problem:
            return admin.problem(problem, problem.status)
        except SavgError as error:
            return admin.problem(Problem("value", str(error)), 422)
        except DatabaseFailure as error:
            LOG.error("The database of a listening test failed: %s", first_line(error))
            sentence = "The database is busy or unreachable: try again in a moment."
            return admin.problem(Problem("busy", sentence), 503)
        except Exception as error:
            LOG.error("a page of /admin failed", exc_info=error)
            sentence = "Something went wrong on the server; its log has details."
            return admin.problem(Problem("error", sentence), 500)

    return endpoint


def _check_origin(admin: AdminRequest) -> None:
    """Problem unless the form comes from a page of this session."""
    token, own = admin.text("csrf").encode(), admin.who.csrf.encode()
    if not hmac.compare_digest(token, own) or _is_cross_site(admin.request):
        raise Problem("closed", "This form is too old: go back, reload the page and try again.")


def _is_cross_site(request: Request) -> bool:
    return request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


def _login(context: AdminContext) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        admin = AdminRequest(context, request)
        try:
            admin.form = await read_form(request)
        except Problem as problem:
            return admin.problem(problem, problem.status)
        return await run_in_threadpool(_enter, admin)

    return endpoint


def _enter(admin: AdminRequest) -> Response:
    """Log in, or the login page again with the problem."""
    request, context = admin.request, admin.context
    target = admin.text("wanted") if PATH.fullmatch(admin.text("wanted")) else ""
    who = " ".join(admin.text("who").split())[:MAX_NAME]

    def retry_page(status: int, problem: str) -> Response:
        return admin.page("login.html", status, problem=problem, target=target, who=who)

    if _is_cross_site(request):
        return retry_page(403, "Log in on this page.")
    address = request.client.host if request.client else ""
    wait = context.throttle.try_password(address, admin.text("password"))
    if wait > 0:
        reply = retry_page(429, f"Too many wrong passwords: try again in {wait:.0f} s.")
        reply.headers["Retry-After"] = f"{wait + 0.5:.0f}"
        return reply
    if wait < 0:
        return retry_page(401, "Wrong password.")
    reply = admin.to(target)
    reply.set_cookie(
        context.cookie,
        context.sessions.begin(who or "organiser"),
        max_age=int(SESSION_SECONDS),
        path=None,  # the folder of this address as the browser sees it, whatever a proxy adds
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return reply


def _logout(admin: AdminRequest) -> Response:
    cookie = admin.context.cookie
    admin.context.sessions.end(admin.request.cookies.get(cookie, ""))
    reply = admin.to()
    reply.delete_cookie(cookie, path=None, httponly=True, samesite="lax")  # type: ignore[arg-type]
    return reply


def _not_found(admin: AdminRequest) -> Response:
    raise Problem("absent", "Page not found.")
