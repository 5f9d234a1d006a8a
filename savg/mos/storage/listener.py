"""The stored record of one listener, read and written within one transaction.

The most frequent statements are built once, as building them takes longer than running them. Times
are seconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, func, insert, select, update

from savg.mos.storage import schema
from savg.mos.storage.rows import StudyRow
from savg.mos.study.assignment import Trial
from savg.mos.study.screening import ScreeningAnswer

_PERSON: BindParameter[int] = bindparam("person")
_POSITION: BindParameter[int] = bindparam("at")
_BY_TOKEN = select(schema.participant).where(
    schema.participant.c.token_sha256 == bindparam("token")
)
_BY_TOKEN_LOCKED = _BY_TOKEN.with_for_update()
_TRIAL = (
    select(schema.assignment.c.served_at, schema.stimulus.c.seconds, schema.rating.c.score)
    .select_from(schema.assignment.join(schema.stimulus).outerjoin(schema.rating))
    .where(schema.assignment.c.participant_id == _PERSON, schema.assignment.c.position == _POSITION)
)
_SERVE = (
    update(schema.assignment)
    .where(schema.assignment.c.participant_id == _PERSON, schema.assignment.c.position == _POSITION)
    .values(served_at=bindparam("now"))
)
_RATE = insert(schema.rating)
_RATED = select(func.count(), func.max(schema.rating.c.position)).where(
    schema.rating.c.participant_id == _PERSON
)
_TRIALS = (
    select(
        schema.assignment.c.position,
        schema.assignment.c.role,
        schema.assignment.c.stimulus_id,
        schema.assignment.c.served_at,
    )
    .where(
        schema.assignment.c.participant_id == _PERSON,
        schema.assignment.c.position.between(bindparam("first"), bindparam("last")),
    )
    .order_by(schema.assignment.c.position)
)


def find_person(connection: Connection, token_sha256: str, *, lock: bool) -> Row[Any] | None:
    """The participant's row with this hash of a token, None if there is none; lock: the row is locked
    until the transaction ends."""
    statement = _BY_TOKEN_LOCKED if lock else _BY_TOKEN
    return connection.execute(statement, {"token": token_sha256}).first()


class ListenerRecord:
    """A listener's stored state; changes become visible to others when the transaction ends.

    code, seed and completion never change; status is a step of the session.
    """

    def __init__(self, connection: Connection, person: Row[Any], study: StudyRow) -> None:
        self._connection = connection
        self._id: int = person.id
        self.study = study
        self.code: str = person.code
        self.seed: int = person.seed
        self.completion: str = person.completion
        self.status: str = person.status

    def update(self, status: str, **values: Any) -> None:
        """Change the status, and columns of the participant such as finished_at, device."""
        self.status = status
        table = schema.participant
        statement = update(table).where(table.c.id == self._id).values(status=status, **values)
        self._connection.execute(statement)

    def screening_answers(self) -> list[ScreeningAnswer]:
        """All answers of the screening."""
        table = schema.screening
        rows = self._connection.execute(select(table).where(table.c.participant_id == self._id))
        return [ScreeningAnswer(r.stage, r.attempt, r.trial, bool(r.correct)) for r in rows]

    def screening_answer(self, stage: str, attempt: int, trial: int) -> str | None:
        """The stored answer to one screening trial, None if there is none."""
        table = schema.screening
        return self._connection.execute(
            select(table.c.answer).where(
                table.c.participant_id == self._id,
                table.c.stage == stage,
                table.c.attempt == attempt,
                table.c.trial == trial,
            )
        ).scalar()

    def add_screening_answer(
        self, answer: ScreeningAnswer, sound_id: str, text: str, now: float
    ) -> None:
        """Store an answer to a screening trial."""
        self._connection.execute(
            insert(schema.screening).values(
                participant_id=self._id,
                sound_id=sound_id,
                answer=text,
                answered_at=now,
                **vars(answer),
            )
        )

    def assign(self, trials: Iterable[Trial], now: float) -> None:
        """Store the session's trials and begin them."""
        rows = [
            {
                "participant_id": self._id,
                "position": trial.position,
                "role": trial.role,
                "stimulus_id": trial.stimulus.id,
                "repeat_of": trial.repeat_of,
            }
            for trial in trials
        ]
        self._connection.execute(insert(schema.assignment), rows)
        self.update("trials", assigned_at=now)

    def use_of_clips(self, since: float) -> dict[str, int]:
        """How often each clip (by id) was rated, or assigned after `since`, by listeners who are not
        excluded. Other callers wait until this transaction ends."""
        name = self.study.study.name
        self._connection.execute(
            select(schema.study.c.id).where(schema.study.c.id == name).with_for_update()
        ).all()
        person, assigned, exclusion = schema.participant, schema.assignment, schema.exclusion
        place = func.row_number().over(
            partition_by=exclusion.c.participant_id,
            order_by=(exclusion.c.decided_at.desc(), exclusion.c.id.desc()),
        )
        decided = select(
            exclusion.c.participant_id, exclusion.c.excluded, place.label("place")
        ).subquery()
        excluded = select(decided.c.participant_id).where(decided.c.place == 1, decided.c.excluded)
        same_trial = and_(
            schema.rating.c.participant_id == assigned.c.participant_id,
            schema.rating.c.position == assigned.c.position,
        )
        statement = (
            select(assigned.c.stimulus_id, func.count())
            .select_from(assigned.join(person).outerjoin(schema.rating, same_trial))
            .where(
                person.c.study_id == name,
                person.c.id.not_in(excluded),
                assigned.c.role != "repeat",
                schema.rating.c.score.is_not(None) | (person.c.assigned_at > since),
            )
            .group_by(assigned.c.stimulus_id)
        )
        return {clip: int(number) for clip, number in self._connection.execute(statement)}

    def trial(self, position: int) -> Any:
        """served_at, seconds (of the clip) and score of a position; None if it is not assigned."""
        where = {"person": self._id, "at": position}
        return self._connection.execute(_TRIAL, where).first()

    def trials(self, first: int, last: int) -> list[Any]:
        """position, role, stimulus_id and served_at of positions first..last in order."""
        where = {"person": self._id, "first": first, "last": last}
        return list(self._connection.execute(_TRIALS, where))

    def assigned_until(self, stimulus: str, position: int) -> bool:
        """Whether a clip is assigned to one of the positions 0..position."""
        table = schema.assignment
        statement = select(table.c.position).where(
            table.c.participant_id == self._id,
            table.c.position <= position,
            table.c.stimulus_id == stimulus,
        )
        return self._connection.execute(statement).first() is not None

    def serve(self, position: int, now: float) -> None:
        """Store when a clip was shown."""
        where = {"person": self._id, "at": position}
        self._connection.execute(_SERVE, {**where, "now": now})

    def add_rating(self, **values: Any) -> None:
        """Store a rating: position, score, plays, seconds_played, response_seconds, rated_at."""
        self._connection.execute(_RATE, {"participant_id": self._id, **values})

    def first_unrated(self) -> int:
        """The lowest position without a rating. Positions are rated in order, so it is the number of
        ratings, unless one could not be restored."""
        count, last = self._connection.execute(_RATED, {"person": self._id}).one()
        if not count or last == count - 1:
            return int(count)
        table = schema.rating
        statement = select(table.c.position).where(table.c.participant_id == self._id)
        rated = set(self._connection.execute(statement).scalars())
        return next(position for position in range(last + 1) if position not in rated)

    def answers(self) -> dict[str, str]:
        """Answers to questions after the trials, by key."""
        table = schema.answer
        rows = self._connection.execute(select(table).where(table.c.participant_id == self._id))
        return {row.question: row.text for row in rows}

    def add_answer(self, question: str, text: str, now: float) -> None:
        """Store an answer to a question."""
        self._connection.execute(
            insert(schema.answer).values(
                participant_id=self._id, question=question, text=text, answered_at=now
            )
        )
