"""What every clip of a listener asks of the database, put together once.

Putting a statement together takes longer than running it. Parameters: token (its hash), who (the
participant's row), at, first and last (positions), now (seconds since 1970).
"""

from __future__ import annotations

from sqlalchemy import BindParameter, bindparam, func, insert, select, update

from savg.mos.storage import schema

_WHO: BindParameter[int] = bindparam("who")
_AT: BindParameter[int] = bindparam("at")
PERSON = select(schema.participant).where(schema.participant.c.token_sha256 == bindparam("token"))
PERSON_LOCKED = PERSON.with_for_update()
GIVEN = (
    select(schema.assignment.c.served_at, schema.stimulus.c.seconds, schema.rating.c.score)
    .select_from(schema.assignment.join(schema.stimulus).outerjoin(schema.rating))
    .where(schema.assignment.c.participant_id == _WHO, schema.assignment.c.position == _AT)
)
SERVE = (
    update(schema.assignment)
    .where(schema.assignment.c.participant_id == _WHO, schema.assignment.c.position == _AT)
    .values(served_at=bindparam("now"))
)
RATE = insert(schema.rating)
RATED_UNTIL = select(func.count(), func.max(schema.rating.c.position)).where(
    schema.rating.c.participant_id == _WHO
)
TRIALS = (
    select(
        schema.assignment.c.position,
        schema.assignment.c.role,
        schema.assignment.c.stimulus_id,
        schema.assignment.c.served_at,
    )
    .where(
        schema.assignment.c.participant_id == _WHO,
        schema.assignment.c.position.between(bindparam("first"), bindparam("last")),
    )
    .order_by(schema.assignment.c.position)
)
