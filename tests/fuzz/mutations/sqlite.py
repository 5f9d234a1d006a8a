"""Damage to SQLite databases that keeps them databases: rows and schemas as no release writes them."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

WILD = (
    None, 0, -1, 1, 2**31, 2**63 - 1, -(2**63), 0.5, 1e300, float("inf"), "", "x", "1", "done", "{}",
    "[]", "null", '{"a": 1}', "[" * 100_000, "x" * 100_000, "a\nb", "\x1b[31m", "\u202e",
    b"", b"\xff\xfe", "../x",
)  # fmt: skip


def _change(path: Path, statements: list[tuple[str, tuple[object, ...]]]) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA foreign_keys=OFF")
        database.execute("PRAGMA ignore_check_constraints=ON")
        for statement, values in statements:
            with suppress(sqlite3.Error):
                database.execute(statement, values)
        database.commit()


def _tables(path: Path) -> dict[str, list[str]]:
    """The columns of the tables that hold rows."""
    with closing(sqlite3.connect(path)) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name")
        tables = {name: [] for (name,) in names.fetchall()}
        for name, columns in tables.items():
            if database.execute(f'SELECT 1 FROM "{name}"').fetchone():
                columns += [row[1] for row in database.execute(f'PRAGMA table_info("{name}")')]
    return {name: columns for name, columns in tables.items() if columns}


def rows(path: Path, rng: random.Random) -> None:
    """Wild values in columns, rows that are gone or twice."""
    tables = _tables(path)
    statements: list[tuple[str, tuple[object, ...]]] = []
    for _ in range(rng.randrange(1, 4)):
        table = rng.choice(list(tables))
        column = rng.choice(tables[table])
        one = f'rowid IN (SELECT rowid FROM "{table}" LIMIT {rng.choice((1, 1, 1000))})'
        kind = rng.randrange(6)
        if kind == 0:
            statements.append((f'DELETE FROM "{table}" WHERE {one}', ()))
        elif kind == 1:
            other = rng.choice(tables[table])
            statements.append((f'UPDATE "{table}" SET "{column}"="{other}" WHERE {one}', ()))
        else:
            value = rng.choice(WILD)
            statements.append((f'UPDATE "{table}" SET "{column}"=? WHERE {one}', (value,)))
    _change(path, statements)


def schema(path: Path, rng: random.Random) -> None:
    """Views, triggers, columns and versions that nobody expects."""
    table = rng.choice(list(_tables(path)))
    forever = "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT x FROM t"
    statement = rng.choice(
        (
            f"CREATE VIEW v AS {forever}",
            f'CREATE TRIGGER t AFTER INSERT ON "{table}" BEGIN DELETE FROM "{table}"; END',
            f'ALTER TABLE "{table}" ADD COLUMN x',
            f'DROP TABLE "{table}"',
            f'ALTER TABLE "{table}" RENAME TO "{table}_"',
            f'CREATE INDEX i ON "{table}"(rowid)',
            "PRAGMA user_version=999",
            "PRAGMA user_version=-1",
        )
    )
    _change(path, [(statement, ())])
