"""What a listener may do, in the order it is allowed; every rule is kept here, not by the page.

consent → screening → trials (practice first) → questions → done. The token of the link is the only
key. Saving is idempotent: the same again is fine, something different is refused. Whatever returns
without error is on the disk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, and_, func, insert, select, update

from savg.errors import SavgError
from savg.mos.storage import queries, schema
from savg.mos.storage.store import Store, StudyRow, token_hash
from savg.mos.study.assignment import assign
from savg.mos.study.design import Study
from savg.mos.study.screening import (
    RULES,
    Answered,
    Progress,
    ScreeningSound,
    draw,
    progress,
    stages,
)

Step = Literal["invited", "screening", "trials", "questions", "done", "screened_out"]

Reason = Literal[
    "unknown", "closed", "step", "not_served", "too_early", "not_played", "value", "conflict"
]

MAX_TEXT, MAX_DEVICE, MAX_TOKEN = 4000, 4000, 64
"""Characters of a free-text answer, of the device's description as JSON, and of a token."""

_MEDIA = re.compile(r"[A-Za-z0-9_-]{1,80}\.[a-z0-9]{2,4}")
"""Names of media files."""

ABANDONED_SECONDS = 2 * 3600.0
"""Clips given out but not rated within this time count as not given out."""


class Refused(SavgError):
    """A request against the rules; `reason` tells the page what to do about it."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason: Reason = reason


@dataclass(frozen=True)
class ScreeningView:
    """The screening trial that comes now; `trial` and `attempt` count from 0."""

    stage: str
    attempt: int
    trial: int
    trials: int
    media: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class TrialView:
    """A clip to rate: what a page may know. `seconds` is the clip's length."""

    position: int
    positions: int
    practice: bool
    media: str
    seconds: float
    served: bool


@dataclass(frozen=True)
class Standing:
    """Where a listener is. `trial` is the clip that comes now, `upcoming` the media name of the one
    after it, to be loaded early; `completion` is there once all is done."""

    study: str
    code: str
    step: Step
    open: bool
    screening: ScreeningView | None = None
    trial: TrialView | None = None
    upcoming: str | None = None
    unanswered: tuple[str, ...] = ()
    completion: str | None = None


def standing(store: Store, token: str) -> Standing:
    """Where the listener with this token is; Refused("unknown") for a wrong token."""
    with store.reading() as connection:
        person = _person(connection, token, lock=False)
        return _standing(connection, person, store.load(connection, person.study_id))


def consent(store: Store, token: str, device: Mapping[str, Any]) -> Standing:
    """The listener agrees and describes the device; screening begins."""
    try:
        text = json.dumps(_storable(dict(device)), ensure_ascii=True, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        raise Refused("value", "The device is described by texts and numbers.") from None
    if len(text) > MAX_DEVICE:
        raise Refused("value", f"The device is described in at most {MAX_DEVICE} characters.")
    with store.writing() as connection:
        person, row = _entered(store, connection, token, must_be_open=True)
        if person.status == "invited":
            _set(
                connection,
                person,
                status="screening",
                device=text,
                consented_at=store.clock(),
            )
            person, row = _entered(store, connection, token)
        return _standing(connection, person, row)


def answer_screening(
    store: Store, token: str, stage: str, attempt: int, trial: int, answer: str
) -> Standing:
    """Store the answer to the screening trial that comes now, and judge the stage when it ends."""
    whole = all(_is_whole(number) and 0 <= number < 1000 for number in (attempt, trial))
    if not whole or stage not in list(RULES):
        raise Refused("value", "There is no such screening trial.")
    with store.writing() as connection:
        person, row = _entered(store, connection, token, must_be_open=True)
        table = schema.screening
        stored = connection.execute(
            select(table.c.answer).where(
                table.c.participant_id == person.id,
                table.c.stage == stage,
                table.c.attempt == attempt,
                table.c.trial == trial,
            )
        ).scalar()
        if stored is not None:
            if stored != answer:
                raise Refused("conflict", "This screening trial has another answer already.")
            return _standing(connection, person, row)
        if person.status != "screening":
            raise Refused("step", "This listener is not in the screening.")
        now = _progress(connection, person, row.study)
        if (stage, attempt, trial) != (now.stage, now.attempt, now.trial) or now.stage is None:
            raise Refused("step", "This is not the screening trial that comes now.")
        if answer not in RULES[now.stage].choices:
            raise Refused("value", "This answer is none of the choices.")
        sound = _sounds(person, row, now)[now.trial]
        connection.execute(
            insert(schema.screening).values(
                participant_id=person.id,
                stage=now.stage,
                attempt=now.attempt,
                trial=now.trial,
                sound_id=sound.id,
                answer=answer,
                correct=answer == sound.answer,
                answered_at=store.clock(),
            )
        )
        after = _progress(connection, person, row.study)
        if after.state == "failed":
            _set(connection, person, status="screened_out", finished_at=store.clock())
        elif after.state == "passed":
            _assign(store, connection, person, row)
        person, row = _entered(store, connection, token)
        return _standing(connection, person, row)


def serve(store: Store, token: str, position: int) -> TrialView:
    """Note that the clip of a position is shown now; from then on it may be rated in time.

    Only the first position without a rating is served. A second call (a reload, another tab) keeps
    the first time.
    """
    with store.writing() as connection:
        person, row = _entered(store, connection, token)
        if person.status != "trials":
            raise Refused("step", "This listener is not in the trials.")
        view = _standing(connection, person, row).trial
        if view is None or not _is_whole(position) or position != view.position:
            raise Refused("step", "This is not the clip that comes now.")
        if not view.served:
            _open_or_refuse(row)
            connection.execute(
                queries.SERVE, {"who": person.id, "at": position, "now": store.clock()}
            )
        return TrialView(
            view.position, view.positions, view.practice, view.media, view.seconds, True
        )


def rate(
    store: Store,
    token: str,
    position: int,
    score: int,
    *,
    plays: int,
    seconds_played: float,
    response_seconds: float,
) -> Standing:
    """Store a rating, once for each position.

    Refused unless the clip was served, as much time as must be played has passed since by the
    server's own clock, the page says it was played, and the score is on the scale. The same score
    again is fine, another one is a conflict. Also taken while a study is paused or closed: the clip
    was served before.
    """
    with store.writing() as connection:
        person, row = _entered(store, connection, token)
        _check_rating(row.study, position, score, plays, seconds_played, response_seconds)
        given = connection.execute(queries.GIVEN, {"who": person.id, "at": position}).first()
        if given is None or given.served_at is None:
            raise Refused("not_served", "This clip was not shown to this listener.")
        if given.score is not None:
            if given.score != score:
                raise Refused("conflict", "This clip has another rating already.")
            return _standing(connection, person, row)
        needed = row.study.played * given.seconds
        if store.clock() - given.served_at < needed:
            raise Refused("too_early", "The clip cannot have been played yet.")
        if plays < 1 or seconds_played < needed:
            raise Refused("not_played", "The clip must be played before it is rated.")
        values = {
            "participant_id": person.id,
            "position": position,
            "score": score,
            "plays": plays,
            "seconds_played": float(seconds_played),
            "response_seconds": float(response_seconds),
            "rated_at": store.clock(),
        }
        connection.execute(queries.RATE, values)
        if _first_unrated(connection, person) == row.study.positions:
            asked = bool(row.study.questions)
            _set(
                connection,
                person,
                status="questions" if asked else "done",
                **({} if asked else {"finished_at": store.clock()}),
            )
            person, row = _entered(store, connection, token)
        return _standing(connection, person, row)


def answer_question(store: Store, token: str, key: str, text: str) -> Standing:
    """Store the answer to a question of the study; free text may be empty."""
    with store.writing() as connection:
        person, row = _entered(store, connection, token)
        asked = next((q for q in row.study.questions if q.key == key), None)
        if asked is None:
            raise Refused("value", "The study has no such question.")
        if not isinstance(text, str) or len(text) > MAX_TEXT:
            raise Refused("value", f"An answer has at most {MAX_TEXT} characters.")
        if asked.options and text not in asked.options:
            raise Refused("value", "This answer is none of the choices.")
        if person.status not in ("questions", "done"):
            raise Refused("step", "The questions come after the trials.")
        text = _storable(text)
        said = _answers(connection, person)
        if key in said:
            if said[key] != text:
                raise Refused("conflict", "This question has another answer already.")
            return _standing(connection, person, row)
        connection.execute(
            insert(schema.answer).values(
                participant_id=person.id, question=key, text=text, answered_at=store.clock()
            )
        )
        if {*said, key} == {q.key for q in row.study.questions}:
            _set(connection, person, status="done", finished_at=store.clock())
        person, row = _entered(store, connection, token)
        return _standing(connection, person, row)


def may_fetch(store: Store, token: str, media: str) -> bool:
    """Whether this listener may load a file now: clips up to the next one, own screening sounds."""
    with store.reading() as connection:
        person = _person(connection, token, lock=False)
        if not _MEDIA.fullmatch(media):
            return False
        row = store.load(connection, person.study_id)
        if person.status == "screening":
            view = _standing(connection, person, row).screening
            return view is not None and media == view.media
        if person.status != "trials":
            return False
        reached = _first_unrated(connection, person)
        table = schema.assignment
        found = connection.execute(
            select(table.c.position).where(
                table.c.participant_id == person.id,
                table.c.position <= reached + 1,
                table.c.stimulus_id == media.removesuffix(".mp4"),
            )
        )
        return media.endswith(".mp4") and found.first() is not None


def _storable(value: Any) -> Any:
    """A JSON value whose texts every database and file takes: no NUL, no half of a surrogate pair."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_storable(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable(item) for item in value]
    return value


def _person(connection: Connection, token: str, *, lock: bool) -> Row[Any]:
    if not isinstance(token, str) or not 16 <= len(token) <= MAX_TOKEN:
        raise Refused("unknown", "This link is not valid.")
    wanted = queries.PERSON_LOCKED if lock else queries.PERSON
    found = connection.execute(wanted, {"token": token_hash(token)}).first()
    if found is None:
        raise Refused("unknown", "This link is not valid.")
    return found


def _entered(
    store: Store, connection: Connection, token: str, *, must_be_open: bool = False
) -> tuple[Row[Any], StudyRow]:
    """The participant, locked until the transaction ends, and the study."""
    person = _person(connection, token, lock=True)
    row = store.load(connection, person.study_id)
    if must_be_open:
        _open_or_refuse(row)
    return person, row


def _open_or_refuse(row: StudyRow) -> None:
    if row.status != "open":
        raise Refused("closed", f"The listening test is {row.status} at the moment.")


def _set(connection: Connection, person: Row[Any], **values: Any) -> None:
    table = schema.participant
    connection.execute(update(table).where(table.c.id == person.id).values(**values))


def _progress(connection: Connection, person: Row[Any], study: Study) -> Progress:
    table = schema.screening
    answers = [
        Answered(row.stage, row.attempt, row.trial, bool(row.correct))
        for row in connection.execute(select(table).where(table.c.participant_id == person.id))
    ]
    return progress(study.level, answers)


def _sounds(person: Row[Any], row: StudyRow, now: Progress) -> tuple[ScreeningSound, ...]:
    assert now.stage is not None
    return draw(row.sounds, now.stage, person.seed, now.attempt)


def _assign(store: Store, connection: Connection, person: Row[Any], row: StudyRow) -> None:
    """Draw the session, one listener at a time so that everybody sees the others' counts."""
    connection.execute(
        select(schema.study.c.id).where(schema.study.c.id == row.study.name).with_for_update()
    ).all()
    counts = _counts(connection, row.study.name, store.clock() - ABANDONED_SECONDS)
    trials = assign(row.study, row.stimuli, counts, person.seed)
    connection.execute(
        insert(schema.assignment),
        [
            {
                "participant_id": person.id,
                "position": trial.position,
                "role": trial.role,
                "stimulus_id": trial.stimulus.id,
                "repeat_of": trial.repeat_of,
            }
            for trial in trials
        ],
    )
    _set(connection, person, status="trials", assigned_at=store.clock())


def _counts(connection: Connection, study: str, since: float) -> dict[str, int]:
    """How often each clip was rated, or given out lately, by listeners who are not excluded."""
    person, given, out = schema.participant, schema.assignment, schema.exclusion
    latest = select(func.max(out.c.id).label("id")).group_by(out.c.participant_id).scalar_subquery()
    excluded = select(out.c.participant_id).where(out.c.id.in_(latest), out.c.excluded)
    wanted = (
        select(given.c.stimulus_id, func.count())
        .select_from(
            given.join(person).outerjoin(
                schema.rating,
                and_(
                    schema.rating.c.participant_id == given.c.participant_id,
                    schema.rating.c.position == given.c.position,
                ),
            )
        )
        .where(
            person.c.study_id == study,
            person.c.id.not_in(excluded),
            given.c.role != "repeat",
            schema.rating.c.score.is_not(None) | (person.c.assigned_at > since),
        )
        .group_by(given.c.stimulus_id)
    )
    return {stimulus: int(number) for stimulus, number in connection.execute(wanted)}


def _first_unrated(connection: Connection, person: Row[Any]) -> int:
    """The position that comes now. Positions are rated in order, so it is their number, unless a
    rating could not be restored: then that trial comes again."""
    count, last = connection.execute(queries.RATED_UNTIL, {"who": person.id}).one()
    if not count or last == count - 1:
        return int(count)
    table = schema.rating
    mine = select(table.c.position).where(table.c.participant_id == person.id)
    rated = set(connection.execute(mine).scalars())
    return next(position for position in range(last + 1) if position not in rated)


def _answers(connection: Connection, person: Row[Any]) -> dict[str, str]:
    table = schema.answer
    found = connection.execute(select(table).where(table.c.participant_id == person.id))
    return {row.question: row.text for row in found}


def _standing(connection: Connection, person: Row[Any], row: StudyRow) -> Standing:
    base = (row.study.name, person.code, person.status, row.status == "open")
    if person.status == "screening":
        now = _progress(connection, person, row.study)
        if now.stage is None:
            return Standing(*base)
        rule = next(r for r in stages(row.study.level) if r.stage == now.stage)
        media = _sounds(person, row, now)[now.trial].media
        view = ScreeningView(now.stage, now.attempt, now.trial, rule.trials, media, rule.choices)
        return Standing(*base, screening=view)
    if person.status == "trials":
        return _in_trials(connection, person, row, base)
    if person.status == "questions":
        said = _answers(connection, person)
        left = tuple(q.key for q in row.study.questions if q.key not in said)
        return Standing(*base, unanswered=left)
    done = person.status == "done"
    return Standing(*base, completion=person.completion if done else None)


def _in_trials(
    connection: Connection, person: Row[Any], row: StudyRow, base: tuple[str, str, Any, bool]
) -> Standing:
    position = _first_unrated(connection, person)
    between = {"who": person.id, "first": position, "last": position + 1}
    found = connection.execute(queries.TRIALS, between).all()
    clips = {s.id: s for s in row.stimuli}
    now = clips[found[0].stimulus_id]
    view = TrialView(
        position,
        row.study.positions,
        found[0].role == "practice",
        now.media,
        now.seconds,
        found[0].served_at is not None,
    )
    upcoming = clips[found[1].stimulus_id].media if len(found) > 1 else None
    return Standing(*base, trial=view, upcoming=upcoming)


def _check_rating(
    study: Study,
    position: int,
    score: int,
    plays: int,
    seconds_played: float,
    response_seconds: float,
) -> None:
    if not _is_whole(position) or not 0 <= position < study.positions:
        raise Refused("value", "There is no such position.")
    if not _is_whole(score) or score not in study.scores:
        raise Refused("value", f"A score is a whole number in 1..{len(study.labels)}.")
    if not _is_whole(plays) or not 0 <= plays <= 10_000:
        raise Refused("value", "The number of plays is a whole number in 0..10000.")
    for value in (seconds_played, response_seconds):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1e6:
            raise Refused("value", "Times are seconds in 0..1000000.")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
