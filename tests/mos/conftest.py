"""Databases for the tests of listening tests: SQLite always, PostgreSQL where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from savg.mos.store import sqlite_url

NUMBER = count()


def find_server() -> Path | None:
    """The folder of PostgreSQL's server programs."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of our own, reached by a socket in a temporary folder; its address."""
    programs = find_server()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    root = Path(tempfile.mkdtemp(prefix="savg-pg-"))
    user = []
    if os.getuid() == 0:
        shutil.chown(root, "postgres")
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = root / "data"

    def server(*command: str) -> None:
        subprocess.run([*user, *command], check=True, capture_output=True, cwd=root)

    try:
        server(str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "savg")
        options = f"-k {root} -c listen_addresses='' -c max_connections=100"
        control = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
        server(*control, "-o", options, "-l", str(root / "log"), "start")
        yield f"postgresql+psycopg://savg@/{{}}?host={root}"
        server(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "study.sqlite")
    address: str = request.getfixturevalue("postgres_server")
    import psycopg

    name = f"test_{os.getpid()}_{next(NUMBER)}"
    plain = address.replace("+psycopg", "").format("postgres")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{address.format('postgres')}&options=-csearch_path%3D{name}"
