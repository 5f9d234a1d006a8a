"""Databases for the tests of listening tests: SQLite always, PostgreSQL where it is installed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from benchmarks.postgres import find_server, new_schema, temporary_server
from savg.mos.storage.store import sqlite_url

NUMBER = count()


@pytest.fixture(autouse=True)
def own_event_loop() -> Iterator[None]:
    """The browser of other tests keeps an event loop in this thread; here there is none meanwhile."""
    held = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(held)


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
