"""The whole way on the bundled weights: `python app.py`, a click, a clip that plays, its overlay."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Visitor, served
from playwright.sync_api import expect
from test_player_in_browser import DECODE, downloaded, rows

from savg.data.scenes import World, draw_scene, render

NOTE_PREVIEWS = """() => {
  const image = document.querySelector('.sg-image img');
  window.previews = 0;
  new MutationObserver(() => { window.previews += !image.hidden; })
    .observe(image, {attributes: true});
}"""
"""Counts the frames that are shown while a clip is made: each for a moment only, on a fast machine."""

BEGUN = """() => {
  if (document.querySelector('.sg').dataset.state !== 'idle') return true;
  document.querySelector('#savg-go').click();
  return false;
}"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served([str(ROOT / "app.py")], tmp_path_factory.mktemp("demo")) as address:
        yield address


def test_a_stranger_generates_a_clip_and_sees_where_things_are(
    browser, demo: str, record_property
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    visitor = Visitor(page, demo)
    visitor.arrive()
    assert not page.locator("#savg-generate-notice").is_visible()
    began = time.monotonic()
    page.evaluate(NOTE_PREVIEWS)
    page.locator("#savg-go").click()
    # Gradio drops a click that comes while it answers an earlier event of the page.
    page.wait_for_function(BEGUN, polling=3000)
    page.wait_for_selector(".sv-card", timeout=240_000)
    page.wait_for_function(
        "() => { const s = window.savgPlayers['savg-view'].state();"
        " return !s.paused && s.currentTime > 0 && !s.muted; }"
    )
    assert page.evaluate("window.previews") > 0
    seconds = time.monotonic() - began
    record_property("seconds_from_click_to_playing", round(seconds, 1))
    print(f"from click to playing: {seconds:.1f} s")

    heard = page.evaluate(DECODE, page.locator(".sv-card video").evaluate("v => v.src"))
    assert heard["channels"] == 2 and heard["seconds"] == pytest.approx(5, abs=0.15)
    page.locator(".sv-card .sv-main").first.click()
    visitor.wait_for_player()
    page.wait_for_selector(
        "#savg-player .sp-downloads a[download$='-overlay.mp4']", timeout=120_000
    )
    annotation = json.loads(downloaded(visitor, ".json"))
    assert annotation["format"]["frames"] == 20 and len(annotation["levels"]["left_db"]) == 100
    for moment in (0.4, 2.3, 4.6):
        state = visitor.seek(moment)
        assert state["boxes"] == rows(annotation, "boxes", int(moment * 4))
        assert state["bands"] == rows(annotation, "events", int(moment * 10 + 1e-6))
    page.close()
    assert visitor.off_host() == [] and visitor.problems == []


def test_video_to_audio_opens_on_a_video_and_its_card_on_a_silent_one(browser, demo: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    visitor = Visitor(page, demo)
    visitor.arrive()
    assert page.locator(".se-card .se-blank").count() == 0
    visitor.tab("Video to audio")
    page.wait_for_function("window.savgSteers?.['savg-steer']?.state().ready", timeout=120_000)
    visitor.tab("Generate")
    page.locator(".se-card[data-id=audio]").click()
    page.wait_for_function("window.savgPlayers['savg-resound']?.state().ready", timeout=240_000)
    expect(page.locator("#savg-resound .sp-title")).to_contain_text("silent, new audio")
    heard = page.evaluate(
        DECODE, page.evaluate("window.savgPlayers['savg-resound'].state().source")
    )
    assert heard["channels"] == 2 and max(heard["left"], heard["right"]) > -60
    page.close()
    assert visitor.off_host() == [] and visitor.problems == []


def test_the_bundled_examples_have_people_and_sound_events(browser, demo: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    visitor = Visitor(page, demo)
    visitor.arrive()
    annotation = visitor.open_example(0)
    assert annotation["boxes"] and annotation["events"]
    expect(page.locator("#savg-player .sp-origin")).to_contain_text("generated")
    mean_x = sum(event["x"] for event in annotation["events"]) / len(annotation["events"])
    heard = page.evaluate(DECODE, visitor.state()["source"])
    if abs(mean_x - 128) > 30:
        louder, other = ("left", "right") if mean_x < 128 else ("right", "left")
        assert heard[louder] > heard[other]
    page.close()
    assert visitor.off_host() == [] and visitor.problems == []


def test_annotations_of_a_scene_match_its_labels(browser, demo: str, tmp_path: Path) -> None:
    rendered = render(draw_scene(1, World.varied()))
    rendered.clip.write(tmp_path / "scene.mp4")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    visitor = Visitor(page, demo)
    visitor.arrive()
    visitor.tab("Inspect")
    page.locator("#savg-tab-inspect input[type=file]").first.set_input_files(tmp_path / "scene.mp4")
    visitor.wait_for_player()
    annotation = visitor.state()["annotation"]
    true_x = float(rendered.labels.x.mean())
    mean_x = sum(event["x"] for event in annotation["events"]) / len(annotation["events"])
    assert annotation["boxes"] and abs(mean_x - true_x) < 60
    heard = page.evaluate(DECODE, visitor.state()["source"])
    louder = "left" if true_x < 128 else "right"
    assert heard[louder] > heard["right" if louder == "left" else "left"] + 1
    page.close()
    assert visitor.off_host() == [] and visitor.problems == []
