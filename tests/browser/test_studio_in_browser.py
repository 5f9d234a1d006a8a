"""The studio's pages in a real browser, on stand-ins for the networks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import studio_fakes
from conftest import Visitor, arrived
from playwright.sync_api import Page, expect
from test_player_in_browser import DECODE

from savg.format import SAVGBENCH
from savg.media.comment import read_png_comment
from savg.pipelines.audio_settings import settings_of
from savg.pipelines.settings import GenerationSettings


def set_number(visitor: Visitor, where: str, value: int) -> None:
    field = visitor.page.locator(f"{where} input[type=number]")
    field.fill(str(value))
    field.press("Tab")


def alert(visitor: Visitor, where: str) -> str:
    line = visitor.page.locator(f"{where} [role=alert]")
    line.wait_for()
    visitor.page.wait_for_function(
        "q => { const e = document.querySelector(q); return e && e.textContent && "
        "e.dataset.kind === 'problem'; }",
        arg=f"{where} [role=alert]",
    )
    return line.inner_text()


def test_generate_play_and_inspect(visitor: Visitor) -> None:
    page = visitor.page
    set_number(visitor, "#savg-seed", 1)
    set_number(visitor, "#savg-count", 2)
    page.locator("#savg-go").click()
    page.wait_for_function("/step \\d+ of 20/.test(document.querySelector('.sg-text').textContent)")
    page.wait_for_selector(".sg-image img:not([hidden])")
    page.wait_for_function("document.querySelectorAll('.sv-card').length === 2")
    page.wait_for_function(
        "document.querySelector('.sg-text').textContent.startsWith('Done: 2 clips')"
    )
    cards = page.locator(".sv-card")
    assert cards.locator("h4").all_inner_texts() == ["Seed 1, clip 2", "Seed 1"]
    first = cards.nth(1)
    expect(first.locator(".sv-badge")).to_contain_text(" TP, ")
    page.wait_for_function(  # the first clip of a run plays by itself in the big view
        "() => { const s = window.savgPlayers['savg-view'].state();"
        " return !s.paused && s.currentTime > 0.2 && !s.muted; }"
    )
    expect(page.locator("#savg-view .sp-title")).to_have_text("Seed 1")
    heard = page.evaluate(DECODE, first.locator("video").evaluate("v => v.src"))
    assert heard["channels"] == 2 and heard["right"] > heard["left"] + 4
    saved = first.get_by_role("link", name="Download")
    assert str(saved.get_attribute("download")).endswith("-seed-1.mp4")
    # The clip and its frame, boxes, events and annotation arrive under the names that links tell.
    links = page.locator("#savg-view .sp-downloads a[download]")
    names = [str(link.get_attribute("download")) for link in links.all()]
    assert {name.rpartition("-")[2] for name in names} >= {"1.mp4", "1.png", "boxes.csv"}
    for link, name in zip(links.all(), names, strict=True):
        with page.expect_download() as download:
            link.click()
        assert download.value.suggested_filename == name and download.value.failure() is None
        if name.endswith(".png"):
            settings = settings_of(read_png_comment(download.value.path()) or "")
            assert isinstance(settings, GenerationSettings) and settings.seed == 1
    badge = first.locator(".sv-badge").inner_text()
    first.get_by_role("button", name="Inspect").click()
    visitor.wait_for_player()
    counts = visitor.state()["annotation"]["alignment"]
    assert f"{counts['score']:.2f}" in badge and f"{counts['tp']} TP, {counts['fn']} FN" in badge
    expect(page.locator("#savg-player .sp-title")).to_have_text("Seed 1")
    page.locator("#savg-player .sp-play").click()
    page.wait_for_function("window.savgPlayer.state().currentTime > 0.3")
    assert page.locator("#savg-inspect-shelf .sv-thumb").count() == 4


def test_stop_stops_at_the_next_step(visitor: Visitor) -> None:
    page = visitor.page
    set_number(visitor, "#savg-steps", 200)
    set_number(visitor, "#savg-count", 8)
    page.locator("#savg-go").click()
    page.wait_for_function(
        "/step \\d+ of 200/.test(document.querySelector('.sg-text').textContent)"
    )
    expect(page.locator("#savg-go")).to_be_disabled()
    began = time.monotonic()
    page.locator("#savg-stop").click()
    page.wait_for_function("document.querySelector('.sg-text').textContent.startsWith('Stopped')")
    assert time.monotonic() - began < 5
    assert page.locator(".sv-card").count() == 0
    set_number(visitor, "#savg-steps", 4)
    set_number(visitor, "#savg-count", 1)
    page.locator("#savg-go").click()
    page.wait_for_selector(".sv-card")


def test_a_visitor_who_leaves_frees_the_studio(visitor: Visitor, browser, studio: str) -> None:
    other = Visitor(browser.new_page(), studio)
    other.arrive()
    set_number(other, "#savg-steps", 200)
    set_number(other, "#savg-count", 8)
    other.page.locator("#savg-go").click()
    other.page.wait_for_function("/step/.test(document.querySelector('.sg-text').textContent)")
    other.page.close()
    visitor.page.locator("#savg-go").click()
    visitor.page.wait_for_selector(".sv-card", timeout=20_000)


def test_audio_stops_in_a_hidden_tab(visitor: Visitor) -> None:
    page = visitor.page
    page.locator("#savg-go").click()
    page.wait_for_function("window.savgPlayers['savg-view'].state().paused === false")
    visitor.tab("Inspect")
    page.wait_for_function("window.savgPlayers['savg-view'].state().paused")
    visitor.open_example()
    page.locator("#savg-player .sp-play").click()
    page.wait_for_function("!window.savgPlayer.state().paused")
    visitor.tab("Generate")
    page.wait_for_function("window.savgPlayer.state().paused")


def test_an_empty_seed_is_a_message(visitor: Visitor) -> None:
    visitor.page.locator("#savg-seed input").fill("")
    visitor.page.locator("#savg-go").click()
    assert "Seed must be a whole number" in alert(visitor, "#savg-generate-notice")
    set_number(visitor, "#savg-seed", 3)
    visitor.page.locator("#savg-go").click()
    visitor.page.wait_for_selector(".sv-card")
    assert not visitor.page.locator("#savg-generate-notice").is_visible()


def test_two_visitors_do_not_see_each_others_clips(visitor: Visitor, browser, studio: str) -> None:
    visitor.page.locator("#savg-go").click()
    visitor.page.wait_for_selector(".sv-card")
    other = Visitor(browser.new_page(), studio)
    other.arrive()
    other.tab("Inspect")
    other.page.wait_for_selector("#savg-inspect-shelf .sv-thumb")
    assert other.page.locator("#savg-inspect-shelf .sv-thumb").count() == 2
    other.page.close()


@pytest.mark.parametrize("content", [b"this is not a film", b"", b"\x00\x00\x00\x18ftypmp42" * 9])
def test_a_wrong_file_is_one_message_and_the_studio_lives_on(
    visitor: Visitor, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "holiday.mp4"
    path.write_bytes(content)
    visitor.tab("Inspect")
    visitor.page.locator("#savg-upload input[type=file], input[type=file]").first.set_input_files(
        path
    )
    message = alert(visitor, "#savg-inspect-notice")
    assert "holiday.mp4" in message and message.count(".") <= 3 and str(tmp_path) not in message
    visitor.open_example()
    assert not visitor.page.locator("#savg-inspect-notice").is_visible()


def test_an_upload_whose_name_is_markup(visitor: Visitor, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)> ${alert(2)} {{value}}.mp4"
    path = tmp_path / name
    studio_fakes.scene(0).write(path)
    visitor.tab("Inspect")
    visitor.page.locator("#savg-upload input[type=file], input[type=file]").first.set_input_files(
        path
    )
    visitor.wait_for_player()
    title = visitor.page.locator("#savg-player .sp-title")
    assert title.inner_text().startswith("<img src=x onerror=alert") or "img" in title.inner_text()
    assert title.locator("img").count() == 0
    assert visitor.page.locator(".sv-thumb .sv-name img").count() == 0
    assert "img" not in visitor.state()["source"].rsplit("/", 2)[-2]


def test_a_longer_video_keeps_its_length(visitor: Visitor, tmp_path: Path) -> None:
    path = tmp_path / "twelve seconds.mp4"
    studio_fakes.scene(1, SAVGBENCH.with_frames(48)).write(path)
    visitor.tab("Inspect")
    visitor.page.locator("input[type=file]").first.set_input_files(path)
    visitor.wait_for_player()
    annotation = visitor.state()["annotation"]
    assert annotation["format"]["seconds"] == 12
    assert visitor.page.locator("#savg-player .sp-cell").count() == 120
    state = visitor.seek(10.6)
    assert state["frame"] == 42 and state["eventFrame"] == 106
    assert state["boxes"] == [row for row in annotation["boxes"] if row["frame"] == 42]
    assert (
        visitor.page.evaluate("document.querySelector('#savg-player .sp-strip').scrollLeft") > 200
    )
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_another_detector_gives_another_annotation(visitor: Visitor) -> None:
    visitor.open_example()
    assert visitor.state()["annotation"]["alignment"]["tp"] > 0
    visitor.page.locator("#savg-detector input").click()
    visitor.page.get_by_role("option", name="Nobody").click()
    visitor.page.wait_for_function("window.savgPlayer.state().annotation.alignment.tp === 0")


def test_only_the_librarys_files_are_served(visitor: Visitor) -> None:
    visitor.open_example()
    request, base = visitor.page.request, visitor.address
    source = visitor.state()["source"]
    assert request.get(source).status == 200
    folder = source.split("file=")[1].rsplit("/", 2)[0]
    for path in ("/etc/passwd", f"{folder}/../../etc/passwd", "app.py", "savg/paths.py"):
        assert request.get(f"{base}/gradio_api/file={path}").status in (403, 404)


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen(open_page, studio: str, tmp_path: Path, width: int) -> None:
    page = open_page(width, 844, "dark" if width == 390 else "light")
    visitor = arrived(page, studio)
    assert all(page.evaluate(FITS) for _ in visitor.schemes())
    page.locator("#savg-go").click()
    page.wait_for_selector(".sv-card")
    assert all(page.evaluate(FITS) for _ in visitor.schemes())
    page.locator(".sv-card .sv-main").click()
    visitor.wait_for_player()
    page.wait_for_selector("#savg-timeline .sp-playhead")
    for scheme in visitor.schemes():
        assert_the_player_fits(page, width, tmp_path / f"{width}-{scheme}.png")
    page.close()
    assert visitor.problems == [] and visitor.off_host() == []


def assert_the_player_fits(page: Page, width: int, shot: Path) -> None:
    """Nothing is cut off, too small to hit or hard to read; `shot` shows it."""
    assert page.evaluate(FITS)
    stage = page.locator("#savg-player .sp-stage").bounding_box()
    assert stage["width"] > 0.5 * min(width, 700)
    assert stage["width"] / stage["height"] == pytest.approx(256 / 144, rel=0.02)
    small = page.evaluate(
        "() => [...document.querySelectorAll('#savg-player .sp-controls button')].filter(b => "
        "{ const r = b.getBoundingClientRect(); return r.height < 28 || r.width < 28; }).length"
    )
    assert small == 0
    contrast = page.evaluate(CONTRAST)
    assert min(contrast.values()) >= 4.5, contrast
    page.screenshot(path=shot, full_page=True)
    assert shot.stat().st_size > 20_000


FITS = "document.documentElement.scrollWidth <= window.innerWidth"

CONTRAST = """() => {
  const pen = document.createElement('canvas').getContext('2d');
  const rgb = c => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = c; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data]; };
  const light = c => { const [r, g, b] = rgb(c).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { while (e) { const c = getComputedStyle(e).backgroundColor;
    if (rgb(c)[3] === 255) return c; e = e.parentElement; } return 'white'; };
  const out = {};
  for (const q of ['.savg-header p', '.savg-header h1', '[role=tab][aria-selected=true]',
                   '.savg-hint', '.sp-title', '.sp-what', '.sp-time', '.sp-name', '.sp-chip',
                   '.sv-note', '.sp-value']) {
    const e = document.querySelector(q);
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    out[q] = (a + 0.05) / (b + 0.05);
  }
  return out;
}"""
