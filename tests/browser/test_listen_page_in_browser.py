"""The listener's page in a headless browser: a whole study, and all that may come in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from listen_studies import CONDITIONS, Server, advance, make_study, tiny_study
from listen_visits import PATIENCE, UNLOCKED, Visit, shot
from playwright.sync_api import Browser, Route

from savg.mos import session
from savg.mos.study.design import standard
from savg.mos.study.folder import StudyFolder

Visits = Callable[..., Visit]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(root, tmp_path_factory.mktemp("log") / "serve.log")
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def tiny(root: Path) -> Iterator[StudyFolder]:
    study = make_study(root / "tiny", tiny_study("tiny"))
    yield study
    study.store.close()


@pytest.fixture
def visits(browser: Browser, server: Server) -> Iterator[Visits]:
    made: list[Visit] = []

    def visit(study: StudyFolder, **window: Any) -> Visit:
        made.append(Visit(browser, server, study, **window))
        return made[-1]

    yield visit
    for each in made:
        each.leave()


@pytest.mark.slow
def test_a_whole_study_with_reloads_kills_and_a_lost_network(
    root: Path, server: Server, visits: Visits
) -> None:
    """Clips with repeats, catch trials, practice and a break, after a screening that is passed.

    The fewest clips that have a break: each takes its time by the clock.
    """
    design = standard("whole", CONDITIONS, trials=24, anchor_trials=0, level="remote")
    study = make_study(root / "whole", design)
    assert design.trials == 24 and design.positions == 32 and design.break_after == 16
    visit = visits(study)
    visit.arrive()
    visit.agree()
    visit.wait_for("set-up channels")
    assert visit.screening() == "practice"
    scores = []
    for position in range(design.positions):
        if visit.shown() in ("practice", "trials", "break"):
            assert position in (0, design.practice, design.break_after + 1)
            visit.onward()
            visit.wait_for("trial")
        elif position == 8:
            visit.page.reload()
            visit.wait_for("trial")
            visit.page.keyboard.press(" ")
        elif position == 24:
            visit.page.click("button:has-text('Pause'), button:has-text('Play')")
            visit.page.reload()
            visit.wait_for("trial")
            visit.page.keyboard.press(" ")
        number = position - design.practice + 1
        assert visit.heading() == (
            f"Practice clip {position + 1} of 3" if number < 1 else f"Clip {number} of 29"
        )
        scores.append(1 + (position * 7) % 5)
        visit.rate(scores[-1])
        if position == 12:
            _killed_and_back(visit)
        elif position == 20:
            _killed_and_opened_again(visit)
        elif position == 28:
            _offline(visit)
        else:
            visit.go()
    assert visit.scores() == scores
    visit.wait_for("questions")
    visit.page.check("input[value='rather not say']")
    visit.page.fill("textarea", "=SUM(A1) <script>alert(1)</script> ümläut")
    visit.page.reload()
    visit.wait_for("questions")
    assert visit.page.input_value("textarea").endswith("ümläut"), "a draft survives a reload"
    visit.onward()
    visit.wait_for("done")
    completion = session.session_state(study.store, visit.link.token).completion
    assert completion and visit.page.inner_text("#completion") == completion
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.onward()
    visit.page.wait_for_selector("button:has-text('Copied')")
    assert visit.page.evaluate("navigator.clipboard.readText()") == completion
    visit.arrive()
    assert visit.page.inner_text("#completion") == completion, "the link shows it again"
    rows = study.store.ratings("whole")
    assert all(r.plays >= 1 and r.rated_at - r.served_at >= 0.475 for r in rows)
    assert all(0.475 <= r.seconds_played < 10 for r in rows)
    answers = study.store.participants("whole")[0].answers
    assert answers["remarks"] == "=SUM(A1) <script>alert(1)</script> ümläut"
    assert visit.page.evaluate("JSON.stringify(localStorage)") == "{}", "nothing stays behind"


def _killed_and_back(visit: Visit) -> None:
    """The server dies before a rating reaches it; the page waits for it."""
    visit.server.kill()
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector("#notice:has-text('Connection lost')")
    shot(visit.page, "lost")
    before = visit.heading()
    visit.server.start()
    visit.page.wait_for_function(
        "before => document.querySelector('h1').textContent !== before", arg=before
    )
    visit.page.wait_for_selector("#notice", state="hidden")


def _killed_and_opened_again(visit: Visit) -> None:
    """The server dies, the window is closed, and opened again once the server is back."""
    visit.server.kill()
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector("#notice:has-text('Connection lost')")
    position = len(visit.scores())
    storage = visit.page.evaluate("JSON.stringify(localStorage)")
    assert "rating" in storage and visit.link.token not in storage
    visit.page.close()
    visit.server.start()
    visit.page = visit.window()
    visit.arrive()
    visit.wait_for("trial")
    assert len(visit.scores()) == position + 1, "what was not sent is sent before anything else"
    visit.page.keyboard.press(" ")


def _offline(visit: Visit) -> None:
    visit.context.set_offline(True)
    before = visit.heading()
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector("#notice:has-text('Connection lost')")
    visit.context.set_offline(False)
    visit.page.wait_for_function(
        "before => document.querySelector('h1').textContent !== before", arg=before
    )


def test_a_screening_that_is_failed_ends_kindly(tiny: StudyFolder, visits: Visits) -> None:
    visit = visits(tiny)
    visit.arrive()
    visit.agree()
    visit.wait_for("set-up channels/0")
    assert visit.screening(wrong=True) == "out"
    assert visit.heading() == "Thank you for your time"
    assert visit.status() == "screened_out"
    assert visit.link.code in visit.page.inner_text("main")
    visit.arrive()
    assert visit.shown() == "out", "the link shows it again"


def test_by_keyboard_alone(tiny: StudyFolder, visits: Visits) -> None:
    visit = visits(tiny)
    visit.arrive()
    keys = visit.page.keyboard
    visit.wait_for("welcome")
    for key in ("Tab", "o", "Tab", "b", "Tab", "Tab", "Space", "Tab", "Enter"):
        keys.press(key)
    visit.wait_for("set-up channels")
    keys.press("Tab")
    keys.press("Enter")
    for trial in range(2):
        visit.wait_for(f"screening channels/0/{trial}")
        if not trial:
            visit.page.wait_for_selector(".sound:enabled")
            keys.press("Space")
        visit.page.wait_for_selector(UNLOCKED)
        answer = visit.right[visit.heard()]
        keys.press({"left": "ArrowLeft", "right": "ArrowRight", "centre": "2"}[answer])
        assert visit.page.locator("input:checked").input_value() == answer
        keys.press("Enter")
    visit.wait_for("screening channels/0/2")
    assert visit.study.store.participants("tiny")[-1].screening == {"channels": [(2, 2)]}
    advance(tiny.path, visit.link.token)
    visit.page.reload()
    visit.wait_for("practice")
    keys.press("Tab")
    keys.press("Enter")
    visit.wait_for("trial")
    visit.page.wait_for_selector(UNLOCKED)
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    keys.press("Space")
    visit.page.wait_for_function("() => document.querySelector('video').currentTime < 0.4")
    visit.page.wait_for_function("() => document.querySelector('video').ended")
    visit.go()
    assert visit.scores() == [4], "from the middle of the scale one to the right"
    row = next(r for r in tiny.store.ratings("tiny") if r.participant == visit.link.code)
    assert row.plays == 2 and 0.9 <= row.seconds_played <= 1.1


def test_a_phone_by_touch(tiny: StudyFolder, visits: Visits) -> None:
    window = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
    visit = visits(tiny, device_scale_factor=2, color_scheme="dark", **window)
    visit.arrive()
    visit.wait_for("welcome")
    _fits(visit, "phone-welcome")
    advance(tiny.path, visit.link.token, screening=False)
    visit.page.reload()
    visit.wait_for("set-up")
    _fits(visit, "phone-setup")
    visit.page.tap("button.primary")
    visit.wait_for("screening")
    _fits(visit, "phone-channels")
    advance(tiny.path, visit.link.token)
    visit.page.reload()
    visit.wait_for("practice")
    _fits(visit, "phone-practice")
    visit.page.tap("button.primary")
    visit.wait_for("trial")
    places = _places(visit)
    visit.page.wait_for_selector(UNLOCKED)
    visit.page.tap("fieldset.choices label:nth-of-type(4)")
    visit.page.tap("button.secondary")
    _fits(visit, "phone-trial")
    assert _places(visit) == places, "nothing jumps"
    bottom = visit.page.locator("button.primary").bounding_box()
    assert bottom and bottom["y"] + bottom["height"] <= 640, "all of it is on the screen"
    visit.page.set_viewport_size({"width": 740, "height": 360})
    _fits(visit, "phone-turned")
    bottom = visit.page.locator("button.primary").bounding_box()
    assert bottom and bottom["y"] + bottom["height"] <= 360, "turned as well"
    visit.page.tap("button.primary")
    visit.wait_for("trials")
    assert visit.scores() == [4]


def _places(visit: Visit) -> list[dict[str, float] | None]:
    names = ("h1", ".stage", ".question", "fieldset", ".hint", "button.primary")
    return [visit.page.locator(name).first.bounding_box() for name in names]


def _fits(visit: Visit, name: str) -> None:
    """Nothing is wider than the screen, and whatever can be touched is large enough for a thumb."""
    shot(visit.page, name)
    page = visit.page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for control in page.locator("button:visible, select, label.tick, .choices label, input").all():
        if control.get_attribute("type") in ("radio", "checkbox"):
            continue  # its label is what is touched
        box = control.bounding_box()
        assert box and box["height"] >= 44 and box["width"] >= 44, control.inner_text()


def test_two_windows_follow_the_server(tiny: StudyFolder, visits: Visits) -> None:
    visit = visits(tiny)
    advance(tiny.path, visit.link.token, ratings=2)
    visit.arrive()
    visit.wait_for_heading("Clip 2 of 6")
    other = visit.window()
    visit.arrive(other)
    visit.wait_for_heading("Clip 2 of 6", other)
    visit.page.click("button.secondary")
    visit.rate(2)
    visit.go()
    visit.wait_for_heading("Clip 3 of 6", other)
    visit.rate(5)
    advance_by_another_device(tiny, visit)
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_selector("#notice:has-text('another window')")
    visit.wait_for_heading("Clip 4 of 6")
    visit.wait_for_heading("Clip 4 of 6", other)
    assert visit.scores() == [3, 3, 2, 1], "the first answer counts, and none is doubled"


def advance_by_another_device(study: StudyFolder, visit: Visit) -> None:
    state = session.session_state(study.store, visit.link.token)
    assert state.trial is not None and state.trial.served
    session.rate(
        study.store, visit.link.token, state.trial.position, 1,
        plays=1, seconds_played=0.5, response_seconds=1.0,
    )  # fmt: skip


def test_only_real_playback_unlocks(tiny: StudyFolder, visits: Visits) -> None:
    visit = visits(tiny)
    advance(tiny.path, visit.link.token, ratings=2)
    visit.arrive()
    visit.wait_for("trial")
    page = visit.page
    page.wait_for_selector(".clip[data-state=ready]")
    page.keyboard.press("3")
    page.evaluate("document.querySelector('video').currentTime = 0.49")
    page.wait_for_timeout(500)
    page.evaluate("document.querySelector('video').play()")
    page.wait_for_selector(".clip[data-state=ended]")
    assert page.locator(UNLOCKED).count() == 0, "the end alone is not the clip"
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    assert visit.scores() == [3, 3]
    page.keyboard.press(" ")
    visit.rate(4)
    page.reload()
    page.wait_for_selector(UNLOCKED)
    assert page.locator("fieldset.choices input:checked").input_value() == "4"
    assert page.evaluate("document.querySelector('video').played.length") == 0
    visit.go()
    assert visit.scores() == [3, 3, 4], "what was heard and chosen survives a reload"


def test_a_rating_that_is_ahead_of_the_server_waits(tiny: StudyFolder, visits: Visits) -> None:
    """The note that a clip is shown is lost on the way: the rating follows it, in time."""
    visit = visits(tiny)
    advance(tiny.path, visit.link.token, ratings=2)
    lost, replies = [0], []

    def lose(route: Route) -> None:
        lost[0] += 1
        if lost[0] <= 2:
            route.abort()
        else:
            route.continue_()

    visit.page.route("**/api/serve", lose)
    visit.page.on("response", lambda r: replies.append(r.status) if "/rating" in r.url else None)
    visit.arrive()
    visit.page.wait_for_selector(".clip[data-state=ready]")
    visit.page.keyboard.press(" ")
    visit.rate(5)
    visit.go()
    assert visit.scores() == [3, 3, 5]
    assert replies[-1] == 200 and set(replies[:-1]) <= {409}


def test_a_hidden_page_does_not_play(tiny: StudyFolder, visits: Visits) -> None:
    visit = visits(tiny)
    advance(tiny.path, visit.link.token, ratings=2)
    visit.arrive()
    visit.page.wait_for_selector(".clip[data-state=ready]")
    hidden = """() => {
        const video = document.querySelector('video');
        Object.defineProperty(document, 'hidden', { value: true, configurable: true });
        video.addEventListener('playing', () => {
            window.began = true;
            document.dispatchEvent(new Event('visibilitychange'));
        }, { once: true });
        video.play(); }"""
    visit.page.evaluate(hidden)
    visit.page.wait_for_function("() => window.began && document.querySelector('video').paused")
    visit.page.wait_for_timeout(700)
    assert not visit.page.evaluate("document.querySelector('video').ended")
    assert visit.page.locator(UNLOCKED).count() == 0


def test_a_paused_study_waits(root: Path, visits: Visits) -> None:
    study = make_study(root / "paused", tiny_study("paused"))
    visit = visits(study)
    advance(study.path, visit.link.token, ratings=2)
    visit.arrive()
    visit.page.wait_for_selector(".clip[data-state=ready]")
    visit.page.keyboard.press(" ")
    visit.rate(4)
    study.store.set_status("paused", "paused")
    visit.go()
    assert visit.shown() == "paused", "a clip that was shown may be rated, the next one waits"
    assert visit.scores() == [3, 3, 4]
    shot(visit.page, "paused")
    study.store.set_status("paused", "open")
    visit.page.click("button.secondary")
    visit.wait_for("trial")
    study.store.close()


def test_wrong_links(tiny: StudyFolder, server: Server, browser: Browser) -> None:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    for end in ("tiny#" + "x" * 32, "tiny", "tiny#<b>ü", "none#" + "x" * 32):
        page.goto("about:blank")
        page.goto(f"{server.address}/listen/{end}")
        page.wait_for_selector("h1")
        assert page.inner_text("h1") == "This link does not work", end
        assert "not valid" in page.inner_text("main")
    page.close()
