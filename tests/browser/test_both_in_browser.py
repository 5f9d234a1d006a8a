"""Two pipelines side by side, and new sound for a video, in a real browser on stand-ins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import studio_fakes
from conftest import ROOT, Visitor, arrived, served
from playwright.sync_api import Error, expect
from test_player_in_browser import DECODE
from test_studio_in_browser import CONTRAST, alert, set_number
from videos import make_video

FITS = "document.documentElement.scrollWidth <= window.innerWidth"
RESOUND = "window.savgPlayers['savg-resound']"
DONE = "document.querySelector('#savg-resound-progress .sg-text').textContent.startsWith('Done')"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A studio with two stand-in pipelines, the second of which gives films sound."""
    folder = tmp_path_factory.mktemp("both")
    studio_fakes.scene(0).write(folder / "examples" / "1_speaker_on_the_left.mp4")
    program = [str(ROOT / "tests" / "studio_fakes.py"), str(folder / "examples"), "both"]
    with served(program, folder) as address:
        yield address


@pytest.fixture
def guest(open_page, both: str) -> Iterator[Visitor]:
    visit = arrived(open_page(), both)
    yield visit
    visit.page.close()
    assert visit.off_host() == [] and visit.problems == []


def choose_both(visitor: Visitor) -> None:
    visitor.page.locator("#savg-pipeline input").click()
    visitor.page.get_by_role("option", name="Both, side by side").click()
    visitor.page.wait_for_selector("#savg-boxes input", state="visible")


def generated(visitor: Visitor) -> None:
    choose_both(visitor)
    set_number(visitor, "#savg-seed", 4)
    set_number(visitor, "#savg-steps", 6)
    visitor.page.locator("#savg-go").click()
    visitor.page.wait_for_function(
        "document.querySelector('#savg-progress .sg-text').textContent.startsWith('Done: 2')"
    )
    visitor.page.wait_for_function(
        "window.savgShelves['savg-results']().filter(c => c.overlay).length === 2"
    )


def test_the_pair_is_downloaded_as_one_video(guest: Visitor, tmp_path: Path) -> None:
    page = guest.page
    assert not page.locator("#savg-export").is_visible()
    generated(guest)
    with page.expect_download() as download:
        page.locator("#savg-export").click()
    download.value.save_as(tmp_path / "both.mp4")
    assert download.value.suggested_filename == ("fake-seed-4-and-second-seed-4-comparison.mp4")
    with av.open(str(tmp_path / "both.mp4")) as container:
        assert container.streams.video[0].width == 1328 and container.streams.audio
    expect(page.get_by_text("Download the comparison")).to_be_visible()


def test_one_seed_two_clips_side_by_side(guest: Visitor) -> None:
    page = guest.page
    assert page.locator("#savg-pipeline input").input_value() == "Stand-in"
    generated(guest)
    expect(page.locator("#savg-boxes input")).to_be_checked()
    cards = page.locator(".sv-pair .sv-card")
    assert cards.locator("h4").all_inner_texts() == ["Seed 4, joint", "Seed 4, two-stage"]
    assert all(" TP, " in text for text in cards.locator(".sv-badge").all_inner_texts())
    left, right = (cards.nth(i).bounding_box() for i in range(2))
    assert left["y"] == right["y"] and left["x"] + left["width"] < right["x"]
    assert left["width"] == pytest.approx(right["width"], abs=1)

    painted = """card => { const c = card.querySelector('canvas');
        return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0); }"""
    assert all(cards.nth(i).evaluate(painted) for i in range(2))
    page.locator("#savg-results .sv-overlay").click()
    assert not any(cards.nth(i).evaluate(painted) for i in range(2))
    page.locator("#savg-results .sv-overlay").press("Enter")
    assert all(cards.nth(i).evaluate(painted) for i in range(2))

    page.get_by_role("button", name="Play Seed 4, two-stage").press("Enter")
    page.wait_for_function(
        "() => { const [a, b] = document.querySelectorAll('.sv-pair video');"
        " return a.paused && !b.paused && b.currentTime > 0.2; }"
    )
    heard = [
        page.evaluate(DECODE, cards.nth(i).locator("video").evaluate("v => v.src")) for i in (0, 1)
    ]
    assert heard[0]["left"] > heard[0]["right"] + 4 and heard[1]["right"] > heard[1]["left"] + 4
    badge = cards.nth(1).locator(".sv-badge").inner_text()
    page.get_by_role("button", name="Inspect Seed 4, two-stage").click()
    guest.wait_for_player()
    counts = guest.state()["annotation"]["alignment"]
    assert f"{counts['score']:.2f}" in badge and f"{counts['tp']} TP, {counts['fn']} FN" in badge


def test_one_stop_stops_both(guest: Visitor) -> None:
    page = guest.page
    choose_both(guest)
    set_number(guest, "#savg-steps", 100)
    page.locator("#savg-go").click()
    page.wait_for_function(
        "/joint: video and audio, step/.test(document.querySelector('.sg-text').textContent)"
    )
    began = time.monotonic()
    page.locator("#savg-stop").click()
    page.wait_for_function("document.querySelector('.sg-text').textContent.startsWith('Stopped')")
    assert time.monotonic() - began < 30 and page.locator(".sv-card").count() == 0


def test_a_single_pipeline_works_as_before(guest: Visitor) -> None:
    page = guest.page
    page.locator("#savg-pipeline input").click()
    page.get_by_role("option", name="Stand-in", exact=True).click()
    page.wait_for_function("!document.querySelector('#savg-boxes')?.offsetParent")
    page.locator("#savg-go").click()
    page.wait_for_selector(".sv-card")
    assert page.locator(".sv-pair").count() == 0
    assert page.locator(".sv-card h4").all_inner_texts() == ["Seed 0"]


def person_film(path: Path, x: float) -> Path:
    """Somebody in blue at x of 0 … 1 in 320×180 at 10 frames a second, a faint tone at the right."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        audio = container.add_stream("aac", rate=44_100, layout="stereo")
        for _ in range(30):
            picture = np.full((180, 320, 3), 120, np.uint8)
            picture[40:, round(320 * x) - 30 : round(320 * x) + 30] = (20, 30, 160)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(video.encode(None))
        tone = 0.05 * np.sin(2 * np.pi * 300 * np.arange(3 * 44_100) / 44_100)
        sound = np.stack([0.1 * tone, tone]).astype(np.float32)
        block = av.AudioFrame.from_ndarray(sound, "fltp", "stereo")
        block.sample_rate = 44_100
        container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


def open_video(visitor: Visitor, path: Path) -> None:
    visitor.tab("Video to audio")
    inputs = visitor.page.locator("#savg-tab-video-to-audio input[type=file]")
    inputs.first.set_input_files(path)  # another one is for audio


def sounded(visitor: Visitor, path: Path) -> None:
    """Upload a video and make sound for it."""
    page = visitor.page
    open_video(visitor, path)
    page.wait_for_function(
        "name => document.querySelector('#savg-resound-video input').value === name", arg=path.name
    )
    page.locator("#savg-resound-go").click()
    page.wait_for_function(DONE)
    page.wait_for_function(f"{RESOUND} && {RESOUND}.state().ready")


def test_an_uploaded_video_gets_audio_beside_its_own(guest: Visitor, tmp_path: Path) -> None:
    page = guest.page
    sounded(guest, person_film(tmp_path / "holiday.mp4", 0.2))
    player = page.locator("#savg-resound")
    expect(player.locator(".sp-title")).to_have_text("holiday, new audio")
    choices = player.locator(".ss-choice")
    assert choices.locator(".ss-name").all_inner_texts() == ["New audio", "Its own audio"]
    assert all(" TP, " in text for text in choices.locator(".ss-score").all_inner_texts())
    state = page.evaluate(f"{RESOUND}.state()")
    new = page.evaluate(DECODE, state["source"])
    assert new["left"] > new["right"] + 4 and state["annotation"]["boxes"]
    assert state["quieter"] > 5  # the faint original sets the level
    link = player.get_by_role("link", name="Video", exact=True)
    assert link.get_attribute("download") == "holiday-new-audio-second-seed-0.mp4"
    saved = tmp_path / "saved.mp4"
    saved.write_bytes(page.request.get(link.evaluate("a => a.href")).body())
    with av.open(str(saved)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.average_rate) == (320, 180, 10)

    player.locator(".sp-play").click()
    page.wait_for_function(f"{RESOUND}.state().currentTime > 0.5")
    page.evaluate("document.activeElement.blur()")
    before = page.evaluate(f"{RESOUND}.state().currentTime")
    page.keyboard.press("a")
    page.wait_for_function(
        "old => { const s = window.savgPlayers['savg-resound'].state();"
        " return s.source !== old && s.ready && !s.paused && s.currentTime > 0; }",
        arg=state["source"],
    )
    after = page.evaluate(f"{RESOUND}.state()")
    assert after["currentTime"] >= before - 0.3 or after["loop"]
    assert after["quieter"] == 0
    assert choices.nth(1).get_attribute("aria-pressed") == "true"
    own = page.evaluate(DECODE, after["source"])
    assert own["right"] > own["left"] + 12
    choices.nth(0).click()
    page.wait_for_function(
        "old => window.savgPlayers['savg-resound'].state().source === old", arg=state["source"]
    )
    assert page.evaluate(f"{RESOUND}.state().quieter") == state["quieter"]
    player.get_by_role("button", name="Open in Inspect").click()
    guest.wait_for_player()
    expect(page.locator("#savg-player .sp-title")).to_have_text("holiday, new audio")


def test_its_own_audio_is_moved_with_the_person(guest: Visitor, tmp_path: Path) -> None:
    page = guest.page
    open_video(guest, person_film(tmp_path / "left.mp4", 0.2))
    page.wait_for_function(
        "document.querySelector('#savg-resound-video input').value === 'left.mp4'"
    )
    assert not page.locator("#savg-steer").is_visible()
    page.locator("#savg-resound-pipeline input").click()
    page.get_by_role("option", name="Pan").click()
    page.wait_for_function("window.savgSteers['savg-steer'].state().ready")
    page.locator("#savg-resound-moved input").click()
    page.get_by_role("option", name="Its own audio").click()
    page.locator("#savg-resound-go").click()
    page.wait_for_function(DONE)
    page.wait_for_function(f"{RESOUND} && {RESOUND}.state().ready")
    state = page.evaluate(f"{RESOUND}.state()")
    levels = page.evaluate(DECODE, state["source"])
    azimuth = np.arctan((0.5 - 0.2) / 0.5 * np.tan(np.deg2rad(50)))
    law = 20 * np.log10((1 + np.sin(azimuth)) / (1 - np.sin(azimuth)))
    assert levels["left"] - levels["right"] == pytest.approx(law, abs=1)


def test_a_silent_tall_video(guest: Visitor, tmp_path: Path) -> None:
    path = make_video(tmp_path / "tall.mp4", seconds=2, width=90, height=160, fps=25, audio=False,
                      codecs=("libx264", "aac"))  # fmt: skip
    sounded(guest, path)
    page = guest.page
    assert page.locator("#savg-resound .ss-choice").count() == 1
    expect(page.locator("#savg-resound .ss-none")).to_contain_text("no audio of its own")
    size = page.locator("#savg-resound video").evaluate("v => [v.videoWidth, v.videoHeight]")
    assert size == [90, 160]
    stage = page.locator("#savg-resound .sp-stage").bounding_box()
    assert stage["width"] == pytest.approx(stage["height"], rel=0.02)


@pytest.mark.parametrize("content", [b"this is not a film", b"", b"\x00\x00\x00\x18ftypmp42" * 9])
def test_a_wrong_video_is_one_message(guest: Visitor, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "holiday.mp4"
    path.write_bytes(content)
    open_video(guest, path)
    message = alert(guest, "#savg-resound-notice")
    assert "holiday.mp4" in message and str(tmp_path) not in message
    guest.page.locator("#savg-resound-go").click()  # the example is still chosen
    guest.page.wait_for_function(DONE)


def test_a_visitors_video_is_its_own_and_goes_with_it(
    browser, both: str, guest: Visitor, tmp_path: Path
) -> None:
    other = arrived(browser.new_page(), both)
    sounded(other, person_film(tmp_path / "secret.mp4", 0.8))
    source = other.page.evaluate(f"{RESOUND}.state().source")
    guest.tab("Video to audio")
    guest.page.locator("#savg-resound-video input").click()
    names = guest.page.get_by_role("option").all_inner_texts()
    assert len(names) == 1 and "secret" not in names[0]
    assert guest.page.request.get(source).status == 200
    other.page.close()
    deadline = time.monotonic() + 60
    while is_there(guest, source):
        assert time.monotonic() < deadline, "the video is still there"
        time.sleep(0.5)


def is_there(visitor: Visitor, source: str) -> bool:
    """Whether a file is served; one that is deleted while it is sent is broken off."""
    try:
        return visitor.page.request.get(source).status == 200
    except Error as error:
        assert "aborted" in str(error)
        return True


def test_stopping_leaves_the_video_to_try_again(guest: Visitor, tmp_path: Path) -> None:
    page = guest.page
    open_video(guest, person_film(tmp_path / "a.mp4", 0.5))
    page.wait_for_function("document.querySelector('#savg-resound-video input').value === 'a.mp4'")
    page.get_by_role("button", name="More settings").click()
    set_number(guest, "#savg-resound-steps", 60)
    page.locator("#savg-resound-go").click()
    page.wait_for_function(
        "/Audio: step/.test(document.querySelector('#savg-resound-progress .sg-text').textContent)"
    )
    page.locator("#savg-resound-stop").click()
    page.wait_for_function(
        "document.querySelector('#savg-resound-progress .sg-text').textContent.startsWith('Stopped')"
    )
    set_number(guest, "#savg-resound-steps", 2)
    page.locator("#savg-resound-go").click()
    page.wait_for_function(DONE)


@pytest.mark.parametrize("width", [390, 1280])
def test_both_fit_the_screen(open_page, both: str, tmp_path: Path, width: int) -> None:
    page = open_page(width, scheme="dark" if width == 390 else "light")
    visitor = arrived(page, both)
    generated(visitor)
    for scheme in visitor.schemes():
        assert page.evaluate(FITS)
        boxes = [page.locator(".sv-pair .sv-card").nth(i).bounding_box() for i in range(2)]
        assert (boxes[0]["y"] == boxes[1]["y"]) == (width > 600)
        page.screenshot(path=tmp_path / f"both-{scheme}.png", full_page=True)
    sounded(visitor, person_film(tmp_path / "holiday.mp4", 0.2))
    for scheme in visitor.schemes():
        assert page.evaluate(FITS)
        sizes = page.locator("#savg-resound .ss-choice").evaluate_all(
            "all => all.map(b => b.getBoundingClientRect()).map(r => [r.width, r.height])"
        )
        assert all(w > 120 and h >= 40 for w, h in sizes)
        page.screenshot(path=tmp_path / f"take-{scheme}.png", full_page=True)
        contrast = page.evaluate(CONTRAST_OF_TAKES)
        assert min(contrast.values()) >= 4.5, contrast
    page.close()
    assert visitor.problems == [] and visitor.off_host() == []


WORDS = "['.ss-limits', '.ss-level', '.ss-score', '.sv-origin'"
CONTRAST_OF_TAKES = (
    CONTRAST.split("['.savg-header p'")[0] + WORDS + CONTRAST[CONTRAST.index("]) {") :]
)
