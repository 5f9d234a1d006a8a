"""A PostgreSQL server for tests and benchmarks, in a temporary folder that is removed afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def find_server() -> Path | None:
    """The folder of PostgreSQL's server programs, None if there is none."""
    initdb = shutil.which("initdb")
    if initdb:
        return Path(initdb).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@contextmanager
def temporary_server(connections: int = 100) -> Iterator[str]:
    """A server reached by a socket in its folder; its address, with {} for the database's name.

    RuntimeError if no server programs are installed.
    """
    programs = find_server()
    if programs is None:
        raise RuntimeError("No PostgreSQL server is installed (initdb, pg_ctl).")
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
        options = f"-k {root} -c listen_addresses='' -c max_connections={connections}"
        control = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
        server(*control, "-o", options, "-l", str(root / "log"), "start")
        try:
            yield f"postgresql+psycopg://savg@/{{}}?host={root}"
        finally:
            server(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(root, ignore_errors=True)


def new_schema(address: str, name: str) -> str:
    """The URL of an empty schema in the database postgres at an address of `temporary_server`."""
    import psycopg

    plain = address.replace("+psycopg", "").format("postgres")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{address.format('postgres')}&options=-csearch_path%3D{name}"
