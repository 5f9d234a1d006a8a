"""Progress of a running listening test, for its organiser; no results.

Times are seconds since 1970 UTC, durations seconds. Simulated listeners count only while there are no
real ones, as in the analysis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from savg.mos.results.flags import Flag, flags_of, repeated
from savg.mos.storage.rows import ParticipantRow, RatingRow, StudyRow
from savg.mos.storage.store import Store
from savg.mos.study.design import Study

STEPS = {
    "invited": "not begun",
    "screening": "in screening",
    "trials": "in trials",
    "questions": "at the questions",
    "done": "done",
    "screened_out": "screened out",
}
"""A participant's steps, and their names for organisers."""

AWAY_SECONDS = 600.0
"""Time without a rating after which a listener counts as away."""

PAUSE_SECONDS = 120.0
"""A longer time between two ratings counts as a break."""

THINKING_SECONDS = 4.0
"""Assumed time between clips before the first ratings."""


@dataclass(frozen=True)
class Person:
    """A participant with the quantities of the rules: right and all catch trials, mean absolute
    difference and number of repeats, the commonest score and its share, median seconds from a
    clip's end to its rating, mean plays, the time of the last rating, and expected seconds left."""

    row: ParticipantRow
    ratings: tuple[RatingRow, ...]
    flags: tuple[Flag, ...]
    catch: tuple[int, int]
    repeats: tuple[float | None, int]
    common: tuple[int, float] | None
    response: float | None
    plays: float | None
    last: float | None
    left: float | None
    away: bool

    @property
    def minutes(self) -> float | None:
        """Minutes from the consent to the end."""
        begin, end = self.row.consented_at, self.row.finished_at
        return None if begin is None or end is None else (end - begin) / 60


@dataclass(frozen=True)
class Coverage:
    """Ratings of a condition: their number, its clips, and least, median and most of a clip."""

    name: str
    trials: int
    ratings: int
    clips: int
    least: int
    middle: float
    most: int
    unrated: int


@dataclass(frozen=True)
class Progress:
    """The present state of a study; `left`: seconds until all present listeners are done, or None."""

    row: StudyRow
    people: tuple[Person, ...]
    simulated: bool
    steps: dict[str, int]
    excluded: int
    flagged: int
    ratings: int
    expected: int
    coverage: tuple[Coverage, ...]
    left: float | None

    @property
    def apart(self) -> int:
        """Number of simulated participants that do not count, beside real ones."""
        return sum(p.row.simulated for p in self.people) if not self.simulated else 0


def progress_of(store: Store, name: str) -> Progress:
    """The present state of a study; UnknownStudy if there is none."""
    row = store.study(name)
    return progress_from(row, store.participants(name), store.ratings(name), store.clock())


def progress_from(
    row: StudyRow, people: Sequence[ParticipantRow], ratings: Sequence[RatingRow], now: float
) -> Progress:
    """The state of a study from its stored rows at time `now`."""
    by_person: dict[str, list[RatingRow]] = {p.code: [] for p in people}
    for rating in ratings:
        by_person.setdefault(rating.participant, []).append(rating)
    pace = _pace(list(by_person.values()), row)
    persons = tuple(_person(p, by_person[p.code], row.study, pace, now) for p in people)
    simulated = bool(people) and all(p.simulated for p in people)
    counted = [p for p in persons if p.row.simulated == simulated]
    steps = Counter(p.row.status for p in counted)
    included = {p.row.code for p in counted if not p.row.excluded}
    begun = [p for p in counted if p.row.status in ("trials", "questions", "done")]
    left = [p.left for p in counted if p.left is not None and not p.away]
    return Progress(
        row,
        persons,
        simulated,
        {step: steps[step] for step in STEPS},
        sum(p.row.excluded for p in counted),
        sum(bool(p.flags) and bool(p.row.rated) and not p.row.excluded for p in counted),
        sum(p.row.rated for p in counted),
        row.study.positions * len(begun),
        _coverage(row, [r for r in ratings if r.participant in included]),
        max(left, default=None),
    )


def _person(
    person: ParticipantRow, rows: Sequence[RatingRow], study: Study, pace: float, now: float
) -> Person:
    catch = [r for r in rows if r.role == "catch"]
    apart = [abs(a.score - b.score) for a, b in repeated(rows)]
    tests = [r for r in rows if r.role == "test"]
    common = None
    if tests:
        score, number = Counter(r.score for r in tests).most_common(1)[0]
        common = score, number / len(tests)
    last = max((r.rated_at for r in rows), default=None)
    own = _gaps(rows)
    left = None
    if person.status == "trials":
        left = (study.positions - person.rated) * (median(own) if len(own) >= 5 else pace)
    since = last if last is not None else person.consented_at
    return Person(
        person,
        tuple(rows),
        flags_of(study.flags, rows, person.screening),
        (sum(r.score == r.expected for r in catch), len(catch)),
        (fmean(apart) if apart else None, len(apart)),
        common,
        median(r.response_seconds for r in tests) if tests else None,
        fmean(r.plays for r in tests) if tests else None,
        last,
        left,
        since is not None and now - since > AWAY_SECONDS,
    )


def _gaps(rows: Sequence[RatingRow]) -> list[float]:
    """Seconds from rating to rating of one listener, breaks left out."""
    times = sorted(r.rated_at for r in rows)
    return [b - a for a, b in pairwise(times) if b - a < PAUSE_SECONDS]


def _pace(sessions: Sequence[Sequence[RatingRow]], row: StudyRow) -> float:
    """Seconds of a trial: median over all listeners, else a clip's length and THINKING_SECONDS."""
    gaps = [gap for rows in sessions for gap in _gaps(rows)]
    if len(gaps) >= 5:
        return median(gaps)
    return median(s.seconds for s in row.stimuli) + THINKING_SECONDS


def _coverage(row: StudyRow, ratings: Sequence[RatingRow]) -> tuple[Coverage, ...]:
    ratings_by_clip = Counter(r.stimulus for r in ratings if r.role == "test")
    coverage = []
    for group in row.study.groups:
        counts = [ratings_by_clip[s.id] for s in row.stimuli if s.condition == group.name]
        coverage.append(
            Coverage(
                group.name,
                group.trials,
                sum(counts),
                len(counts),
                min(counts, default=0),
                median(counts) if counts else 0.0,
                max(counts, default=0),
                sum(count == 0 for count in counts),
            )
        )
    return tuple(coverage)
