"""The stage: a marker and a path, drawn, moved by keys and taken from a link, on directed weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
import studio_fakes
from conftest import ROOT, Visitor, served
from playwright.sync_api import expect

STAGE = "window.savgStages['savg-direction']"
VIEW = "#savg-view"
SOURCE = "window.savgPlayers['savg-view'].state().source"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A studio with a pipeline that takes no direction, and one that takes them."""
    folder = tmp_path_factory.mktemp("stage")
    studio_fakes.scene(0).write(folder / "examples" / "1_speaker_on_the_left.mp4")
    program = [str(ROOT / "tests" / "studio_fakes.py"), str(folder / "examples"), "directed"]
    with served(program, folder) as address:
        yield address


def drag(visitor: Visitor, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the picture from x, seconds to x, seconds."""
    page = visitor.page
    page.locator(".dir-picture").scroll_into_view_if_needed()
    area = page.locator(".dir-picture").bounding_box()

    def spot(x: float, seconds: float) -> tuple[float, float]:
        return area["x"] + area["width"] * x / 256, area["y"] + area["height"] * seconds / 5

    page.mouse.move(*spot(*start))
    page.mouse.down()
    page.mouse.move(*spot(*end), steps=8)
    page.mouse.up()


def generated(visitor: Visitor) -> str:
    """Generate; the query of the new clip's link."""
    page = visitor.page
    before = page.evaluate(SOURCE)
    page.locator("#savg-steps input[type=number]").fill("2")
    page.locator("#savg-go").click()
    page.wait_for_function(f"before => {SOURCE} !== before", arg=before)
    page.wait_for_function("!document.querySelector('#savg-go').disabled")
    link = page.locator(VIEW).get_by_role("button", name="Copy link")
    return urlsplit(str(link.get_attribute("title"))).query


def test_what_is_drawn_on_the_stage_is_generated_and_a_link_has_it(
    visitor: Visitor, studio: str
) -> None:
    page, stage = visitor.page, visitor.page.locator(".dir")
    state = page.evaluate(f"{STAGE}.state()")
    assert (
        state["off"] and state["refusal"] == "These joint weights were not trained with directions."
    )
    expect(stage.get_by_role("radio", name="Speech")).to_be_disabled()
    page.locator("#savg-pipeline input").click()
    page.get_by_role("option", name="Directed").click()
    page.wait_for_function(f"!{STAGE}.state().off")
    assert page.evaluate(f"{STAGE}.text()") == ""  # all is open: nothing is sent

    drag(visitor, (200, 2), (64, 3))  # the marker
    marker = stage.get_by_role("slider", name="Where the sound shall be")
    x = int(str(marker.get_attribute("aria-valuenow")))
    assert x == pytest.approx(64, abs=1)
    assert re.fullmatch(
        rf"x {x}, 3\d° to the left, from start to end", str(marker.get_attribute("aria-valuetext"))
    )
    page.keyboard.press("ArrowRight")  # it has the focus
    query = dict(parse_qsl(generated(visitor)))
    assert query["x_path"] == f"{x + 4}" and not query.keys() & {"say", "people", "strength"}

    stage.get_by_role("radio", name="A path").click()
    drag(visitor, (40, 0.05), (200, 5))  # a stroke from top to bottom
    moments = page.evaluate(f"{STAGE}.state().moments")
    (first, a), (last, b) = moments
    assert (first, last) == (0, 5) and (a, b) == pytest.approx((40, 200), abs=2)
    stage.get_by_role("button", name="Add a moment").click()  # by keys alone
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    assert page.evaluate(f"{STAGE}.state().moments") == [
        [0, a], [2.25, pytest.approx((a + b) / 2 - 5, abs=1)], [5, b],
    ]  # fmt: skip
    page.keyboard.press("Delete")
    stage.get_by_role("radio", name="Speech").click()
    stage.get_by_role("radio", name="1", exact=True).click()
    page.locator(".dir-more summary").click()
    stage.get_by_role("slider", name="Strength: Where").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    link = generated(visitor)
    asked = {"say": "speech", "x_path": f"{a},{b}", "people": "1", "strength": "x=2"}
    assert asked.items() <= dict(parse_qsl(link)).items()
    card = page.locator(".sv-card .sv-origin").first.inner_text()
    assert card == f"Directed, 2 steps, speech, x {a}→{b}, 1 person, strength x 2"
    assert (
        "--say speech --x-path 40,200 --people 1 --strength x=2"
        in page.locator(f"{VIEW} .sp-command").inner_text()
    )

    stage.get_by_role("button", name="Reset", exact=True).click()
    assert page.evaluate(f"{STAGE}.text()") == ""
    page.goto(f"{studio}/?{link}")  # the clip is there already, and the stage shows what was asked
    page.wait_for_function(f"window.savgStages && {STAGE}.state().moments.length === 2")
    state = page.evaluate(f"{STAGE}.state()")
    assert (state["say"], state["people"], state["strengths"]) == ("speech", 1, {"x": 2})
    assert state["moments"] == moments
    # Asked for once more as the link has it, it is the same clip.
    assert generated(visitor) == link


def test_a_finger_and_a_narrow_page(browser, studio: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    visitor = Visitor(context.new_page(), studio)
    visitor.page.goto(f"{studio}/?pipeline=directed&seed=1&steps=2&x=30")
    page = visitor.page
    page.wait_for_function(f"window.savgStages && {STAGE}.state().moments.length === 1")
    page.wait_for_selector(".sv-card")
    page.locator(".dir-picture").scroll_into_view_if_needed()
    area = page.locator(".dir-picture").bounding_box()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.touchscreen.tap(area["x"] + area["width"] * 0.75, area["y"] + area["height"] / 3)
    page.wait_for_function(f"{STAGE}.state().moments[0][1] === 192")
    context.close()
    assert visitor.off_host() == [] and visitor.problems == []
