"""Numbered steps from an empty database to the tables of `schema`, each applied once.

A released step never changes, so it uses nothing of `schema`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection, inspect, text

from savg.errors import SavgError

Step = Callable[[Connection], None]

_TABLES = """
CREATE TABLE study (
    id VARCHAR(40) NOT NULL PRIMARY KEY, status VARCHAR(10) NOT NULL, design TEXT NOT NULL,
    levels TEXT NOT NULL, software VARCHAR(40) NOT NULL, created_at DOUBLE PRECISION NOT NULL);
CREATE TABLE stimulus (
    id VARCHAR(40) NOT NULL PRIMARY KEY, study_id VARCHAR(40) NOT NULL REFERENCES study (id),
    condition VARCHAR(40) NOT NULL, clip TEXT NOT NULL, scene TEXT NOT NULL,
    kind VARCHAR(10) NOT NULL, seconds DOUBLE PRECISION NOT NULL, sha256 VARCHAR(64) NOT NULL,
    expected INTEGER);
CREATE INDEX ix_stimulus_study_id ON stimulus (study_id);
CREATE TABLE sound (
    id VARCHAR(40) NOT NULL PRIMARY KEY, study_id VARCHAR(40) NOT NULL REFERENCES study (id),
    stage VARCHAR(12) NOT NULL, answer VARCHAR(12) NOT NULL);
CREATE INDEX ix_sound_study_id ON sound (study_id);
CREATE TABLE participant (
    id {serial}, study_id VARCHAR(40) NOT NULL REFERENCES study (id),
    token_sha256 VARCHAR(64) NOT NULL, code VARCHAR(16) NOT NULL, seed INTEGER NOT NULL,
    status VARCHAR(12) NOT NULL, simulated BOOLEAN NOT NULL, device TEXT NOT NULL,
    completion VARCHAR(16) NOT NULL, created_at DOUBLE PRECISION NOT NULL,
    consented_at DOUBLE PRECISION, assigned_at DOUBLE PRECISION, finished_at DOUBLE PRECISION,
    UNIQUE (token_sha256), UNIQUE (study_id, code));
CREATE TABLE screening (
    participant_id INTEGER NOT NULL REFERENCES participant (id), stage VARCHAR(12) NOT NULL,
    attempt INTEGER NOT NULL, trial INTEGER NOT NULL,
    sound_id VARCHAR(40) NOT NULL REFERENCES sound (id), answer VARCHAR(12) NOT NULL,
    correct BOOLEAN NOT NULL, answered_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (participant_id, stage, attempt, trial));
CREATE TABLE assignment (
    participant_id INTEGER NOT NULL REFERENCES participant (id), position INTEGER NOT NULL,
    role VARCHAR(10) NOT NULL, stimulus_id VARCHAR(40) NOT NULL REFERENCES stimulus (id),
    repeat_of INTEGER, served_at DOUBLE PRECISION, PRIMARY KEY (participant_id, position));
CREATE INDEX ix_assignment_stimulus_id ON assignment (stimulus_id);
CREATE TABLE rating (
    participant_id INTEGER NOT NULL, position INTEGER NOT NULL, score INTEGER NOT NULL,
    plays INTEGER NOT NULL, seconds_played DOUBLE PRECISION NOT NULL,
    response_seconds DOUBLE PRECISION NOT NULL, rated_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (participant_id, position),
    FOREIGN KEY (participant_id, position) REFERENCES assignment (participant_id, position));
CREATE TABLE answer (
    participant_id INTEGER NOT NULL REFERENCES participant (id), question VARCHAR(40) NOT NULL,
    text TEXT NOT NULL, answered_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (participant_id, question));
CREATE TABLE exclusion (
    id {serial}, participant_id INTEGER NOT NULL REFERENCES participant (id),
    excluded BOOLEAN NOT NULL, reason TEXT NOT NULL, who VARCHAR(80) NOT NULL,
    decided_at DOUBLE PRECISION NOT NULL);
CREATE INDEX ix_exclusion_participant_id ON exclusion (participant_id);
CREATE TABLE analysis (
    id {serial}, study_id VARCHAR(40) NOT NULL REFERENCES study (id),
    software VARCHAR(40) NOT NULL, data_sha256 VARCHAR(64) NOT NULL, settings TEXT NOT NULL,
    result TEXT NOT NULL, run_at DOUBLE PRECISION NOT NULL);
CREATE INDEX ix_analysis_study_id ON analysis (study_id)
"""


def _step_1(connection: Connection) -> None:
    """All tables."""
    postgres = connection.dialect.name == "postgresql"
    serial = "SERIAL NOT NULL PRIMARY KEY" if postgres else "INTEGER NOT NULL PRIMARY KEY"
    for statement in _TABLES.format(serial=serial).split(";\n"):
        connection.execute(text(statement))


def _step_2(connection: Connection) -> None:
    """Triggers that make ratings, answers, screening answers and exclusions append-only."""
    tables = ("rating", "answer", "screening", "exclusion")
    if connection.dialect.name == "postgresql":
        connection.execute(
            text(
                "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
            )
        )
        for table in tables:
            connection.execute(
                text(
                    f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE "
                    f"ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
                )
            )
        return
    for table in tables:
        for change in ("UPDATE", "DELETE"):
            connection.execute(
                text(
                    f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
            )


STEPS: tuple[Step, ...] = (_step_1, _step_2)
"""Step number i (from 1) brings the database to version i."""


def version(connection: Connection) -> int:
    """The version of the database; 0 for an empty one."""
    if not inspect(connection).has_table("schema_version"):
        return 0
    return int(connection.execute(text("SELECT max(version) FROM schema_version")).scalar() or 0)


def migrate(connection: Connection, target: int = len(STEPS)) -> int:
    """Apply the missing steps within the connection's transaction; returns the version before.

    The caller holds a lock against other migrations. SavgError for a database of a newer release.
    """
    before = version(connection)
    if before > len(STEPS):
        raise SavgError(
            f"Database version must be at most {len(STEPS)}, got {before}: a newer release of SAVG "
            "Studio wrote it."
        )
    if before == 0:
        connection.execute(
            text(
                "CREATE TABLE schema_version (version INTEGER NOT NULL PRIMARY KEY, "
                "applied_at DOUBLE PRECISION NOT NULL)"
            )
        )
    for number in range(before + 1, target + 1):
        STEPS[number - 1](connection)
        connection.execute(
            text("INSERT INTO schema_version VALUES (:number, :now)"),
            {"number": number, "now": time.time()},
        )
    return before
