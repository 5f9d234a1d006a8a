"""The web application of listening tests: /listen for listeners, /admin for their organiser."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount

from savg.mos.web.listen_routes import listen_mount
from savg.mos.web.replies import Problem, Strict
from savg.mos.web.studies import Studies

LOG = logging.getLogger("savg.mos")


def listening_app(studies: Studies, password: str | None = None) -> Starlette:
    """Everything, as an application of its own; /admin only with a password."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        studies.close()

    return _application(_mounts(studies, password), lifespan=lifespan)


def routes(studies: Studies, password: str | None = None) -> list[BaseRoute]:
    """The same as routes for an application that has others too; the caller closes `studies`."""
    found: list[BaseRoute] = []
    for mount in _mounts(studies, password):
        inner = _application(mount.routes)
        found.append(Mount(mount.path, inner, name=mount.name))
    return found


def _mounts(studies: Studies, password: str | None) -> list[Mount]:
    return [listen_mount(studies)]


def _application(routes: list[BaseRoute] | list[Mount], **settings: object) -> Starlette:
    return Starlette(
        routes=routes,
        middleware=[Middleware(Strict)],
        exception_handlers={HTTPException: _refused, Exception: _failed},  # type: ignore[dict-item]
        **settings,  # type: ignore[arg-type]
    )


async def _refused(request: Request, error: HTTPException) -> Response:
    if error.status_code == 405:
        return Problem("method", "This address does not take that method.").reply()
    return Problem("absent", "There is nothing here.").reply()


async def _failed(request: Request, error: Exception) -> Response:
    LOG.error("a request failed", exc_info=error)
    return Problem("error", "Something went wrong on the server.").reply()
