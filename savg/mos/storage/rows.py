"""Rows of a store as value types. Times are seconds since 1970 UTC, durations seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from savg.errors import SavgError
from savg.mos.study.design import Stimulus, Study
from savg.mos.study.screening import ScreeningSound

Status = Literal["open", "paused", "closed"]


class UnknownStudy(SavgError):
    """The store has no study of that name."""


@dataclass(frozen=True)
class Link:
    """A new participant: the code that organisers see, and the secret token of the link.

    The token is shown once: the store has only its hash.
    """

    code: str
    token: str


@dataclass(frozen=True)
class StudyRow:
    """A stored study; `levels` as `BuiltStimuli.summary` made them."""

    study: Study
    status: Status
    stimuli: tuple[Stimulus, ...]
    sounds: tuple[ScreeningSound, ...]
    levels: dict[str, Any]
    created_at: float


@dataclass(frozen=True)
class ParticipantRow:
    """A participant without the token; `screening` counts right answers and trials by stage and
    attempt, `excluded` and `reason` are those of the latest decision."""

    code: str
    status: str
    simulated: bool
    created_at: float
    consented_at: float | None
    finished_at: float | None
    rated: int
    screening: dict[str, list[tuple[int, int]]]
    excluded: bool
    reason: str
    device: dict[str, Any]
    answers: dict[str, str]


@dataclass(frozen=True)
class RatingRow:
    """One rating, with its clip and its place in the session."""

    participant: str
    position: int
    role: str
    condition: str
    clip: str
    stimulus: str
    kind: str
    expected: int | None
    repeat_of: int | None
    seconds: float
    score: int
    plays: int
    seconds_played: float
    response_seconds: float
    served_at: float
    rated_at: float
    simulated: bool = False


@dataclass(frozen=True)
class ExclusionRow:
    """One decision about a participant's data."""

    participant: str
    excluded: bool
    reason: str
    who: str
    decided_at: float
    simulated: bool = False
