"""Connections to the database of listening tests: SQLite that never loses a commit, or PostgreSQL."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from savg.errors import SavgError
from savg.private_files import private_file

DatabaseFailure = SQLAlchemyError
"""Base of all errors of a database: busy for too long, unreachable, or a constraint violated."""

BUSY_SECONDS = 60
"""How long a write waits for the writes of other processes."""


def make_engine(url: str) -> Engine:
    """The engine of a database URL; SavgError if the URL is not valid or its driver is missing."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            if parsed.database in (None, "", ":memory:") or "uri" in parsed.query:
                raise SavgError("Database URL must name a file, sqlite:///FILE.")
            _check_files(Path(parsed.database))
            engine = create_engine(parsed, pool_size=32, max_overflow=32)
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        if parsed.get_backend_name() == "postgresql":
            if parsed.drivername == "postgresql":
                parsed = parsed.set(drivername="postgresql+psycopg")
            return create_engine(parsed, pool_size=16, max_overflow=16, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise SavgError(f"Database URL is not valid: {error}.") from error
    except ModuleNotFoundError as error:
        raise SavgError(
            "PostgreSQL needs the extra: pip install 'savg-studio[postgres]'."
        ) from error
    raise SavgError(
        f"Database URL must be sqlite:///FILE or postgresql://…, got {parsed.drivername}."
    )


def _check_files(database: Path) -> None:
    """Make a database and its files private, before SQLite writes into them (its other files get the
    permissions of the first); SavgError for a pipe or a device, which would hang it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        file = database.with_name(f"{database.name}{suffix}")
        if file.exists() and not file.is_file():
            raise SavgError(f"{file} must be a file of a database, got a pipe, device or folder.")
        if not suffix or file.exists():
            private_file(file)


def _set_up_sqlite(connection: Any, _: Any) -> None:
    """Autocommit, so that BEGIN is issued here; every commit reaches the disk."""
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "recursive_triggers=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """BEGIN; writers lock at once, as one that reads first cannot wait for another's commit."""
    reads = connection.get_execution_options().get("savg_read")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


class FairLock:
    """A lock that is granted in the order of requests."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: list[threading.Lock] = []
        self._busy = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._busy:
                self._busy = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.pop(0).release()
            else:
                self._busy = False
