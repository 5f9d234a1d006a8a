"""The queue of long work: places, estimates, limits; and thirty visitors at once over HTTP."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
import studio_fakes
from studio_visits import Visit, outputs, serving

from savg.errors import SavgError
from savg.studio import Studio, build
from savg.studio.shared import job_queue
from savg.studio.shared.guard.presence import Presence
from savg.studio.shared.job_queue import GRACE_SECONDS, VARIABLE, JobQueue, Place, per_address
from savg.web.addresses import PROXIES_VARIABLE

DEADLINE = 240.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_jobs_run_one_at_a_time_in_their_order() -> None:
    queue = JobQueue()
    first, second, third = (queue.join(name, name) for name in "abc")
    assert queue.poll(second) == Place(1) and queue.poll(third) == Place(2)
    assert queue.poll(first) is None and queue.running is first
    assert queue.poll(second) == Place(1)
    queue.leave(first)
    assert queue.poll(third) is not None and queue.poll(second) is None


def test_the_estimate_is_the_mean_of_recent_jobs_less_what_is_done() -> None:
    clock = Clock()
    queue = JobQueue(clock=clock)
    for seconds in (10, 30):
        ticket = queue.join("a", "a")
        assert queue.poll(ticket) is None
        clock.now += seconds
        queue.leave(ticket)
    running, next_one, last = (queue.join(name, name) for name in "abc")
    assert queue.poll(running) is None
    clock.now += 5
    assert queue.poll(next_one) == Place(1, 15.0) and queue.poll(last) == Place(2, 35.0)
    running.share = 0.5
    assert queue.poll(next_one) == Place(1, 5.0)
    assert Place(1, 5.0).words == "In the queue (position 2): about 5 s to wait …"
    assert Place(2, 61.0).words == "In the queue (position 3): about 2 min to wait …"


def test_a_session_has_one_waiting_job_and_an_address_a_few() -> None:
    queue = JobQueue(per_address=2)
    first = queue.join("a", "home")
    again = queue.join("a", "home")
    assert first.is_dropped and queue.waiting == [again]
    queue.join("b", "home")
    with pytest.raises(SavgError, match="2 jobs of your network"):
        queue.join("c", "home")
    queue.join("c", "elsewhere")
    assert [ticket.session for ticket in queue.waiting] == ["a", "b", "c"]


def test_all_together_are_bounded() -> None:
    queue = JobQueue(most=3)
    for number in range(3):
        queue.join(str(number), str(number))
    with pytest.raises(SavgError, match="3 jobs wait already"):
        queue.join("x", "x")


def test_jobs_without_a_page_are_passed_over_and_dropped() -> None:
    clock, listening = Clock(), {"here"}
    queue = JobQueue(lambda session: session in listening, clock=clock)
    gone, here = queue.join("gone", "a"), queue.join("here", "b")
    assert queue.poll(gone) is not None and queue.poll(here) is None
    clock.now += GRACE_SECONDS + 1
    queue.poll(gone)
    assert gone.is_dropped and queue.waiting == []


def test_a_page_is_present_while_it_is_open_and_away_from_then_on() -> None:
    clock = Clock()
    presence = Presence(clock)
    with presence.page("a"):
        clock.now += 500
        assert presence.away("a") == 0 and not presence.is_listening("a")
        with presence.listening("a"), presence.listening("a"):
            assert presence.is_listening("a")
        assert not presence.is_listening("a")
    clock.now += 20
    assert presence.away("a") == 20 and presence.away("never seen") == 0
    clock.now += 5
    assert presence.away("never seen") == 5


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "41", "４"])
def test_the_operators_number_is_checked(text: str) -> None:
    assert per_address({}) == job_queue.PER_ADDRESS and per_address({VARIABLE: "12"}) == 12
    with pytest.raises(SavgError, match=f"{VARIABLE} must be a whole number"):
        per_address({VARIABLE: text})


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setenv(PROXIES_VARIABLE, "127.0.0.1")
    return build(studio_fakes.services(seconds=0.005), datasets=())


def test_a_studio_that_nobody_visits_hardly_computes(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradio's loops look for events, and for progress, a twentieth as often as by themselves."""
    queue, usual, pauses = studio.blocks._queue, gr.Blocks()._queue.sleep_when_free, []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        queue.stopped = len(pauses) % 3 == 0

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "sleep", pause)
        for loop in (queue.start_processing, queue.start_progress_updates):
            queue.stopped = False
            asyncio.run(loop())
    assert len(pauses) == 6 and min(pauses) >= 20 * usual


def generate(visit: Visit, ends: list[dict[str, Any]], steps: int = 4) -> None:
    """Ask for a clip; the last state of the page is added to `ends`."""
    event = visit.event("savg-go")
    page: dict[str, Any] = {"texts": []}
    for message in visit.results(event, visit.values(event, savg_steps=steps)):
        if message["msg"] == "process_generating":
            page["texts"] += _texts(message)
        if message["msg"] == "process_completed":
            notice, progress, results, *_ = outputs(message)
            page |= {"state": progress["state"], "text": progress["text"]}
            page |= {"notice": (notice.get("value") or {}).get("text", "")}
            page |= {"clips": len((results or {}).get("clips") or [])}
    ends.append(page)


def _texts(message: dict[str, Any]) -> list[str]:
    """Texts of the progress in an update, which is whole or a list of changes."""
    progress = outputs(message)[1]
    if isinstance(progress, dict):
        return [progress["text"]]
    return [change[2] for change in progress if change[1] == ["text"]]


def all_at_once(visits: list[Visit]) -> list[dict[str, Any]]:
    ends: list[dict[str, Any]] = []
    threads = [threading.Thread(target=generate, args=(visit, ends)) for visit in visits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert len(ends) == len(visits), "somebody never got an end"
    return ends


def test_thirty_visitors_at_once_all_get_a_clip(studio: Studio) -> None:
    with serving(studio) as address:
        ends = all_at_once([Visit(address, f"192.0.2.{i}") for i in range(30)])
    assert [end["state"] for end in ends] == ["done"] * 30
    assert all(end["text"].startswith("Done: 1 clip") for end in ends)
    told = {text for end in ends for text in end["texts"]}
    assert any("(position 2): about" in text for text in told), told


def test_of_thirty_visitors_of_one_network_some_are_refused_clearly(studio: Studio) -> None:
    with serving(studio) as address:
        ends = all_at_once([Visit(address) for _ in range(30)])
        served = [end for end in ends if end["state"] == "done"]
        refused = [end for end in ends if end["state"] != "done"]
        assert len(served) >= job_queue.PER_ADDRESS and len(served) + len(refused) == 30
        for end in refused:
            assert "jobs of your network wait or run already" in end["notice"]
        later: list[dict[str, Any]] = []
        generate(Visit(address), later)
    assert later[0]["state"] == "done"


def test_requests_that_nobody_listens_to_lock_nobody_out(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many small POSTs of one address, without a page, for everything there is."""
    ran: list[str] = []
    load = studio.services.pipelines["fake"].load
    monkeypatch.setattr(type(load()), "__call__", _noting(type(load()).__call__, ran), raising=True)
    with serving(studio) as address:
        attacker = Visit(address, "198.51.100.7")
        statuses = []
        for number in range(150):
            attacker.session = f"attack{number}"
            event = attacker.event("savg-go")
            data = attacker.values(event, savg_steps=200, savg_count=8)
            statuses.append(attacker.join(event, data).status_code)
        assert set(statuses) <= {200, 429}
        ends: list[dict[str, Any]] = []
        began = time.monotonic()
        generate(Visit(address, "203.0.113.5"), ends)
        assert ends[0]["state"] == "done" and time.monotonic() - began < DEADLINE
    assert len(ran) == 1, "jobs without a page ran"


def _noting(call: Any, ran: list[str]) -> Any:
    def noted(*args: Any, **options: Any) -> Any:
        ran.append("ran")
        return call(*args, **options)

    return noted


def test_quick_handlers_answer_while_jobs_wait(studio: Studio) -> None:
    """A job runs, others wait, and a click on another control is answered before they end."""
    with serving(studio) as address:
        ends: list[dict[str, Any]] = []
        slow = [Visit(address, f"192.0.2.{i}") for i in range(3)]
        threads = [threading.Thread(target=generate, args=(visit, ends, 200)) for visit in slow]
        for thread in threads:
            thread.start()
        quick = Visit(address, "192.0.2.99")
        event = quick.event("savg-dice")
        message = quick.results(event, [])[-2]
        assert message["msg"] == "process_completed" and message["success"]
        assert isinstance(outputs(message)[0], int) and len(ends) < 3
        for thread in threads:
            thread.join(DEADLINE)
    assert [end["state"] for end in ends] == ["done"] * 3


def test_a_page_cannot_have_any_number_of_events_pending(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr("random.randrange", lambda most: release.wait(60) and 1)
    with serving(studio) as address:
        visit = Visit(address)
        event = visit.event("savg-dice")
        replies = [visit.join(event, []) for _ in range(20)]
        release.set()
    refused = [reply for reply in replies if reply.status_code != 200]
    assert 5 < len(refused) < 15
    assert all("wait for one to end" in reply.json()["detail"] for reply in refused)


def test_an_address_is_believed_from_named_proxies_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROXIES_VARIABLE, raising=False)
    studio = build(studio_fakes.services(seconds=0.005), datasets=())
    with serving(studio) as address:
        ends = all_at_once([Visit(address, f"192.0.2.{i}") for i in range(12)])
    assert any("of your network" in end["notice"] for end in ends)


def test_visitors_who_went_leave_nothing(studio: Studio) -> None:
    with serving(studio) as address:
        visit = Visit(address)
        ends: list[dict[str, Any]] = []
        generate(visit, ends)
        (path,) = visit.upload("a.mp4", b"x").json()
        assert studio.library.owners() == {visit.session}
        studio.context.clean_up(seconds=3600)
        assert studio.library.owners() == {visit.session}
        studio.context.clean_up(seconds=-1)
        assert studio.library.owners() == set()
        names = {entry.name for entry in studio.library.root.iterdir()}
        assert names <= {*studio.context.examples, "uploads"} and path.endswith("a.mp4")


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(job_queue, "GRACE_SECONDS", 3.0)
    yield
