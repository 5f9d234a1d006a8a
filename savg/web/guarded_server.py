"""uvicorn's server under a guard of its connections, with one line in the log for each fault."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from savg.web.guard import LOG, Guard

if TYPE_CHECKING:
    from starlette.types import ASGIApp

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than a trial of a listening test, as a request
must not meet a closing connection."""

GRACE = 10
"""Seconds that requests get to finish when the server ends."""

ACCEPTED_AT_ONCE, QUEUE = 32, 1024
"""Connections accepted before any is looked at (each takes a file), and those the system holds."""


class GuardedServer(uvicorn.Server):
    """A server of one application, whose requests are not logged."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self.guard = guard
        logging.getLogger("uvicorn.error").addFilter(_given_up_in_one_line)
        super().__init__(
            uvicorn.Config(
                app,  # type: ignore[arg-type]
                http=guard.protocol(),
                ws="none",
                access_log=False,
                log_level="warning",
                server_header=False,
                backlog=ACCEPTED_AT_ONCE,
                limit_concurrency=guard.limits.total + ACCEPTED_AT_ONCE,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=GRACE,
                proxy_headers=bool(guard.proxies),
                forwarded_allow_ips=guard.proxies.names,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections and to watch them."""
        asyncio.get_running_loop().set_exception_handler(_one_line)
        await super().startup(sockets)
        for bound in sockets or ():
            bound.listen(QUEUE)
        self._watching = asyncio.create_task(self.guard.watch())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what has begun, and wait for no client that does not read or send."""
        self.guard.ending = True
        await super().shutdown(sockets)
        self._watching.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM is an ordinary end; uvicorn would raise it again after the shutdown."""
        if sig == signal.SIGTERM:
            self.should_exit = True
        else:
            super().handle_exit(sig, frame)


def _given_up_in_one_line(record: logging.LogRecord) -> bool:
    """A request that took longer than GRACE at the end is no fault of the application."""
    if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
        record.exc_info, record.args = None, ()
        record.msg = "A request was given up, as the server ends."
    return True


def _one_line(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A fault of a connection in one line."""
    error = context.get("exception")
    reason = f" ({type(error).__name__}: {error})" if error is not None else ""
    LOG.log(logging.WARNING, "%s%s", str(context.get("message", "a fault")), reason)
