"""The socket and the organiser's password of a server, and serving until interrupted."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from savg.errors import SavgError

PASSWORD_VARIABLE = "SAVG_ADMIN_PASSWORD"
"""Environment variable with the organiser's password."""

LEAST_PASSWORD = 8
"""Least number of characters of a chosen password."""


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


def serve(app: Starlette, bound: socket.socket) -> None:
    """Serve until interrupted. Requests are not logged."""
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=75,  # longer than a trial: a request must not meet a closing connection
        timeout_graceful_shutdown=10,
    )
    uvicorn.Server(config).run(sockets=[bound])
