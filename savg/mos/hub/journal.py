"""What is stored of a participant as lines of JSON that are only ever added to.

One file a participant: `{"n": 1, "event": "invited", …, "sum": "…"}`. Lines are derived from the rows
of the database, so that saving a rating knows nothing of them. `n` counts from 1 and `sum` is a digest
of the line's own words: a line that was changed, or left out, is found. Tokens are in no line, their
SHA-256 is. Times are seconds since 1970.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from savg.mos.storage import schema

Event = dict[str, Any]

NUMBER = (int, float)

FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "invited": {
        "token_sha256": str,
        "seed": int,
        "simulated": bool,
        "completion": str,
        "number": int,
        "at": NUMBER,
    },
    "consent": {"device": str, "at": NUMBER},
    "screening": {
        "stage": str,
        "attempt": int,
        "trial": int,
        "sound": str,
        "answer": str,
        "correct": bool,
        "at": NUMBER,
    },
    "assigned": {"trials": list, "at": NUMBER},
    "served": {"position": int, "at": NUMBER},
    "rating": {
        "position": int,
        "score": int,
        "plays": int,
        "seconds_played": NUMBER,
        "response_seconds": NUMBER,
        "at": NUMBER,
    },
    "answer": {"question": str, "text": str, "at": NUMBER},
    "status": {"status": str, "at": NUMBER},
    "exclusion": {
        "count": int,
        "number": int,
        "excluded": bool,
        "reason": str,
        "who": str,
        "at": NUMBER,
    },
    "study_status": {"count": int, "status": str, "at": NUMBER},
    "analysis": {
        "count": int,
        "software": str,
        "data_sha256": str,
        "settings": str,
        "result": str,
        "at": NUMBER,
    },
}
"""Event → its fields; the last two are of the study itself.

`trials` are [position, role, stimulus, repeat_of] in order.
"""

IDENTITY = {
    "screening": ("stage", "attempt", "trial"),
    "served": ("position",),
    "rating": ("position",),
    "answer": ("question",),
    "status": ("status",),
    "exclusion": ("count",),
    "study_status": ("count",),
    "analysis": ("count",),
}
"""What tells events of one kind apart; the other kinds happen once."""

ORDER = tuple(FIELDS)

Key = tuple[Hashable, ...]


def key_of(event: Mapping[str, Any]) -> Key:
    """What the event is about: it happens once for each participant."""
    kind = event["event"]
    return (kind, *(event[name] for name in IDENTITY.get(kind, ())))


def events_of(connection: Connection, study: str) -> dict[str, list[Event]]:
    """Everything stored of each participant, by code, in the order it happened."""
    person = schema.participant
    people = connection.execute(
        select(person).where(person.c.study_id == study).order_by(person.c.id)
    ).all()
    codes = {row.id: row.code for row in people}
    found: dict[str, list[Event]] = {row.code: _own(row) for row in people}
    for table, made in _MAKERS.items():
        mine = select(person.c.id).where(person.c.study_id == study)
        wanted = select(table).where(table.c.participant_id.in_(mine)).order_by(*table.primary_key)
        rows: dict[int, list[Any]] = defaultdict(list)
        for row in connection.execute(wanted):
            rows[row.participant_id].append(row)
        for number, own in rows.items():
            found[codes[number]] += made(own)
    assigned = {row.code: row.assigned_at for row in people}
    for code, events in found.items():
        for event in events:
            if event["event"] == "assigned":
                event["at"] = assigned[code] or 0.0
        events.sort(key=lambda e: (float(e["at"]), ORDER.index(e["event"])))
    return found


def study_events(
    connection: Connection, study: str, told: Sequence[Event], now: float
) -> list[Event]:
    """Events of the study itself: its analyses, and its status where `told` ends with another."""
    table, runs = schema.study, schema.analysis
    found: list[Event] = [
        {
            "event": "analysis",
            "count": count,
            "software": r.software,
            "data_sha256": r.data_sha256,
            "settings": r.settings,
            "result": r.result,
            "at": r.run_at,
        }
        for count, r in enumerate(
            connection.execute(select(runs).where(runs.c.study_id == study).order_by(runs.c.id))
        )
    ]
    status = connection.execute(select(table.c.status).where(table.c.id == study)).scalar_one()
    statuses = [e for e in told if e["event"] == "study_status"]
    if not statuses or statuses[-1]["status"] != status:
        found.append({"event": "study_status", "count": len(statuses), "status": status, "at": now})
    return found


def _own(row: Any) -> list[Event]:
    made: list[Event] = [
        {
            "event": "invited",
            "token_sha256": row.token_sha256,
            "seed": row.seed,
            "simulated": bool(row.simulated),
            "completion": row.completion,
            "number": row.id,
            "at": row.created_at,
        }
    ]
    if row.consented_at is not None:
        made.append({"event": "consent", "device": row.device, "at": row.consented_at})
    if row.finished_at is not None:
        made.append({"event": "status", "status": row.status, "at": row.finished_at})
    return made


def _screening(rows: Sequence[Any]) -> list[Event]:
    return [
        {
            "event": "screening",
            "stage": r.stage,
            "attempt": r.attempt,
            "trial": r.trial,
            "sound": r.sound_id,
            "answer": r.answer,
            "correct": bool(r.correct),
            "at": r.answered_at,
        }
        for r in rows
    ]


def _assignment(rows: Sequence[Any]) -> list[Event]:
    trials = [[r.position, r.role, r.stimulus_id, r.repeat_of] for r in rows]
    served = [
        {"event": "served", "position": r.position, "at": r.served_at}
        for r in rows
        if r.served_at is not None
    ]
    return [{"event": "assigned", "trials": trials, "at": 0.0}, *served]


def _rating(rows: Sequence[Any]) -> list[Event]:
    return [
        {
            "event": "rating",
            "position": r.position,
            "score": r.score,
            "plays": r.plays,
            "seconds_played": r.seconds_played,
            "response_seconds": r.response_seconds,
            "at": r.rated_at,
        }
        for r in rows
    ]


def _answer(rows: Sequence[Any]) -> list[Event]:
    return [
        {"event": "answer", "question": r.question, "text": r.text, "at": r.answered_at}
        for r in rows
    ]


def _exclusion(rows: Sequence[Any]) -> list[Event]:
    return [
        {
            "event": "exclusion",
            "count": count,
            "number": r.id,
            "excluded": bool(r.excluded),
            "reason": r.reason,
            "who": r.who,
            "at": r.decided_at,
        }
        for count, r in enumerate(rows)
    ]


_MAKERS = {
    schema.screening: _screening,
    schema.assignment: _assignment,
    schema.rating: _rating,
    schema.answer: _answer,
    schema.exclusion: _exclusion,
}


@dataclass
class Lines:
    """What a file of lines holds: its events, the number of its last line, and what is wrong with it
    in sentences. Lines that are wrong stay in the file."""

    events: list[Event] = field(default_factory=list)
    last: int = 0
    ended: bool = True
    problems: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path, owner: str, name: str) -> Lines:
        """The lines of a file; none if there is no file. owner: whose they are, as in `write`;
        name: how sentences call the file."""
        found = cls()
        data = path.read_bytes() if path.is_file() else b""
        found.ended = not data or data.endswith(b"\n")
        seen: set[int] = set()
        for place, raw in enumerate(data.split(b"\n"), 1):
            if raw.strip():
                event = _checked(raw, owner)
                if isinstance(event, str):
                    found.problems.append(f"{name}, line {place} {event}: it was left out.")
                elif event["n"] not in seen:
                    seen.add(event.pop("n"))
                    found.events.append(event)
        numbers = sorted(seen)
        found.last = max(numbers[-1] if numbers else 0, data.count(b"\n"))
        broken = len(found.problems)
        missing = (numbers[-1] if numbers else 0) - len(numbers)
        if missing > broken:
            found.problems.append(
                f"{name} lacks {missing - broken} of its lines: the dataset's history has them."
            )
        return found

    def missing(self, events: Iterable[Event]) -> list[Event]:
        """Those that no line tells."""
        told = {key_of(event) for event in self.events}
        return [event for event in events if key_of(event) not in told]

    def write(self, path: Path, owner: str, events: Sequence[Event]) -> None:
        """Add lines to the file, and to what is known of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "" if self.ended else "\n"
        for event in events:
            self.last += 1
            text += line_of({"n": self.last, **event}, owner) + "\n"
        with path.open("a", encoding="ascii") as stream:
            stream.write(text)
        self.ended = True
        self.events += events


def line_of(event: Mapping[str, Any], owner: str) -> str:
    """An event with its sum."""
    text = json.dumps(event, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f'{text[:-1]},"sum":"{_sum(text, owner)}"}}'


def _sum(text: str, owner: str) -> str:
    return hashlib.sha256(f"{owner}\n{text}".encode()).hexdigest()[:16]


def _checked(raw: bytes, owner: str) -> Event | str:
    """The event of a line with its number, or what is wrong with it."""
    try:
        event = json.loads(raw, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return "is not JSON"
    if not isinstance(event, dict) or event.get("event") not in FIELDS:
        return "is no event of a listening test"
    told = event.pop("sum", None)
    text = json.dumps(event, ensure_ascii=True, separators=(",", ":"))
    if told != _sum(text, owner):
        return "was changed after it was written"
    fields = FIELDS[event["event"]]
    if set(event) != {"n", "event", *fields} or not _is(event["n"], int):
        return "does not have the fields of its event"
    for name, kind in fields.items():
        if not _is(event[name], kind):
            return f"has {name} of a wrong type"
    return event


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _is(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
