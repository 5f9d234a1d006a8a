"""Checks of a database file from elsewhere: of its tables and, before they are copied, of its rows.

SQLite keeps what its columns and keys forbid if a file was written by other software, and a file may
bring views and triggers of its own.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Row, String, Table, create_engine

from savg.mos.storage.migrations import STEPS as MIGRATIONS
from savg.mos.storage.migrations import migrate
from savg.mos.storage.rows import StudyRow

STEPS = ("invited", "screening", "trials", "questions", "done", "screened_out")
"""Statuses of a participant; nobody goes back."""

_CODE = re.compile(r"[A-Z0-9]{1,16}", re.ASCII)

PATTERNS: dict[str, re.Pattern[str]] = {
    "study.status": re.compile("open|paused|closed"),
    "participant.status": re.compile("|".join(STEPS)),
    "participant.code": _CODE,
    "participant.completion": _CODE,
    "participant.token_sha256": re.compile("[0-9a-f]{64}"),
    "screening.stage": re.compile("channels|volume|huggins|antiphase"),
    "assignment.role": re.compile("practice|test|repeat|catch"),
}
"""Column → what its texts look like."""

LIMITS: dict[str, tuple[float, float]] = {
    "participant.seed": (0, 2**31 - 1),
    "screening.attempt": (0, 999),
    "screening.trial": (0, 999),
    "rating.plays": (0, 10_000),
    "rating.seconds_played": (0, 1e6),
    "rating.response_seconds": (0, 1e6),
}
"""Column → the least and the largest value."""

OBJECTS = frozenset({"participant.device", "analysis.settings", "analysis.result", "study.levels"})
"""Columns with a JSON object."""

_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master"


def has_our_tables(path: Path) -> bool:
    """Whether a file is an intact SQLite database with tables, indices and triggers of a release alone.

    The file is only read, and nothing that its schema defines is run.
    """
    try:
        address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as database:
            database.execute("PRAGMA trusted_schema=OFF")
            database.execute("PRAGMA cell_size_check=ON")
            if frozenset(database.execute(_SCHEMA)) not in _schemas():
                return False
            return database.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]
    except (sqlite3.Error, ValueError):
        return False


@cache
def _schemas() -> tuple[frozenset[Any], ...]:
    """What a new database holds after each step of the migrations."""
    schemas = []
    for number in range(1, len(MIGRATIONS) + 1):
        engine = create_engine("sqlite://")
        with engine.begin() as connection:
            migrate(connection, number)
            rows = connection.exec_driver_sql(_SCHEMA)
            schemas.append(frozenset(tuple(row) for row in rows))
        engine.dispose()
    return tuple(schemas)


def checked(row: Row[Any], table: Table) -> dict[str, Any]:
    """A row's values; TypeError or ValueError for one that the software never stores."""
    values = dict(row._mapping)
    for column in table.c:
        _check(f"{table.name}.{column.name}", values[column.name], column)
    return values


def _check(name: str, value: Any, column: Column[Any]) -> None:
    kind = column.type.python_type
    if value is None and column.nullable:
        return
    is_kind = isinstance(value, (int, float) if kind is float else kind)
    if not is_kind or (kind is not bool and isinstance(value, bool)):
        raise TypeError(f"{name} must be {kind.__name__}, got {value!r:.40}.")
    if kind is float and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}.")
    low, high = LIMITS.get(name, (-math.inf, math.inf))
    if kind in (int, float) and not low <= value <= high:
        raise ValueError(f"{name} must be in {low:g}..{high:g}, got {value!r:.40}.")
    if isinstance(column.type, String) and len(value) > (column.type.length or len(value)):
        raise ValueError(f"{name} must have at most {column.type.length} characters.")
    if name in PATTERNS and not PATTERNS[name].fullmatch(value):
        raise ValueError(f"{name} is not valid: {value!r:.40}.")
    if name in OBJECTS and not isinstance(json.loads(value), dict):
        raise ValueError(f"{name} must be a JSON object.")


def check_sessions(
    study: StudyRow, people: Sequence[Row[Any]], sessions: Mapping[int, Sequence[tuple[int, str]]]
) -> None:
    """ValueError unless those who have reached the trials have a clip of the study at each position.

    sessions: participant's number → position and stimulus of each trial, in order.
    """
    clips = {s.id for s in study.stimuli}
    positions = list(range(study.study.positions))
    for person in people:
        session = sessions.get(person.id, ())
        if not session and person.status not in ("trials", "questions", "done"):
            continue
        if [p for p, _ in session] != positions or not clips.issuperset(c for _, c in session):
            raise ValueError(f"the session of participant {person.code} is not complete.")
