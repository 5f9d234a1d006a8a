"""From lines of events back to rows of the database.

What the database has already is never changed: events that it lacks are added, and those that
contradict it are named. So the same lines may be merged again and again, and two servers that wrote
one dataset end up with the ratings of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from savg.mos.hub.journal import Event
from savg.mos.storage import schema
from savg.mos.storage.store import Store, StudyRow
from savg.mos.study.screening import Answered, progress

RANK = ("invited", "screening", "trials", "questions", "done", "screened_out")
"""Statuses of a participant; nobody goes back."""


@dataclass
class Merged:
    """How many events were added, and what did not fit, in sentences."""

    added: int = 0
    problems: list[str] = field(default_factory=list)


def merge(
    store: Store, name: str, lines: Mapping[str, Sequence[Event]], own: Sequence[Event] = ()
) -> Merged:
    """Add to a study what lines of its participants (by code) and its own tell and the database lacks.

    The study's status is taken over where the database turns out to be behind the lines.
    """
    result = Merged()
    decisions: list[tuple[Any, int, Event]] = []
    with store.writing() as connection:
        row = store.load(connection, name)
        for code in sorted(lines, key=lambda c: _number(lines[c])):
            one = _One(connection, row, code, lines[code], result)
            if one.enter():
                one.screening()
                one.trials()
                one.answers()
                one.status()
                decisions += one.decisions()
        table = schema.exclusion
        for _, person, event in sorted(decisions, key=lambda d: d[0]):
            result.added += 1
            connection.execute(
                insert(table).values(
                    participant_id=person,
                    excluded=event["excluded"],
                    reason=event["reason"],
                    who=event["who"],
                    decided_at=event["at"],
                )
            )
        _study(connection, name, own, result)
    return result


def _study(connection: Connection, name: str, own: Sequence[Event], result: Merged) -> None:
    table, runs = schema.study, schema.analysis
    wanted = select(runs.c.id).where(runs.c.study_id == name)
    stored = len(connection.execute(wanted).all())
    for event in sorted((e for e in own if e["event"] == "analysis"), key=lambda e: e["count"]):
        if event["count"] >= stored:
            result.added += 1
            names = ("software", "data_sha256", "settings", "result")
            values = {n: event[n] for n in names}
            connection.execute(insert(runs).values(study_id=name, run_at=event["at"], **values))
    told = [e["status"] for e in own if e["event"] == "study_status"]
    if told and result.added and told[-1] in ("open", "paused", "closed"):
        connection.execute(update(table).where(table.c.id == name).values(status=told[-1]))


def _number(events: Sequence[Event]) -> tuple[float, int]:
    """When somebody was invited, and the how-manieth that was."""
    for event in events:
        if event["event"] == "invited":
            return event["at"], event["number"]
    return float("inf"), 0


class _One:
    """One participant's lines on their way into the database."""

    def __init__(
        self,
        connection: Connection,
        study: StudyRow,
        code: str,
        events: Sequence[Event],
        result: Merged,
    ) -> None:
        self.connection, self.study, self.code, self.result = connection, study, code, result
        self.by_kind: dict[str, list[Event]] = {}
        for event in events:
            self.by_kind.setdefault(event["event"], []).append(event)
        self.person = 0

    def problem(self, sentence: str) -> None:
        self.result.problems.append(f"Participant {self.code}: {sentence}")

    def first(self, kind: str) -> Event | None:
        return next(iter(self.by_kind.get(kind, ())), None)

    def add(self, table: Any, **values: Any) -> None:
        self.connection.execute(insert(table).values(participant_id=self.person, **values))
        self.result.added += 1

    def row(self) -> Row[Any]:
        table = schema.participant
        return self.connection.execute(select(table).where(table.c.id == self.person)).one()

    def set(self, **values: Any) -> None:
        table = schema.participant
        self.connection.execute(update(table).where(table.c.id == self.person).values(**values))

    def enter(self) -> bool:
        """Find or make the participant; False where that cannot be."""
        table, invited = schema.participant, self.first("invited")
        if not self.whole():
            self.problem(
                "the line of the session's clips is missing or another study's, so nothing was "
                "restored."
            )
            return False
        mine = table.c.study_id == self.study.study.name, table.c.code == self.code
        found = self.connection.execute(select(table).where(*mine)).first()
        if found is None and invited is None:
            self.problem("the line of the invitation is missing, so nothing could be restored.")
            return False
        if found is None and invited is not None:
            same = select(table.c.id).where(table.c.token_sha256 == invited["token_sha256"])
            if self.connection.execute(same).first():
                self.problem("the link is another participant's, so nothing was restored.")
                return False
            made = self.connection.execute(
                insert(table).values(
                    study_id=self.study.study.name,
                    token_sha256=invited["token_sha256"],
                    code=self.code,
                    seed=invited["seed"],
                    status="invited",
                    simulated=invited["simulated"],
                    device="{}",
                    completion=invited["completion"],
                    created_at=invited["at"],
                )
            )
            self.person = made.inserted_primary_key[0]  # type: ignore[index]
            self.result.added += 1
        else:
            assert found is not None
            self.person = found.id
            if invited is not None and invited["token_sha256"] != found.token_sha256:
                self.problem("the database has another link, so nothing was taken over.")
                return False
        if (agreed := self.first("consent")) and self.row().consented_at is None:
            self.set(device=agreed["device"], consented_at=agreed["at"])
            self.result.added += 1
        return True

    def whole(self) -> bool:
        """Whether what comes after the screening, if it was passed, can be restored."""
        heard = [
            Answered(e["stage"], e["attempt"], e["trial"], e["correct"])
            for e in self.by_kind.get("screening", ())
        ]
        passed = progress(self.study.study.level, heard).state == "passed"
        later = {"served", "rating", "answer"} & set(self.by_kind)
        return not (passed or later) or self.assigned() is not None

    def assigned(self) -> Event | None:
        """The session's clips, if all are the study's own."""
        event = self.first("assigned")
        if event is None:
            return None
        known = {s.id for s in self.study.stimuli}
        for position, trial in enumerate(event["trials"]):
            if not isinstance(trial, list) or len(trial) != 4 or trial[0] != position:
                return None
            if not isinstance(trial[1], str) or trial[2] not in known:
                return None
        return event if len(event["trials"]) == self.study.study.positions else None

    def screening(self) -> None:
        """Answers to screening sounds."""
        table = schema.screening
        stored = {
            (r.stage, r.attempt, r.trial): r.answer
            for r in self.connection.execute(
                select(table).where(table.c.participant_id == self.person)
            )
        }
        sounds = {s.id for s in self.study.sounds}
        for event in self.by_kind.get("screening", ()):
            place = event["stage"], event["attempt"], event["trial"]
            if place in stored:
                if stored[place] != event["answer"]:
                    self.problem(f"screening trial {place} has another answer in the database.")
                continue
            if event["sound"] not in sounds:
                self.problem(f"screening trial {place} has a sound that the study does not have.")
                continue
            self.add(
                table,
                stage=event["stage"],
                attempt=event["attempt"],
                trial=event["trial"],
                sound_id=event["sound"],
                answer=event["answer"],
                correct=event["correct"],
                answered_at=event["at"],
            )

    def trials(self) -> None:
        """The session's clips, when they were shown, and their ratings."""
        table, event = schema.assignment, self.assigned()
        wanted = select(table).where(table.c.participant_id == self.person)
        rows = self.connection.execute(wanted.order_by(table.c.position)).all()
        if not rows and event is not None:
            for position, role, stimulus, repeat_of in event["trials"]:
                values = {"position": position, "role": role, "repeat_of": repeat_of}
                self.add(table, stimulus_id=stimulus, **values)
            self.set(assigned_at=event["at"])
            rows = self.connection.execute(wanted.order_by(table.c.position)).all()
        elif event is not None and [r.stimulus_id for r in rows] != [t[2] for t in event["trials"]]:
            self.problem("the database has other clips for the session, so its ratings stay out.")
            return
        unserved = {r.position for r in rows if r.served_at is None}
        for shown in self.by_kind.get("served", ()):
            if shown["position"] in unserved:
                self.connection.execute(
                    update(table)
                    .where(table.c.participant_id == self.person)
                    .where(table.c.position == shown["position"])
                    .values(served_at=shown["at"])
                )
                self.result.added += 1
        self.ratings(len(rows))

    def ratings(self, positions: int) -> None:
        """Ratings of clips of the session."""
        table = schema.rating
        stored = {
            r.position: r.score
            for r in self.connection.execute(
                select(table.c.position, table.c.score).where(table.c.participant_id == self.person)
            )
        }
        for event in self.by_kind.get("rating", ()):
            position, score = event["position"], event["score"]
            if position in stored:
                if stored[position] != score:
                    self.problem(f"trial {position} has another rating in the database.")
            elif not 0 <= position < positions or score not in self.study.study.scores:
                self.problem(f"the rating {score} of trial {position} is not of this study.")
            else:
                names = ("position", "score", "plays", "seconds_played", "response_seconds")
                self.add(table, **{n: event[n] for n in names}, rated_at=event["at"])

    def answers(self) -> None:
        """Answers to the questions at the end."""
        table = schema.answer
        stored = {
            r.question: r.text
            for r in self.connection.execute(
                select(table).where(table.c.participant_id == self.person)
            )
        }
        for event in self.by_kind.get("answer", ()):
            if event["question"] not in stored:
                self.add(
                    table, question=event["question"], text=event["text"], answered_at=event["at"]
                )
            elif stored[event["question"]] != event["text"]:
                self.problem(f"{event['question']} has another answer in the database.")

    def status(self) -> None:
        """How far the participant is: what was noted, and what follows from the rest."""
        row, ended = self.row(), self.first("status")
        reached = row.status
        implied, at = self.implied()
        noted = [(ended["status"], ended["at"])] if ended else []
        for status, when in [*noted, (implied, at)]:
            if status in RANK and RANK.index(status) > RANK.index(reached):
                reached = status
                over = status in ("done", "screened_out")
                self.set(status=status, finished_at=when if over else row.finished_at)

    def implied(self) -> tuple[str, float]:
        """The least status with which all that is stored makes sense."""
        person, study = self.row(), self.study.study
        rated, given, said = (
            self.connection.execute(
                select(table).where(table.c.participant_id == self.person)
            ).all()
            for table in (schema.rating, schema.assignment, schema.answer)
        )
        if given and len(rated) == len(given):
            if {q.key for q in study.questions} <= {a.question for a in said}:
                return "done", max([r.rated_at for r in rated] + [a.answered_at for a in said])
            return "questions", 0.0
        if given:
            return "trials", 0.0
        return ("screening" if person.consented_at is not None else "invited"), 0.0

    def decisions(self) -> list[tuple[tuple[float, int], int, Event]]:
        """Exclusions that the database lacks, to be stored in the order of all participants."""
        table = schema.exclusion
        stored = self.connection.execute(
            select(table).where(table.c.participant_id == self.person).order_by(table.c.id)
        ).all()
        found = []
        for event in sorted(self.by_kind.get("exclusion", ()), key=lambda e: e["count"]):
            if event["count"] < len(stored):
                mine = stored[event["count"]]
                if (mine.excluded, mine.reason) != (event["excluded"], event["reason"]):
                    self.problem(f"decision {event['count']} is another in the database.")
            else:
                found.append(((event["at"], event["number"]), self.person, event))
        return found
