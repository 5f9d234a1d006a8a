"""What listeners can and cannot do, request by request, on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest

from benchmarks.mos_kills import pass_screening, sample_study
from savg.mos import session
from savg.mos.session import RequestRejected, SessionState, TrialView
from savg.mos.storage.store import Store


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Session:
    """A store with one listener who has passed the screening."""

    def __init__(self, url: str) -> None:
        self.clock = Clock()
        self.store = Store(url, self.clock)
        self.study = sample_study(self.store, "s")
        self.row = self.store.study("s")
        self.link = self.store.invite("s")[0]
        self.token = self.link.token
        pass_screening(self.store, self.token, self.row)

    def serve(self, position: int) -> TrialView:
        return session.serve(self.store, self.token, position)

    def rate(self, position: int, score: int = 3, **said: float) -> SessionState:
        values = {"plays": 1, "seconds_played": 5.0, "response_seconds": 1.0, **said}
        return session.rate(self.store, self.token, position, score, **values)  # type: ignore[arg-type]

    def through(self, position: int) -> None:
        """Rate everything before a position."""
        now = session.session_state(self.store, self.token)
        while now.trial is not None and now.trial.position < position:
            self.serve(now.trial.position)
            self.clock.now += 6.0
            now = self.rate(now.trial.position)


@pytest.fixture
def visit(url: str) -> Session:
    return Session(url)


def refused(reason: str, call: Callable[[], object]) -> None:
    with pytest.raises(RequestRejected) as caught:
        call()
    assert caught.value.reason == reason, caught.value


def test_a_whole_study_from_link_to_completion_code(visit: Session) -> None:
    store, token = visit.store, visit.token
    now = session.session_state(store, token)
    assert now.step == "trials" and now.trial is not None and now.trial.practice
    served = []
    while now.trial is not None:
        trial = visit.serve(now.trial.position)
        assert trial.media == now.trial.media and trial.positions == 59
        upcoming = now.upcoming
        visit.clock.now += 5.0
        served.append(trial.media)
        now = visit.rate(trial.position)
        if now.trial is not None:
            assert now.trial.media == upcoming
    assert len(served) == 59 and upcoming is None
    assert now.step == "questions" and now.unanswered == ("hearing", "remarks")
    assert now.completion is None
    session.answer_question(store, token, "remarks", "")
    end = session.answer_question(store, token, "hearing", "no")
    assert end.step == "done" and end.completion and len(end.completion) == 10
    assert session.session_state(store, token) == end
    (person,) = store.participants("s")
    assert person.status == "done" and person.rated == 59 and person.finished_at is not None
    assert person.answers == {"remarks": "", "hearing": "no"}
    assert person.screening == {"channels": [(4, 4)], "volume": [(1, 1)], "huggins": [(6, 6)]}
    assert [r.stimulus + ".mp4" for r in store.ratings("s")] == served


def test_nothing_that_a_page_sees_tells_the_condition(visit: Session) -> None:
    seen = {f.name for f in fields(TrialView)} | {f.name for f in fields(SessionState)}
    assert not seen & {"condition", "clip", "kind", "scene", "role", "expected", "answer", "seed"}
    visit.through(5)
    shown = repr(session.session_state(visit.store, visit.token))
    for word in ("joint", "two_stage", "ground_truth", "swapped", "mono", "catch", "repeat"):
        assert word not in shown


def test_a_rating_needs_a_served_clip_and_real_time(visit: Session) -> None:
    refused("not_served", lambda: visit.rate(0))
    visit.serve(0)
    for later in (0.0, 4.7):
        visit.clock.now = 1000.0 + later
        refused("too_early", lambda: visit.rate(0))
    visit.clock.now = 1004.76
    refused("not_played", lambda: visit.rate(0, seconds_played=4.7))
    refused("not_played", lambda: visit.rate(0, plays=0))
    refused("not_served", lambda: visit.rate(1))
    now = visit.rate(0)
    assert now.trial is not None and now.trial.position == 1
    assert len(visit.store.ratings("s")) == 1


def test_only_the_clip_that_comes_now_is_served(visit: Session) -> None:
    for position in (1, 58, -1, True, "0", 10**12, None):
        refused("step", lambda p=position: visit.serve(p))
    first = visit.serve(0)
    visit.clock.now += 4.0
    assert visit.serve(0) == first, "a reload keeps the first time"
    visit.clock.now += 1.0
    visit.rate(0)
    refused("step", lambda: visit.serve(0))


def test_the_same_rating_again_is_fine_and_another_is_not(visit: Session) -> None:
    visit.serve(0)
    visit.clock.now += 5.0
    first = visit.rate(0, 4)
    assert visit.rate(0, 4) == first
    assert visit.rate(0, 4, plays=3) == first
    refused("conflict", lambda: visit.rate(0, 5))
    (row,) = visit.store.ratings("s")
    assert row.score == 4 and row.plays == 1 and row.rated_at == 1005.0


@pytest.mark.parametrize("score", [0, 6, -1, 3.0, "3", None, True, 10**30, float("nan")])
def test_scores_off_the_scale_are_refused(visit: Session, score: object) -> None:
    visit.serve(0)
    visit.clock.now += 5.0
    refused("value", lambda: visit.rate(0, score))  # type: ignore[arg-type]
    assert visit.store.ratings("s") == []


@pytest.mark.parametrize(
    "values",
    [
        {"plays": -1},
        {"plays": 1.5},
        {"plays": 10**9},
        {"seconds_played": float("nan")},
        {"seconds_played": float("inf")},
        {"seconds_played": "5"},
        {"response_seconds": -1.0},
        {"response_seconds": None},
        {"response_seconds": 1e300},
    ],
)
def test_forged_numbers_are_refused(visit: Session, values: dict[str, float]) -> None:
    visit.serve(0)
    visit.clock.now += 5.0
    refused("value", lambda: visit.rate(0, **values))
    for position in (-1, 59, 10**20, "0", True):
        refused("value", lambda p=position: visit.rate(p))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "token", ["", "x", "a" * 32, "a" * 10_000, "' OR 1=1 --" * 3, "\x00" * 32, "\udc80" * 32, None]
)
def test_guessed_tokens_open_nothing(visit: Session, token: str) -> None:
    store = visit.store
    refused("unknown", lambda: session.session_state(store, token))
    refused("unknown", lambda: session.consent(store, token, {}))
    refused("unknown", lambda: session.serve(store, token, 0))
    refused("unknown", lambda: session.may_fetch(store, token, "x.mp4"))
    refused("unknown", lambda: session.answer_question(store, token, "remarks", ""))


def test_nobody_rates_for_somebody_else(visit: Session) -> None:
    other = visit.store.invite("s")[0]
    pass_screening(visit.store, other.token, visit.row)
    visit.serve(0)
    visit.clock.now += 5.0
    refused(
        "not_served",
        lambda: session.rate(
            visit.store, other.token, 0, 3, plays=1, seconds_played=5, response_seconds=1
        ),
    )


def test_files_are_fetched_only_when_allowed(visit: Session) -> None:
    store, token = visit.store, visit.token
    now = session.session_state(store, token)
    assert now.trial is not None and now.upcoming is not None
    assert session.may_fetch(store, token, now.trial.media)
    assert session.may_fetch(store, token, now.upcoming)
    everything = {s.media for s in visit.row.stimuli} | {s.media for s in visit.row.sounds}
    allowed = {m for m in everything if session.may_fetch(store, token, m)}
    assert allowed == {now.trial.media, now.upcoming}
    for wrong in ("../study.sqlite", "study.json", "", now.trial.media + "/..", "%2e%2e"):
        assert not session.may_fetch(store, token, wrong)
    stranger = store.invite("s")[0].token
    assert not any(session.may_fetch(store, stranger, m) for m in everything)
    begun = session.consent(store, stranger, {})
    assert begun.screening is not None
    assert {m for m in everything if session.may_fetch(store, stranger, m)} == {
        begun.screening.media
    }


def answer_wrong(store: Store, token: str, stage: str, visit: Session) -> SessionState:
    """Answer a whole attempt at a stage wrong, everything before it right."""
    answers = {s.media: s.answer for s in visit.row.sounds}
    now = session.session_state(store, token)
    begun = False
    while now.screening is not None and not (begun and now.screening.trial == 0):
        at = now.screening
        if at.stage == stage and not begun:
            begun = True
        right = answers[at.media]
        wrong = next((c for c in at.choices if c != right), right)
        values = wrong if begun else right
        now = session.answer_screening(store, token, at.stage, at.attempt, at.trial, values)
    return now


def test_screening_failed_twice_ends_the_test(visit: Session) -> None:
    store = visit.store
    link = store.invite("s")[0]
    session.consent(store, link.token, {"agent": "test"})
    retry = answer_wrong(store, link.token, "huggins", visit)
    assert retry.screening is not None and retry.screening.attempt == 1
    end = answer_wrong(store, link.token, "huggins", visit)
    assert end.step == "screened_out" and end.trial is None and end.completion is None
    refused("step", lambda: session.serve(store, link.token, 0))
    refused("step", lambda: session.answer_question(store, link.token, "remarks", "x"))
    person = store.participants("s")[-1]
    assert person.status == "screened_out" and person.screening["huggins"] == [(0, 6), (0, 6)]
    assert person.device == {"agent": "test"}


def test_screening_goes_in_order_and_takes_one_answer_each(visit: Session) -> None:
    store = visit.store
    token = store.invite("s")[0].token
    refused("step", lambda: session.answer_screening(store, token, "channels", 0, 0, "left"))
    now = session.consent(store, token, {})
    assert session.consent(store, token, {}) == now
    for stage, attempt, trial in (("channels", 0, 1), ("channels", 1, 0), ("huggins", 0, 0)):
        refused(
            "step",
            lambda s=stage, a=attempt, t=trial: session.answer_screening(
                store, token, s, a, t, "left"
            ),
        )
    refused("value", lambda: session.answer_screening(store, token, "channels", 0, 0, "up"))
    after = session.answer_screening(store, token, "channels", 0, 0, "left")
    assert session.answer_screening(store, token, "channels", 0, 0, "left") == after
    refused("conflict", lambda: session.answer_screening(store, token, "channels", 0, 0, "right"))


def test_a_pause_stops_new_clips_but_takes_ratings_of_served_ones(visit: Session) -> None:
    store = visit.store
    visit.serve(0)
    visit.clock.now += 5.0
    store.set_status("s", "paused")
    assert not session.session_state(store, visit.token).open
    visit.rate(0)
    refused("closed", lambda: visit.serve(1))
    waiting = store.invite("s")[0].token
    refused("closed", lambda: session.consent(store, waiting, {}))
    store.set_status("s", "open")
    assert visit.serve(1).served


def test_answers_are_checked_and_stored_as_text(visit: Session) -> None:
    store, token = visit.store, visit.token
    refused("step", lambda: session.answer_question(store, token, "remarks", "early"))
    visit.through(59)
    refused("value", lambda: session.answer_question(store, token, "salary", "x"))
    refused("value", lambda: session.answer_question(store, token, "hearing", "a little"))
    refused("value", lambda: session.answer_question(store, token, "remarks", "x" * 4001))
    refused("value", lambda: session.answer_question(store, token, "remarks", 3))  # type: ignore[arg-type]
    script = "<script>alert(1)</script>\x00 =1+1 \U0001f600 \udc80"
    first = session.answer_question(store, token, "remarks", script)
    assert session.answer_question(store, token, "remarks", script) == first
    refused("conflict", lambda: session.answer_question(store, token, "remarks", "other"))
    assert store.participants("s")[0].answers["remarks"] == (
        "<script>alert(1)</script> =1+1 \U0001f600 ?"
    )


def test_an_overlong_device_is_refused(visit: Session) -> None:
    link = visit.store.invite("s")[0]
    refused("value", lambda: session.consent(visit.store, link.token, {"agent": "x" * 5000}))
    odd = {"agent": "a\x00b\udc80\U0001f600"}
    assert session.consent(visit.store, link.token, odd).step == "screening"


def test_a_killed_server_continues_at_the_same_trial(visit: Session, url: str) -> None:
    visit.through(7)
    visit.serve(7)
    before = session.session_state(visit.store, visit.token)
    visit.store.close()
    visit.store = Store(url, visit.clock)
    assert session.session_state(visit.store, visit.token) == before
    visit.clock.now += 5.0
    after = visit.rate(7)
    assert after.trial is not None and after.trial.position == 8


def test_clips_of_excluded_and_vanished_listeners_are_assigned_again(visit: Session) -> None:
    def heard() -> set[str]:
        with visit.store.listener(visit.link.token) as listener:
            assert listener is not None
            return set(listener.use_of_clips(visit.clock.now - session.ABANDONED_SECONDS))

    assert len(heard()) == 3 + 51 + 2
    visit.through(20)
    rated = {r.stimulus for r in visit.store.ratings("s") if r.role != "repeat"}
    visit.clock.now += session.ABANDONED_SECONDS + 1
    assert heard() == rated
    visit.store.exclude("s", visit.link.code, True, "asleep", "ann")
    assert heard() == set()
    visit.store.exclude("s", visit.link.code, False, "awake after all", "ann")
    assert heard() == rated
