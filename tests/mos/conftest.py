"""Databases for the tests of listening tests: SQLite always, PostgreSQL where it is installed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from benchmarks.postgres import find_server, new_schema, temporary_server
from savg.mos.storage import engine
from savg.mos.storage.store import sqlite_url

NUMBER = count()

SetUp = Callable[[Any, Any], None]


@pytest.fixture(autouse=True)
def own_event_loop() -> Iterator[None]:
    """The browser of other tests keeps an event loop in this thread; here there is none meanwhile."""
    held = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(held)


@pytest.fixture(scope="session", autouse=True)
def quick_commits() -> Iterator[SetUp]:
    """SQLite's commits of this process do not wait for the disk; those of programs it starts do.

    Yields what usually sets up a connection.
    """

    def set_up(connection: Any, record: Any) -> None:
        usual(connection, record)
        connection.execute("PRAGMA synchronous=OFF")

    usual = engine._set_up_sqlite
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_set_up_sqlite", set_up)
        yield usual


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of our own, reached by a socket in a temporary folder; its address."""
    if find_server() is None:
        pytest.skip("no PostgreSQL server is installed")
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    with temporary_server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "study.sqlite")
    address: str = request.getfixturevalue("postgres_server")
    return new_schema(address, f"test_{os.getpid()}_{next(NUMBER)}")
