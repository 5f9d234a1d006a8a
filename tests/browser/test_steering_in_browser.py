"""Boxes dragged over a video and an envelope drawn below it, in a real browser on stand-ins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import studio_fakes
from conftest import ROOT, Visitor, arrived, served
from playwright.sync_api import expect
from test_both_in_browser import DONE, RESOUND, open_video, person_film
from test_player_in_browser import DECODE
from test_studio_in_browser import alert
from videos import make_video

STEER = "window.savgSteers['savg-steer']"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A studio whose pipelines pan a video's audio, and make audio that is steered."""
    folder = tmp_path_factory.mktemp("steering")
    studio_fakes.scene(0).write(folder / "examples" / "1_speaker_on_the_left.mp4")
    program = [str(ROOT / "tests" / "studio_fakes.py"), str(folder / "examples"), "both"]
    with served(program, folder) as address:
        yield address


@pytest.fixture
def guest(open_page, studio: str) -> Iterator[Visitor]:
    visit = arrived(open_page(), studio)
    yield visit
    visit.page.close()
    assert visit.off_host() == [] and visit.problems == []


def law(x: float) -> float:
    """Left over right in dB of a box whose middle is at x of 0 … 256."""
    azimuth = np.arctan((128 - x) / 128 * np.tan(np.deg2rad(50)))
    return 20 * np.log10((1 + np.sin(azimuth)) / (1 - np.sin(azimuth)))


def steered(visitor: Visitor, path: Path, pipeline: str) -> None:
    """Open a video with a pipeline that follows a person, and wait for the editor."""
    page = visitor.page
    open_video(visitor, path)
    page.wait_for_function(
        "name => document.querySelector('#savg-resound-video input').value === name", arg=path.name
    )
    page.locator("#savg-resound-pipeline input").click()
    page.get_by_role("option", name=pipeline).click()
    page.wait_for_function(f"window.savgSteers && {STEER}.state().ready")
    page.wait_for_function("document.querySelector('.steer-stage video').readyState >= 2")


def drag_to(visitor: Visitor, x: float) -> None:
    """Drag the middle of the box to x of 0 … 256."""
    page = visitor.page
    page.locator(".steer-stage").scroll_into_view_if_needed()
    stage, box = (
        page.locator(".steer-stage").bounding_box(),
        page.locator(".steer-box").bounding_box(),
    )
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(stage["x"] + stage["width"] * x / 256, y, steps=3)
    page.mouse.up()


def made(visitor: Visitor) -> dict:
    """Make audio; its levels in dB."""
    page = visitor.page
    before = page.evaluate(f"{RESOUND}?.state().source")
    page.locator("#savg-resound-go").click()
    page.wait_for_function(
        f"before => {{ const s = {RESOUND}?.state(); return s && s.source !== before && s.ready; }}",
        arg=before,
    )
    return page.evaluate(DECODE, page.evaluate(f"{RESOUND}.state().source"))


def test_the_audio_follows_the_box_that_is_dragged(guest: Visitor, tmp_path: Path) -> None:
    page = guest.page
    steered(guest, person_film(tmp_path / "holiday.mp4", 0.5), "Pan")
    assert (
        page.locator("#savg-steer .steer-chip[aria-checked='true']").first.inner_text()
        == "Person 1"
    )
    assert not page.locator(".steer-loud").is_visible()
    for x, side in ((60.0, "left"), (196.0, "right")):
        drag_to(guest, x)
        state = page.evaluate(f"{STEER}.state()")
        middle = (state["box"][0] + state["box"][2]) / 2
        assert state["who"] == "drawn" and middle == pytest.approx(x, abs=2)
        expect(page.locator("#savg-steer .steer-side").first).to_contain_text(f"to the {side}")
        levels = made(guest)
        assert levels["left"] - levels["right"] == pytest.approx(law(middle), abs=1)
    command = page.locator("#savg-resound .sp-command").inner_text()
    assert "v2a holiday.mp4 --pipeline pan" in command and "--person boxes.json" in command
    assert page.locator("#savg-resound").get_by_role("link", name="Drawn boxes").count() == 1


def bottom(box: dict[str, float]) -> float:
    return box["y"] + box["height"]


def test_the_button_comes_after_what_it_uses(guest: Visitor) -> None:
    """On a phone below the editor; elsewhere at the foot of the settings, left of the editor."""
    page = guest.page
    page.get_by_role("tab", name="Video to audio").click()
    page.locator("#savg-resound-pipeline input").click()
    page.get_by_role("option", name="StereoSync").click()
    page.wait_for_function(f"window.savgSteers && {STEER}.state().ready")
    parts = ("#savg-resound-more", "#savg-steer", "#savg-resound-go")
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 850})
        settings, editor, button = (page.locator(part).bounding_box() for part in parts)
        assert settings and editor and button and bottom(settings) <= button["y"]
        if width < 800:
            assert bottom(settings) <= editor["y"] and bottom(editor) <= button["y"]
            assert editor["width"] > 300 and page.evaluate("document.body.scrollWidth") <= width
        else:
            assert button["x"] + button["width"] <= editor["x"]


def test_a_silent_video_gets_audio_with_a_drawn_envelope(guest: Visitor, tmp_path: Path) -> None:
    page = guest.page
    silent = make_video(tmp_path / "silent.mp4", seconds=2, width=320, height=180, fps=10, audio=False,
                        codecs=("libx264", "aac"))  # fmt: skip
    steered(guest, silent, "StereoSync")
    assert "no audio of its own" in page.evaluate(f"{STEER}.state().hint")
    words = page.locator("#savg-resound-words")  # these weights take none, and it says so
    expect(words.locator("textarea, input").first).to_be_disabled()
    expect(words).to_contain_text("words need weights trained with CLAP")
    page.locator("#savg-resound-go").click()
    assert "“silent” has no audio of its own: draw an envelope" in alert(
        guest, "#savg-resound-notice"
    )
    page.get_by_role("button", name="Add an onset").click()  # by keys alone
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    page.locator(".steer-curve").scroll_into_view_if_needed()
    curve = page.locator(".steer-curve").bounding_box()
    spot = curve["x"] + curve["width"] / 2, curve["y"] + curve["height"] / 4
    page.mouse.click(*spot)
    onsets = page.evaluate(f"{STEER}.state().onsets")
    assert onsets[0] == [0.1, -19] and onsets[1] == pytest.approx([1, -15], abs=0.5)
    page.mouse.click(*spot)  # again: it goes
    assert page.evaluate(f"{STEER}.state().onsets") == [[0.1, -19]]
    page.locator(".steer-stage").scroll_into_view_if_needed()
    stage = page.locator(".steer-stage").bounding_box()  # nobody was found: a new box
    page.mouse.move(stage["x"] + 30, stage["y"] + 30)
    page.mouse.down()
    page.mouse.move(stage["x"] + 120, stage["y"] + 150, steps=3)
    page.mouse.up()
    page.keyboard.press("Tab")
    page.locator(".steer-box").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(f"{STEER}.state().rows.length") == 1
    page.wait_for_function("!document.querySelector('#savg-resound-go').disabled")
    made(guest)
    origin = page.locator("#savg-resound .sp-origin").inner_text()
    assert re.match("StereoSync, along 1 drawn box, a drawn envelope with 1 onset, seed", origin)
    command = page.locator("#savg-resound .sp-command").inner_text()
    assert "--person boxes.json" in command and "--envelope envelope.json" in command
    assert page.evaluate(DONE)
