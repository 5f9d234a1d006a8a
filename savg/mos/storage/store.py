"""The database of listening tests: SQLite in one file by default, PostgreSQL by URL.

Studies, links, exclusions and the data of analyses; `listener` has the records of listeners' sessions.
Writes of one process take turns in the order of requests; between processes the database's own locks
hold.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

from savg import __version__
from savg.errors import SavgError, first_line
from savg.mos.storage import schema
from savg.mos.storage.engine import FairLock, make_engine
from savg.mos.storage.listener import ListenerRecord, find_person
from savg.mos.storage.migrations import migrate
from savg.mos.storage.rows import (
    ExclusionRow,
    Link,
    ParticipantRow,
    RatingRow,
    Status,
    StudyRow,
    UnknownStudy,
)
from savg.mos.study.assignment import check_pool
from savg.mos.study.design import Stimulus, Study
from savg.mos.study.screening import ScreeningSound, stages

_MIGRATION_LOCK = 5_214_021
"""An arbitrary number, the same in all processes (PostgreSQL's advisory locks)."""

CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Letters of participants' codes, without those that look alike."""


def sqlite_url(path: Path) -> str:
    """The URL of a database file."""
    return URL.create("sqlite", database=str(path)).render_as_string()


_STATUS = select(schema.study.c.status).where(schema.study.c.id == bindparam("name"))


class Store:
    """Listening tests in one database; safe to share between threads and processes.

    Opening it migrates the tables.

    Args:
        url: `sqlite:///FILE` or `postgresql+psycopg://USER@HOST/NAME`.
        clock: the time in seconds since 1970 UTC.

    Raises:
        SavgError: the database cannot be opened.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._loaded: dict[str, StudyRow] = {}
        self.engine = make_engine(url)
        self._lock = FairLock() if self.engine.dialect.name == "sqlite" else None
        try:
            with self.writing() as connection:
                if self.engine.dialect.name == "postgresql":
                    connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
                migrate(connection)
        except DBAPIError as error:
            self.engine.dispose()
            shown = make_url(url).render_as_string(hide_password=True)
            reason = first_line(error.orig or error)
            raise SavgError(f"{shown} cannot be opened as a database: {reason}.") from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def check(self) -> None:
        """Look for damage of a SQLite file; ValueError or DatabaseFailure if there is some."""
        if self.engine.dialect.name == "sqlite":
            with self.reading() as connection:
                outcome = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
            if outcome != "ok":
                raise ValueError(f"the file is damaged ({outcome})")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A writing transaction, committed to the disk when the block ends without error."""
        if self._lock is None:
            with self.engine.begin() as connection:
                yield connection
            return
        with self._lock, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A reading transaction; it does not wait for writers."""
        with self.engine.connect().execution_options(savg_read=True) as connection:
            yield connection

    @contextmanager
    def listener(self, token: str, *, write: bool = False) -> Iterator[ListenerRecord | None]:
        """The listener with this token, within a transaction; None for an unknown token.

        write: the listener is locked until the transaction ends, which stores the changes.
        """
        with self.writing() if write else self.reading() as connection:
            person = find_person(connection, token_hash(token), lock=write)
            study = self.load(connection, person.study_id) if person is not None else None
            yield ListenerRecord(connection, person, study) if person and study else None

    def create_study(
        self,
        study: Study,
        stimuli: Sequence[Stimulus],
        sounds: Iterable[ScreeningSound],
        levels: dict[str, Any] | None = None,
    ) -> None:
        """Add a study. SavgError if the name is in use, its clips do not make a session, or the
        screening lacks a sound."""
        sounds = tuple(sounds)
        check_complete(study, stimuli, sounds)
        with self.writing() as connection:
            same_name = select(schema.study.c.id).where(schema.study.c.id == study.name)
            if connection.execute(same_name).first():
                raise SavgError(f"A study called {study.name} exists already: choose another name.")
            connection.execute(
                insert(schema.study).values(
                    id=study.name,
                    status="open",
                    design=json.dumps(study.to_dict(), ensure_ascii=False),
                    levels=json.dumps(levels or {}, allow_nan=False),
                    software=__version__,
                    created_at=self.clock(),
                )
            )
            rows = [{**vars(s), "study_id": study.name} for s in stimuli]
            connection.execute(insert(schema.stimulus), rows)
            connection.execute(
                insert(schema.sound), [{**vars(s), "study_id": study.name} for s in sounds]
            )

    def studies(self) -> list[str]:
        """The names of all studies, oldest first."""
        with self.reading() as connection:
            table = schema.study
            rows = connection.execute(select(table.c.id).order_by(table.c.created_at, table.c.id))
            return [row.id for row in rows]

    def study(self, name: str) -> StudyRow:
        """A study with its clips; UnknownStudy, which lists the existing ones, if there is none."""
        with self.reading() as connection:
            return self.load(connection, name)

    def load(self, connection: Connection, name: str) -> StudyRow:
        """A study within a transaction; all but its status is cached, as it never changes."""
        table = schema.study
        status = connection.execute(_STATUS, {"name": name}).scalar()
        if status is None:
            names = connection.execute(select(table.c.id).order_by(table.c.id)).scalars().all()
            raise UnknownStudy(
                f"There is no study {name[:40]}; studies: {', '.join(names)[:200] or 'none'}."
            )
        if name not in self._loaded:
            self._loaded[name] = _read_study(connection, name)
        return replace(self._loaded[name], status=status)

    def set_status(self, name: str, status: Status) -> None:
        """Open, pause or close a study; ratings of clips served before are accepted in every status."""
        if status not in ("open", "paused", "closed"):
            raise SavgError(f"Status must be open, paused or closed, got {status!r}.")
        with self.writing() as connection:
            self.load(connection, name)
            table = schema.study
            connection.execute(update(table).where(table.c.id == name).values(status=status))

    def invite(self, name: str, number: int = 1, *, simulated: bool = False) -> list[Link]:
        """New participants of a study, each with a link of its own."""
        if not 1 <= number <= 10_000:
            raise SavgError(f"Number of participants must be in 1..10000, got {number}.")
        with self.writing() as connection:
            if self.load(connection, name).status == "closed":
                raise SavgError(f"Study {name} is closed.")
            return [self._invite(connection, name, simulated) for _ in range(number)]

    def _invite(self, connection: Connection, name: str, simulated: bool) -> Link:
        table = schema.participant
        while True:
            code = "".join(secrets.choice(CODE_LETTERS) for _ in range(6))
            same = select(table.c.id).where(table.c.study_id == name, table.c.code == code)
            if not connection.execute(same).first():
                break
        token = secrets.token_urlsafe(24)
        connection.execute(
            insert(table).values(
                study_id=name,
                token_sha256=token_hash(token),
                code=code,
                seed=secrets.randbelow(2**31),
                status="invited",
                simulated=simulated,
                device="{}",
                completion="".join(secrets.choice(CODE_LETTERS) for _ in range(10)),
                created_at=self.clock(),
            )
        )
        return Link(code, token)

    def participants(self, name: str) -> list[ParticipantRow]:
        """All participants of a study, oldest first."""
        with self.reading() as connection:
            self.load(connection, name)
            return _participants(connection, name)

    def ratings(self, name: str) -> list[RatingRow]:
        """All ratings of a study, excluded participants' too, by participant and position."""
        person, assigned, score, clip = (
            schema.participant,
            schema.assignment,
            schema.rating,
            schema.stimulus,
        )
        joined = (
            score.join(assigned)
            .join(clip, clip.c.id == assigned.c.stimulus_id)
            .join(person, person.c.id == assigned.c.participant_id)
        )
        statement = (
            select(
                person.c.code.label("participant"),
                assigned.c.position,
                assigned.c.role,
                clip.c.condition,
                clip.c.clip,
                clip.c.id.label("stimulus"),
                clip.c.kind,
                clip.c.expected,
                assigned.c.repeat_of,
                clip.c.seconds,
                score.c.score,
                score.c.plays,
                score.c.seconds_played,
                score.c.response_seconds,
                assigned.c.served_at,
                score.c.rated_at,
                person.c.simulated,
            )
            .select_from(joined)
            .where(person.c.study_id == name)
            .order_by(person.c.id, assigned.c.position)
        )
        with self.reading() as connection:
            self.load(connection, name)
            return [RatingRow(**row._mapping) for row in connection.execute(statement)]

    def exclude(self, name: str, code: str, excluded: bool, reason: str, who: str) -> None:
        """Exclude a participant's data from analyses, or include them; every decision is stored."""
        if not reason.strip() or len(reason) > 2000 or not who.strip() or len(who) > 80:
            raise SavgError("An exclusion needs a reason (2000 characters) and a name (80).")
        with self.writing() as connection:
            self.load(connection, name)
            table = schema.participant
            same = select(table.c.id).where(table.c.study_id == name, table.c.code == code)
            if (person := connection.execute(same).scalar()) is None:
                raise SavgError(f"Study {name} has no participant {code[:40]}.")
            connection.execute(
                insert(schema.exclusion).values(
                    participant_id=person,
                    excluded=excluded,
                    reason=reason.replace("\x00", ""),
                    who=who.replace("\x00", ""),
                    decided_at=self.clock(),
                )
            )

    def exclusions(self, name: str) -> list[ExclusionRow]:
        """All decisions about exclusions, oldest first."""
        person, table = schema.participant, schema.exclusion
        statement = (
            select(
                person.c.code.label("participant"),
                table.c.excluded,
                table.c.reason,
                table.c.who,
                table.c.decided_at,
                person.c.simulated,
            )
            .join(person, person.c.id == table.c.participant_id)
            .where(person.c.study_id == name)
            .order_by(table.c.decided_at, table.c.id)
        )
        with self.reading() as connection:
            return [ExclusionRow(**row._mapping) for row in connection.execute(statement)]

    def record_analysis(
        self, name: str, settings: dict[str, Any], result: dict[str, Any], data_sha256: str
    ) -> None:
        """Store the settings, the digest of the data and the result of an analysis."""
        with self.writing() as connection:
            self.load(connection, name)
            connection.execute(
                insert(schema.analysis).values(
                    study_id=name,
                    software=__version__,
                    data_sha256=data_sha256,
                    settings=json.dumps(settings),
                    result=json.dumps(result),
                    run_at=self.clock(),
                )
            )


def check_complete(
    study: Study, stimuli: Sequence[Stimulus], sounds: Iterable[ScreeningSound]
) -> None:
    """SavgError if a study's clips do not make a session, or its screening lacks a sound."""
    check_pool(study, stimuli)
    available = {(s.stage, s.answer) for s in sounds}
    for rule in stages(study.level):
        for answer in rule.choices:
            if (rule.stage, answer) not in available:
                raise SavgError(
                    f"Study {study.name} has no screening sound of stage {rule.stage} with the "
                    f"answer {answer}."
                )


def token_hash(token: str) -> str:
    """SHA-256 of a token, which is all that is stored: with 192 random bits a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _read_study(connection: Connection, name: str) -> StudyRow:
    table, clips, sounds = schema.study, schema.stimulus, schema.sound
    row = connection.execute(select(table).where(table.c.id == name)).one()
    return StudyRow(
        Study.from_dict(json.loads(row.design)),
        row.status,
        tuple(
            Stimulus(**_without_study(r))
            for r in connection.execute(
                select(clips).where(clips.c.study_id == name).order_by(clips.c.id)
            )
        ),
        tuple(
            ScreeningSound(**_without_study(r))
            for r in connection.execute(
                select(sounds).where(sounds.c.study_id == name).order_by(sounds.c.id)
            )
        ),
        json.loads(row.levels),
        row.created_at,
    )


def _without_study(row: Row[Any]) -> dict[str, Any]:
    return {key: value for key, value in row._mapping.items() if key != "study_id"}


def _participants(connection: Connection, name: str) -> list[ParticipantRow]:
    person = schema.participant
    of_study = select(person.c.id).where(person.c.study_id == name)
    counted = connection.execute(
        select(schema.rating.c.participant_id, func.count())
        .where(schema.rating.c.participant_id.in_(of_study))
        .group_by(schema.rating.c.participant_id)
    )
    rated: dict[int, int] = {who: number for who, number in counted}
    screenings: dict[int, dict[str, list[tuple[int, int]]]] = {}
    table = schema.screening
    for row in connection.execute(
        select(table).where(table.c.participant_id.in_(of_study)).order_by(table.c.attempt)
    ):
        stage = screenings.setdefault(row.participant_id, {}).setdefault(row.stage, [])
        stage += [(0, 0)] * (row.attempt + 1 - len(stage))
        right, trials = stage[row.attempt]
        stage[row.attempt] = (right + row.correct, trials + 1)
    decided = {
        row.participant_id: (bool(row.excluded), row.reason)
        for row in connection.execute(
            select(schema.exclusion)
            .where(schema.exclusion.c.participant_id.in_(of_study))
            .order_by(schema.exclusion.c.decided_at, schema.exclusion.c.id)
        )
    }
    answers: dict[int, dict[str, str]] = {}
    for row in connection.execute(
        select(schema.answer).where(schema.answer.c.participant_id.in_(of_study))
    ):
        answers.setdefault(row.participant_id, {})[row.question] = row.text
    return [
        ParticipantRow(
            row.code,
            row.status,
            bool(row.simulated),
            row.created_at,
            row.consented_at,
            row.finished_at,
            rated.get(row.id, 0),
            screenings.get(row.id, {}),
            *decided.get(row.id, (False, "")),
            json.loads(row.device),
            answers.get(row.id, {}),
        )
        for row in connection.execute(
            select(person).where(person.c.study_id == name).order_by(person.c.id)
        )
    ]
