"""The sockets and the organiser's password of a server, and serving until interrupted."""

from __future__ import annotations

import atexit
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from savg.errors import SavgError
from savg.web.addresses import Proxies

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from savg.web.guard import ConnectionLimits
    from savg.web.guarded_server import GuardedServer

PASSWORD_VARIABLE = "SAVG_ADMIN_PASSWORD"
"""Environment variable with the organiser's password."""

LEAST_PASSWORD = 8
"""Least number of characters of a chosen password."""

OPEN_FILES, OWN_FILES = 8192, 256
"""Open files that a server asks the system for, and those it needs beside connections."""


def organiser_password(file: Path | None = None) -> tuple[str, bool]:
    """The password of /admin, and whether it is a new random one.

    From `file`, else from the environment variable, else random. SavgError for one that is too short.
    """
    if file is not None:
        try:
            chosen, where = file.read_text(encoding="utf-8").strip(), str(file)
        except (OSError, UnicodeDecodeError) as error:
            raise SavgError(f"{file} cannot be read as a file with a password.") from error
    elif PASSWORD_VARIABLE in os.environ:
        chosen, where = os.environ[PASSWORD_VARIABLE].strip(), PASSWORD_VARIABLE
    else:
        return secrets.token_urlsafe(12), True
    if len(chosen) < LEAST_PASSWORD:
        raise SavgError(f"{where}: password must have at least {LEAST_PASSWORD} characters.")
    return chosen, False


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket bound to an address; port 0 takes a free one. SavgError if it cannot be bound."""
    if not 0 <= port < 1 << 16:  # getaddrinfo takes it modulo 65536
        raise SavgError(f"Port must be in 0..65535, got {port}.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except (OSError, OverflowError) as error:
        raise SavgError(f"{host}:{port} cannot be listened on: {error}.") from error
    return bound


def address_of(bound: socket.socket) -> str:
    """The address of a bound socket as http://HOST:PORT."""
    host, port = bound.getsockname()[:2]
    return f"http://{'[' + host + ']' if ':' in host else host}:{port}"


def raise_file_limit(wanted: int = OPEN_FILES) -> int:
    """Raise this process's limit of open files as far as the system lets it; returns the limit."""
    if sys.platform == "win32":
        return wanted
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    target = wanted if hard == unlimited else min(wanted, hard)
    if soft != unlimited and soft < target:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
            soft = target
        except (OSError, ValueError):
            pass
    return wanted if soft == unlimited else soft


def default_limits() -> ConnectionLimits:
    """Limits for the open files that the system gives: a connection may need one for a clip too."""
    from savg.web.guard import ConnectionLimits

    total = min(max((raise_file_limit() - OWN_FILES) // 2, 32), 4096)
    return ConnectionLimits(total, of_client=min(total // 2, 512))


def end_process() -> None:
    """End this process with code 0 after its exit functions, without the interpreter's own end: threads
    at work in native code (an encoder, a network) would abort the process then."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def by_port(apps: Sequence[tuple[socket.socket, ASGIApp]]) -> ASGIApp:
    """An application that hands a request to that of the socket it came by; the first has the
    lifespan. SavgError for two sockets of one port."""
    ports = {bound.getsockname()[1]: app for bound, app in apps}
    if len(ports) < len(apps):
        raise SavgError("The organiser's pages must have a port of their own.")
    first = apps[0][1]

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        app = first if scope["type"] == "lifespan" else ports[scope["server"][1]]
        await app(scope, receive, send)

    return dispatch


def guarded_server(
    app: ASGIApp, proxies: Proxies | None = None, limits: ConnectionLimits | None = None
) -> GuardedServer:
    """A server that is not started; requests are not logged.

    proxies: reverse proxies that are believed (by default none); limits: `default_limits()`.
    """
    from savg.web.guard import Guard
    from savg.web.guarded_server import GuardedServer

    return GuardedServer(app, Guard(limits or default_limits(), proxies))


def serve(
    app: ASGIApp,
    bound: socket.socket,
    *,
    others: Sequence[tuple[socket.socket, ASGIApp]] = (),
    proxies: Proxies | None = None,
    limits: ConnectionLimits | None = None,
) -> None:
    """Serve until SIGTERM, which lets it return, or Ctrl-C; replies that have begun are finished.

    others: further applications, each at a socket with a port of its own.
    """
    apps = [(bound, app), *others]
    guarded_server(by_port(apps), proxies, limits).run(sockets=[own for own, _ in apps])


def serve_in_thread(
    app: ASGIApp, bound: socket.socket, proxies: Proxies | None = None
) -> Callable[[], None]:
    """Serve in a thread of its own; returns a function that ends it and waits for that."""
    server = guarded_server(app, proxies)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [bound]}, name="savg-serve", daemon=True
    )
    thread.start()

    def end() -> None:
        server.should_exit = True
        thread.join(15.0)

    return end
