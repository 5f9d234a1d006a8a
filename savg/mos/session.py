"""The rules of a listener's session; the server enforces all of them, the page none.

consent → screening → trials (practice first) → questions → done. The token of the link is the only
credential. Saving is idempotent: the same value again is accepted, a different one is a conflict. A
function that returns without error has stored its change on the disk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from savg.errors import SavgError, is_whole
from savg.mos.storage.listener import ListenerRecord
from savg.mos.storage.store import Store
from savg.mos.study.assignment import assign
from savg.mos.study.design import Study
from savg.mos.study.screening import (
    RULES,
    Progress,
    ScreeningAnswer,
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
"""Clips assigned but not rated within this time count as not assigned."""


class RequestRejected(SavgError):
    """A request against the rules; the page acts on `reason`."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason: Reason = reason


@dataclass(frozen=True)
class ScreeningView:
    """The current screening trial; `trial` and `attempt` count from 0."""

    stage: str
    attempt: int
    trial: int
    trials: int
    media: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class TrialView:
    """The current clip as far as a page may know it. `seconds` is the clip's length."""

    position: int
    positions: int
    practice: bool
    media: str
    seconds: float
    served: bool


@dataclass(frozen=True)
class SessionState:
    """The state of a listener's session. `trial` is the current clip, `upcoming` the media name of the
    one after it, to be loaded early; `completion` is the code of a finished session."""

    study: str
    code: str
    step: Step
    open: bool
    screening: ScreeningView | None = None
    trial: TrialView | None = None
    upcoming: str | None = None
    unanswered: tuple[str, ...] = ()
    completion: str | None = None


def session_state(store: Store, token: str) -> SessionState:
    """The state of the listener with this token; RequestRejected("unknown") for an unknown token."""
    with _reading(store, token) as listener:
        return _state(listener)


def consent(store: Store, token: str, device: Mapping[str, Any]) -> SessionState:
    """Store the consent and the device's description; screening begins."""
    try:
        text = json.dumps(_storable(dict(device)), ensure_ascii=True, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        raise RequestRejected("value", "Device must be texts and numbers.") from None
    if len(text) > MAX_DEVICE:
        raise RequestRejected(
            "value", f"The device's description must have at most {MAX_DEVICE} characters."
        )
    with _writing(store, token, must_be_open=True) as listener:
        if listener.status == "invited":
            listener.update("screening", device=text, consented_at=store.clock())
        return _state(listener)


def answer_screening(
    store: Store, token: str, stage: str, attempt: int, trial: int, answer: str
) -> SessionState:
    """Store the answer to the current screening trial, and judge a stage that is complete."""
    valid = all(is_whole(number) and 0 <= number < 1000 for number in (attempt, trial))
    if not valid or stage not in list(RULES):
        raise RequestRejected("value", "There is no such screening trial.")
    with _writing(store, token, must_be_open=True) as listener:
        stored = listener.screening_answer(stage, attempt, trial)
        if stored is not None:
            if stored != answer:
                raise RequestRejected(
                    "conflict", "This screening trial has another answer already."
                )
            return _state(listener)
        if listener.status != "screening":
            raise RequestRejected("step", "This listener is not in the screening.")
        answers = listener.screening_answers()
        level = listener.study.study.level
        now = progress(level, answers)
        if (stage, attempt, trial) != (now.stage, now.attempt, now.trial) or now.stage is None:
            raise RequestRejected("step", "This is not the current screening trial.")
        choices = RULES[now.stage].choices
        if answer not in choices:
            raise RequestRejected("value", f"Answer must be one of {', '.join(choices)}.")
        sound = _screening_sounds(listener, now)[now.trial]
        judged = ScreeningAnswer(now.stage, now.attempt, now.trial, answer == sound.answer)
        listener.add_screening_answer(judged, sound.id, answer, store.clock())
        outcome = progress(level, [*answers, judged]).state
        if outcome == "failed":
            listener.update("screened_out", finished_at=store.clock())
        elif outcome == "passed":
            used = listener.use_of_clips(since=store.clock() - ABANDONED_SECONDS)
            trials = assign(listener.study.study, listener.study.stimuli, used, listener.seed)
            listener.assign(trials, store.clock())
        return _state(listener)


def serve(store: Store, token: str, position: int) -> TrialView:
    """Store that the clip of a position is shown now; it may be rated once it can have been played.

    Only the first position without a rating is served. A second call (a reload, another tab) does not
    change the stored time.
    """
    with _writing(store, token) as listener:
        if listener.status != "trials":
            raise RequestRejected("step", "This listener is not in the trials.")
        view = _state(listener).trial
        if view is None or not is_whole(position) or position != view.position:
            raise RequestRejected("step", "This is not the current clip.")
        if not view.served:
            _require_open(listener)
            listener.serve(position, store.clock())
        return replace(view, served=True)


def rate(
    store: Store,
    token: str,
    position: int,
    score: int,
    *,
    plays: int,
    seconds_played: float,
    response_seconds: float,
) -> SessionState:
    """Store the rating of a position; ratings of clips served before a pause are accepted during it.

    Args:
        score: on the study's scale, from 1.
        plays, seconds_played: how often and how long the page played the clip.
        response_seconds: from the first end of the clip to the answer.

    Raises:
        RequestRejected: the clip was not served ("not_served"), by the server's clock it cannot have
            been played since ("too_early"), the page did not play it ("not_played"), a value is out
            of range ("value"), or the position has another score ("conflict").
    """
    with _writing(store, token) as listener:
        study = listener.study.study
        _check_rating(study, position, score, plays, seconds_played, response_seconds)
        trial = listener.trial(position)
        if trial is None or trial.served_at is None:
            raise RequestRejected("not_served", "This clip was not shown to this listener.")
        if trial.score is not None:
            if trial.score != score:
                raise RequestRejected("conflict", "This clip has another rating already.")
            return _state(listener)
        needed = study.played * trial.seconds
        if store.clock() - trial.served_at < needed:
            raise RequestRejected("too_early", "The clip cannot have been played yet.")
        if plays < 1 or seconds_played < needed:
            raise RequestRejected("not_played", "The clip must be played before it is rated.")
        listener.add_rating(
            position=position,
            score=score,
            plays=plays,
            seconds_played=float(seconds_played),
            response_seconds=float(response_seconds),
            rated_at=store.clock(),
        )
        if listener.first_unrated() == study.positions:
            if study.questions:
                listener.update("questions")
            else:
                listener.update("done", finished_at=store.clock())
        return _state(listener)


def answer_question(store: Store, token: str, key: str, text: str) -> SessionState:
    """Store the answer to a question of the study; free text may be empty."""
    with _writing(store, token) as listener:
        questions = {q.key: q for q in listener.study.study.questions}
        question = questions.get(key) if isinstance(key, str) else None
        if question is None:
            raise RequestRejected("value", "The study has no such question.")
        if not isinstance(text, str) or len(text) > MAX_TEXT:
            raise RequestRejected("value", f"Answer must have at most {MAX_TEXT} characters.")
        if question.options and text not in question.options:
            options = ", ".join(question.options)
            raise RequestRejected("value", f"Answer must be one of {options}.")
        if listener.status not in ("questions", "done"):
            raise RequestRejected("step", "The questions come after the trials.")
        text = _storable(text)
        answers = listener.answers()
        if key in answers:
            if answers[key] != text:
                raise RequestRejected("conflict", "This question has another answer already.")
            return _state(listener)
        listener.add_answer(key, text, store.clock())
        if {*answers, key} == set(questions):
            listener.update("done", finished_at=store.clock())
        return _state(listener)


def may_fetch(store: Store, token: str, media: str) -> bool:
    """Whether this listener may load a file now: clips up to the next, the current screening sound."""
    with _reading(store, token) as listener:
        if not _MEDIA.fullmatch(media):
            return False
        if listener.status == "screening":
            view = _state(listener).screening
            return view is not None and media == view.media
        if listener.status != "trials" or not media.endswith(".mp4"):
            return False
        return listener.assigned_until(media.removesuffix(".mp4"), listener.first_unrated() + 1)


def _storable(value: Any) -> Any:
    """A JSON value with texts that any database and file takes: no NUL, no half surrogate pairs."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_storable(str(key)): _storable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable(item) for item in value]
    return value


@contextmanager
def _reading(store: Store, token: str) -> Iterator[ListenerRecord]:
    with store.listener(_checked_token(token)) as listener:
        yield _require_participant(listener)


@contextmanager
def _writing(store: Store, token: str, *, must_be_open: bool = False) -> Iterator[ListenerRecord]:
    """The listener, locked until the block ends; everything is stored then, or nothing."""
    with store.listener(_checked_token(token), write=True) as listener:
        listener = _require_participant(listener)
        if must_be_open:
            _require_open(listener)
        yield listener


def _checked_token(token: object) -> str:
    if not isinstance(token, str) or not 16 <= len(token) <= MAX_TOKEN:
        raise RequestRejected("unknown", "This link is not valid.")
    return token


def _require_participant(listener: ListenerRecord | None) -> ListenerRecord:
    if listener is None:
        raise RequestRejected("unknown", "This link is not valid.")
    return listener


def _require_open(listener: ListenerRecord) -> None:
    status = listener.study.status
    if status != "open":
        raise RequestRejected("closed", f"The listening test is {status} at the moment.")


def _screening_sounds(listener: ListenerRecord, now: Progress) -> tuple[ScreeningSound, ...]:
    assert now.stage is not None
    return draw(listener.study.sounds, now.stage, listener.seed, now.attempt)


def _state(listener: ListenerRecord) -> SessionState:
    study, status = listener.study.study, listener.status
    base = SessionState(study.name, listener.code, status, listener.study.status == "open")  # type: ignore[arg-type]
    if status == "screening":
        now = progress(study.level, listener.screening_answers())
        if now.stage is None:
            return base
        rule = next(r for r in stages(study.level) if r.stage == now.stage)
        media = _screening_sounds(listener, now)[now.trial].media
        view = ScreeningView(now.stage, now.attempt, now.trial, rule.trials, media, rule.choices)
        return replace(base, screening=view)
    if status == "trials":
        return _trial_state(listener, base)
    if status == "questions":
        answers = listener.answers()
        unanswered = tuple(q.key for q in study.questions if q.key not in answers)
        return replace(base, unanswered=unanswered)
    return replace(base, completion=listener.completion if status == "done" else None)


def _trial_state(listener: ListenerRecord, base: SessionState) -> SessionState:
    position = listener.first_unrated()
    trials = listener.trials(position, position + 1)
    clips = {s.id: s for s in listener.study.stimuli}
    clip = clips[trials[0].stimulus_id]
    view = TrialView(
        position,
        listener.study.study.positions,
        trials[0].role == "practice",
        clip.media,
        clip.seconds,
        trials[0].served_at is not None,
    )
    upcoming = clips[trials[1].stimulus_id].media if len(trials) > 1 else None
    return replace(base, trial=view, upcoming=upcoming)


def _check_rating(
    study: Study,
    position: int,
    score: int,
    plays: int,
    seconds_played: float,
    response_seconds: float,
) -> None:
    if not is_whole(position) or not 0 <= position < study.positions:
        raise RequestRejected(
            "value", f"Position must be a whole number in 0..{study.positions - 1}."
        )
    if not is_whole(score) or score not in study.scores:
        raise RequestRejected("value", f"Score must be a whole number in 1..{len(study.labels)}.")
    if not is_whole(plays) or not 0 <= plays <= 10_000:
        raise RequestRejected("value", "Number of plays must be a whole number in 0..10000.")
    for value in (seconds_played, response_seconds):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1e6:
            raise RequestRejected("value", "Times must be seconds in 0..1000000.")
