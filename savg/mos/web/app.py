"""The web application of listening tests: /listen for listeners, /admin for their organiser."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from savg.mos.web.admin.routes import admin_mount
from savg.mos.web.listen_routes import listen_mount
from savg.mos.web.studies import Studies
from savg.web.replies import Problem, SecurityHeaders

LOG = logging.getLogger("savg.mos")


def listening_app(
    studies: Studies, password: str | None = None, clips: Sequence[Path] = ()
) -> Starlette:
    """An application of its own, which closes `studies` at its end; /admin only with a password.

    clips: folders under which an organiser may choose the clips of a new study.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        studies.close()

    mounts = _mounts(studies, password, clips)
    home = Route("/", lambda request: RedirectResponse("listen/", 307))
    return _application([*mounts, *map(_slash, mounts), home], lifespan=lifespan)


def admin_app(
    studies: Studies, password: str, clips: Sequence[Path] = (), *, listeners: int | str
) -> Starlette:
    """/admin alone, for an address of its own: what runs beside /listen cannot reach into it.

    listeners: where /listen is, its port on the same host or its whole address; the caller closes
    `studies`.
    """
    mount = admin_mount(studies, password, clips, listeners=listeners)
    home = Route("/", lambda request: RedirectResponse("admin/", 307))
    return _application([mount, _slash(mount), home])


def routes(
    studies: Studies, password: str | None = None, clips: Sequence[Path] = ()
) -> list[BaseRoute]:
    """Routes of `listening_app` for an application with others too; the caller closes `studies`."""
    mounted: list[BaseRoute] = []
    for mount in _mounts(studies, password, clips):
        inner = _application(mount.routes)
        mounted += [Mount(mount.path, inner, name=mount.name), _slash(mount)]
    return mounted


def _mounts(studies: Studies, password: str | None, clips: Sequence[Path]) -> list[Mount]:
    mounts = [listen_mount(studies)]
    if password:
        mounts.append(admin_mount(studies, password, clips))
    return mounts


def _slash(mount: Mount) -> Route:
    """Redirect from /admin to /admin/; relative, so that it works behind any prefix of a proxy."""
    target = f"{mount.path.lstrip('/')}/"

    async def redirect(request: Request) -> Response:
        return RedirectResponse(target, 307)

    return Route(mount.path, redirect)


def _application(routes: list[BaseRoute], **settings: object) -> Starlette:
    app = Starlette(
        routes=routes,
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={HTTPException: _http_error, Exception: _server_error},  # type: ignore[dict-item]
        **settings,  # type: ignore[arg-type]
    )
    app.router.redirect_slashes = False  # it would redirect to the host of the Host header
    return app


async def _http_error(request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        return Problem("method", "This address does not take that method.").reply()
    return Problem("absent", "Page not found.").reply()


async def _server_error(request: Request, error: Exception) -> Response:
    LOG.error("a request failed", exc_info=error)
    return Problem("error", "Something went wrong on the server.").reply()
