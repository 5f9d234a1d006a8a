"""A study as one SQLite file, and the merge of such a file into a database.

Rows are matched by what they are about (a participant's code and token, a position, a question), not
by their ids, so that a file may be merged repeatedly, and two servers that write one dataset end up
with the ratings of both. Rows that a database already has are never changed.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select, update

from savg.errors import SavgError, clause
from savg.mos.storage import schema
from savg.mos.storage.engine import DatabaseFailure
from savg.mos.storage.rows import StudyRow
from savg.mos.storage.store import Store, check_complete, sqlite_url
from savg.mos.storage.untrusted import STEPS, check_sessions, checked, has_our_tables
from savg.private_files import private_file

UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What reading rows that other software wrote may raise, beside errors of the database."""

FAULTS = (SavgError, DatabaseFailure, sqlite3.Error, OSError, *UNREADABLE)
"""What copying a study may raise."""

OF_STUDY = (schema.study, schema.stimulus, schema.sound)
"""Tables of what a study is made of."""

OF_LISTENERS = (schema.screening, schema.assignment, schema.rating, schema.answer, schema.exclusion)
"""Tables with a participant_id."""


@dataclass
class MergeResult:
    """The number of rows added or completed, and a sentence for each contradiction."""

    added: int = 0
    problems: list[str] = field(default_factory=list)


def open_copy(path: Path, name: str) -> Store:
    """The database of a snapshot that is nobody else's file; SavgError unless it holds the study.

    What a stranger put into it is not run: views and triggers of their own are refused.
    """
    try:
        if not has_our_tables(path):
            raise ValueError("not a database of listening tests")
        store = Store(sqlite_url(path))
        try:
            store.study(name)
        except BaseException:
            store.close()
            raise
    except (SavgError, DatabaseFailure, *UNREADABLE) as error:
        raise SavgError(f"{name}/{path.name} holds no such listening test.") from error
    return store


def write_snapshot(store: Store, name: str, path: Path) -> str:
    """Write one study into a new SQLite file, consistent at one moment, without blocking writers.

    Returns `content_digest` of what is in the file, which may be more than was there before.
    """
    copied = False
    private_file(path)
    if store.engine.dialect.name == "sqlite" and store.studies() == [name]:
        with (
            closing(sqlite3.connect(str(store.engine.url.database))) as source,
            closing(sqlite3.connect(path)) as target,
        ):
            source.backup(target)
        copied = has_our_tables(path)
        if not copied:  # somebody has added an index or a view, which a restore would refuse
            path.write_bytes(b"")
    with closing(Store(sqlite_url(path))) as snapshot:
        if not copied:
            merge(store, snapshot, name)
        content = content_digest(snapshot, name)
    with closing(sqlite3.connect(path)) as target:
        target.execute("PRAGMA journal_mode=DELETE")
    return content


def content_digest(store: Store, name: str) -> str:
    """SHA-256 of a study's rows, without their ids."""
    digest = hashlib.sha256()
    with store.reading() as connection:
        codes = {p.id: p.code for p in _people(connection, name)}
        for table in (schema.study, schema.participant, *OF_LISTENERS, schema.analysis):
            lines = []
            for row in connection.execute(_of_study(table, name)):
                values = dict(row._mapping)
                values.pop("id", None)
                if "participant_id" in values:
                    values["participant_id"] = codes[values["participant_id"]]
                lines.append(json.dumps(values, sort_keys=True))
            digest.update("\n".join([table.name, *sorted(lines), ""]).encode())
    return digest.hexdigest()


def check_rows(store: Store, name: str) -> None:
    """TypeError or ValueError if a study has a row that the software never stores."""
    with store.reading() as connection:
        for table in (*OF_STUDY, schema.participant, *OF_LISTENERS, schema.analysis):
            for row in connection.execute(_of_study(table, name)):
                checked(row, table)


def same_study(first: StudyRow, second: StudyRow) -> bool:
    """Whether both have the same design, clips and screening sounds."""
    return first.study == second.study and (
        {s.id for s in first.stimuli} == {s.id for s in second.stimuli}
        and {s.id for s in first.sounds} == {s.id for s in second.sounds}
    )


def merge(source: Store, target: Store, name: str) -> MergeResult:
    """Add the rows of a study that `source` has and `target` lacks, the study itself if it is missing.

    Where something was added, `target` gets the status of `source`.

    Raises:
        SavgError: another study of that name, or rows that no study can have; nothing is changed.
    """
    result = MergeResult()
    try:
        exists = name in target.studies()
        if exists and not same_study(source.study(name), target.study(name)):
            raise SavgError(f"It is another study called {name} than the one here.")
        with source.reading() as reads, target.writing() as writes:
            if not exists:
                for table in OF_STUDY:
                    rows = [checked(r, table) for r in reads.execute(_of_study(table, name))]
                    writes.execute(insert(table), rows)
            study = source.load(reads, name)
            if study.study.name != name:
                raise ValueError(f"its design is of {study.study.name}.")
            if not exists:
                check_complete(study.study, study.stimuli, study.sounds)
            _Merger(reads, writes, study, result).run()
    except (DatabaseFailure, *UNREADABLE) as error:
        raise SavgError(f"Study {name} cannot be taken over: {clause(error)}.") from error
    return result


class _Merger:
    """The merge of one study, within a transaction of each database."""

    def __init__(
        self, reads: Connection, writes: Connection, study: StudyRow, result: MergeResult
    ) -> None:
        self.reads, self.writes, self.study, self.result = reads, writes, study, result
        self.name = study.study.name

    def run(self) -> None:
        """Merge all tables that hang on participants, and the analyses."""
        check_sessions(self.study, _people(self.reads, self.name), self.clips(self.reads))
        existing = {p.code: p for p in _people(self.writes, self.name)}
        people: dict[int, tuple[int, str]] = {}
        for person in _people(self.reads, self.name):
            own = self.person(person, existing.get(person.code))
            if own is not None:
                people[person.id] = own, person.code
        self.rows(schema.screening, people)
        for person_id in self.other_sessions(people):
            self.problem(people[person_id][1], "the session has other clips here, which stay.")
            del people[person_id]
        for table in (schema.assignment, schema.rating, schema.answer):
            self.rows(table, people)
        for person in _people(self.reads, self.name):
            if person.id in people:
                self.status(person, people[person.id][0])
        self.log(schema.exclusion, "decided_at", people)
        self.log(schema.analysis, "run_at", people)
        if self.result.added:
            study = self.reads.execute(_of_study(schema.study, self.name)).one()
            table = schema.study
            self.writes.execute(
                update(table).where(table.c.id == self.name).values(status=study.status)
            )

    def add(self, table: Table, values: Mapping[str, Any]) -> Any:
        self.result.added += 1
        return self.writes.execute(insert(table).values(**values)).inserted_primary_key

    def problem(self, code: str, sentence: str) -> None:
        self.result.problems.append(f"{self.name}: participant {code}: {sentence}")

    def person(self, person: Row[Any], own: Row[Any] | None) -> int | None:
        """The participant's id in the target; None, with a problem, if another has the same code."""
        if own is not None and own.token_sha256 != person.token_sha256:
            self.problem(person.code, "there are two with this code: one was left out.")
            return None
        if own is not None:
            return int(own.id)
        values = checked(person, schema.participant)
        values.pop("id")
        return int(self.add(schema.participant, values)[0])

    def other_sessions(self, people: Mapping[int, tuple[int, str]]) -> list[int]:
        """Participants (ids of the source) whose sessions differ between the databases."""
        targets, sources = self.clips(self.writes), self.clips(self.reads)
        return [
            number
            for number, (own, _) in people.items()
            if number in sources and own in targets and targets[own] != sources[number]
        ]

    def clips(self, connection: Connection) -> dict[int, list[tuple[int, str]]]:
        sessions: dict[int, list[tuple[int, str]]] = {}
        for row in connection.execute(_of_study(schema.assignment, self.name)):
            sessions.setdefault(row.participant_id, []).append((row.position, row.stimulus_id))
        return sessions

    def rows(self, table: Table, people: Mapping[int, tuple[int, str]]) -> None:
        """Add missing rows of participants; one with other contents is a problem."""
        keys = [c.name for c in table.primary_key if c.name != "participant_id"]
        existing: dict[tuple[Any, ...], Row[Any]] = {
            (r.participant_id, *(getattr(r, key) for key in keys)): r
            for r in self.writes.execute(_of_study(table, self.name))
        }
        contents = {"screening": "answer", "assignment": "stimulus_id", "rating": "score"}
        column = contents.get(table.name, "text")
        sounds = {sound.id for sound in self.study.sounds}
        for row in self.reads.execute(_of_study(table, self.name)):
            if row.participant_id not in people:
                continue
            own_id, code = people[row.participant_id]
            key = tuple(getattr(row, k) for k in keys)
            own = existing.get((own_id, *key))
            values = checked(row, table)
            if table is schema.screening and values["sound_id"] not in sounds:
                raise ValueError("a screening sound must be one of the study's.")
            if table is schema.rating and values["score"] not in self.study.study.scores:
                raise ValueError(f"score must be one of the study's, got {values['score']}.")
            where = f"{table.name} {' '.join(map(str, key))}"
            if own is None:
                self.add(table, {**values, "participant_id": own_id})
            elif getattr(own, column) != getattr(row, column):
                self.problem(code, f"{where} is another here, which stays.")
            elif table is schema.assignment and own.served_at is None and row.served_at is not None:
                self.result.added += 1
                self.writes.execute(
                    update(table)
                    .where(table.c.participant_id == own_id, table.c.position == row.position)
                    .values(served_at=row.served_at)
                )

    def status(self, person: Row[Any], own_id: int) -> None:
        """Advance the participant to the further of the two statuses."""
        table = schema.participant
        own = self.writes.execute(select(table).where(table.c.id == own_id)).one()
        changes = {
            column: getattr(person, column)
            for column in ("consented_at", "assigned_at", "finished_at")
            if getattr(own, column) is None and getattr(person, column) is not None
        }
        if own.consented_at is None:
            changes["device"] = person.device
        if STEPS.index(person.status) > STEPS.index(own.status):
            changes["status"] = person.status
        questions = {q.key for q in self.study.study.questions}
        if changes.get("status", own.status) == "questions" and questions:
            answer = schema.answer
            answers = self.writes.execute(
                select(answer).where(answer.c.participant_id == own_id)
            ).all()
            if questions <= {a.question for a in answers}:
                changes |= {"status": "done", "finished_at": max(a.answered_at for a in answers)}
        changes = {k: v for k, v in changes.items() if v != getattr(own, k)}
        if changes:
            self.result.added += 1
            self.writes.execute(update(table).where(table.c.id == own_id).values(**changes))

    def log(self, table: Table, time: str, people: Mapping[int, tuple[int, str]]) -> None:
        """Add missing entries of a log (decisions, analyses) in their order."""
        rows = [checked(r, table) for r in self.reads.execute(_of_study(table, self.name))]
        existing = [
            {k: v for k, v in row._mapping.items() if k != "id"}
            for row in self.writes.execute(_of_study(table, self.name))
        ]
        for values in sorted(rows, key=lambda r: (r[time], r["id"])):
            del values["id"]
            if "participant_id" in values:
                if values["participant_id"] not in people:
                    continue
                values["participant_id"] = people[values["participant_id"]][0]
            if values not in existing:
                self.add(table, values)


def _people(connection: Connection, name: str) -> list[Row[Any]]:
    table = schema.participant
    return list(
        connection.execute(select(table).where(table.c.study_id == name).order_by(table.c.id))
    )


def _of_study(table: Table, name: str) -> Any:
    """All rows of a table that belong to a study, in the order of its key."""
    if "participant_id" in table.c:
        person = schema.participant
        people = select(person.c.id).where(person.c.study_id == name)
        rows = select(table).where(table.c.participant_id.in_(people))
    else:
        rows = select(table).where(
            (table.c.id if table is schema.study else table.c.study_id) == name
        )
    return rows.order_by(*table.primary_key)
