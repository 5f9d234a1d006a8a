"""The overlay player in a real browser: what is drawn, heard, clicked and typed."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import Visitor
from playwright.sync_api import expect

DECODE = """async url => {
  const data = await (await fetch(url)).arrayBuffer();
  const sound = await new OfflineAudioContext(2, 1, 16000).decodeAudioData(data);
  const level = channel => 10 * Math.log10(
    sound.getChannelData(channel).reduce((sum, v) => sum + v * v, 0) / sound.length + 1e-12);
  return { channels: sound.numberOfChannels, seconds: sound.duration,
           left: level(0), right: level(1) };
}"""


def rows(annotation: dict, kind: str, frame: int) -> list[dict]:
    return [row for row in annotation[kind] if row["frame"] == frame]


def downloaded(visitor: Visitor, suffix: str) -> bytes:
    link = visitor.page.locator(f"#savg-player .sp-downloads a[download$='{suffix}']")
    answer = visitor.page.request.get(link.evaluate("a => a.href"))
    assert answer.status == 200
    return answer.body()


def test_the_overlay_shows_the_json_at_sought_times(visitor: Visitor) -> None:
    visitor.open_example()
    annotation = json.loads(downloaded(visitor, ".json"))
    for time in (0.3, 0.75, 1.9, 2.6, 4.4, 4.9):
        state = visitor.seek(time)
        assert state["exactFrames"]
        assert state["frame"] == int(time * 4)
        assert state["boxes"] == rows(annotation, "boxes", int(time * 4))
        assert state["bands"] == rows(annotation, "events", int(time * 10 + 1e-6))


def test_the_overlay_shows_the_json_while_playing(visitor: Visitor) -> None:
    annotation = visitor.open_example()
    visitor.page.evaluate("window.savgPlayer.play()")
    seen, in_time = set(), []
    while len(seen) < 6 or len(in_time) < 24:
        visitor.page.wait_for_timeout(110)
        state = visitor.state()
        frame, event = int(state["mediaTime"] * 4 + 1e-3), int(state["currentTime"] * 10 + 1e-3)
        assert state["boxes"] == rows(annotation, "boxes", frame)
        assert state["bands"] == rows(annotation, "events", state["eventFrame"])
        # Time goes on while we ask, and a busy machine draws late now and then.
        in_time.append(abs(state["eventFrame"] - event) <= 1)
        seen.add(frame)
        assert len(in_time) < 300, "the clip does not play"
    assert sum(in_time) >= len(in_time) / 2 and not state["paused"]


def test_bands_and_boxes_are_where_the_json_says(visitor: Visitor) -> None:
    annotation = visitor.open_example()
    event = next(e for e in annotation["events"] if e["matched"])
    miss = next(e for e in annotation["events"] if not e["matched"])
    opacity = """([x, y]) => { const c = document.querySelector('#savg-player canvas');
      const s = c.width / 256; const d = c.getContext('2d').getImageData(
        Math.round(x * s) - 2, Math.round((y - 56) * s) - 2, 5, 5).data;
      return Math.max(...d.filter((_, i) => i % 4 === 3)); }"""
    for row in (event, miss):
        visitor.seek(row["frame"] / 10)
        visitor.page.wait_for_timeout(100)
        assert visitor.page.evaluate(opacity, [row["x"], 130]) == 255  # the centre line
        assert visitor.page.evaluate(opacity, [row["x"] + 36, 130]) > 20  # inside the band
        outside = row["x"] + 70 if row["x"] < 128 else row["x"] - 70
        assert visitor.page.evaluate(opacity, [outside, 66]) == 0
    box = rows(annotation, "boxes", visitor.state()["frame"])[0]
    assert visitor.page.evaluate(opacity, [box["x0"], 150]) == 255


def test_left_is_left_in_the_served_audio(visitor: Visitor) -> None:
    for number, louder in ((0, "left"), (1, "right")):
        visitor.open_example(number)
        heard = visitor.page.evaluate(DECODE, visitor.state()["source"])
        other = "right" if louder == "left" else "left"
        assert heard["channels"] == 2 and heard["seconds"] == pytest.approx(5, abs=0.15)
        assert heard[louder] > heard[other] + 4


def test_the_meters_show_what_plays(visitor: Visitor) -> None:
    visitor.open_example(0)
    assert visitor.seek(0.5)["levels"]["source"] == "annotation"
    for _ in range(6):
        visitor.page.keyboard.press("ArrowDown")  # the meters show the file, whatever the volume
    visitor.page.locator("#savg-player .sp-play").click()
    visitor.page.wait_for_function(
        """() => { const s = window.savgPlayer.state();
        return s.levels.source === 'audio' && s.levels.left > -40
          && s.levels.left > s.levels.right + 3; }"""
    )


def test_the_strip_is_the_alignment_and_seeks(visitor: Visitor) -> None:
    annotation = visitor.open_example()
    cells = visitor.page.locator("#savg-player .sp-cell")
    assert cells.count() == 50
    kinds = cells.evaluate_all("all => all.map(c => c.dataset.kind)")
    for frame, kind in enumerate(kinds):
        events = rows(annotation, "events", frame)
        assert kind == ("none" if not events else "tp" if events[0]["matched"] else "fn")
    counts = annotation["alignment"]
    assert (kinds.count("tp"), kinds.count("fn")) == (counts["tp"], counts["fn"])
    fn, tp = cells.nth(kinds.index("fn")), cells.nth(kinds.index("tp"))
    assert "false negative" in fn.get_attribute("aria-label")
    assert fn.inner_text() != tp.inner_text()
    assert "gradient" in fn.evaluate("c => getComputedStyle(c).backgroundImage")
    assert "none" in tp.evaluate("c => getComputedStyle(c).backgroundImage")
    cells.nth(37).click()
    visitor.page.wait_for_function("window.savgPlayer.state().eventFrame === 37")
    assert cells.nth(37).get_attribute("aria-current") == "true"
    visitor.page.keyboard.press("ArrowRight")
    visitor.page.wait_for_function("window.savgPlayer.state().eventFrame === 38")


def test_score_and_chance_baselines_are_the_jsons(visitor: Visitor) -> None:
    annotation = visitor.open_example()
    assert None not in annotation["nulls"].values()
    side = visitor.page.locator("#savg-player .sp-side")
    counts = annotation["alignment"]
    expect(side.locator(".sp-number")).to_have_text(f"{counts['score']:.2f}")
    expect(side.locator(".sp-counts")).to_have_text(f"{counts['tp']} TP · {counts['fn']} FN")
    values = side.locator(".sp-value").all_inner_texts()
    baselines = [annotation["nulls"][name] for name in ("centre", "swapped", "shuffled")]
    assert values[1:] == ["–" if score is None else f"{score:.2f}" for score in baselines]


KEYS = [
    (".", "s.frame === 3 && s.paused"),
    (",", "s.frame === 2"),
    ("ArrowRight", "s.eventFrame === 6"),
    ("ArrowLeft", "s.eventFrame === 5"),
    ("l", "Math.abs(s.currentTime - 1.5) < 0.05"),
    ("j", "Math.abs(s.currentTime - 0.5) < 0.05"),
    ("End", "s.frame === 19"),
    ("Home", "s.frame === 0"),
    ("b", "!s.layers.boxes && s.boxes.length === 0"),
    ("b", "s.layers.boxes && s.boxes.length === 1"),
    ("s", "!s.layers.bands && s.bands.length === 0"),
    ("s", "s.layers.bands"),
    ("t", "!s.layers.labels"),
    ("m", "s.muted"),
    ("m", "!s.muted"),
    ("ArrowDown", "Math.abs(s.volume - 0.9) < 0.01"),
    ("[", "s.speed === 0.5"),
    ("]", "s.speed === 1"),
    ("o", "!s.loop"),
    ("n", "s.bands.some(e => !e.matched)"),
    (" ", "!s.paused"),
    (" ", "s.paused"),
    ("k", "!s.paused"),
    ("k", "s.paused"),
]


def test_everything_works_by_keyboard(visitor: Visitor) -> None:
    visitor.open_example()
    visitor.seek(0.5)
    for key, expected in KEYS:
        visitor.page.keyboard.press(key if key != " " else "Space")
        visitor.page.wait_for_function(
            f"() => {{ const s = window.savgPlayer.state(); return s.ready && {expected}; }}",
            timeout=30_000,
        )
    help_text = visitor.page.locator("#savg-player .sp-help").text_content()
    for name in ("space", "Home", "N", "B", "[", "J", ","):
        assert name in help_text


def test_typing_elsewhere_does_not_move_the_player(visitor: Visitor) -> None:
    visitor.open_example()
    visitor.tab("Generate")
    before = visitor.state()["currentTime"]
    visitor.page.locator("#savg-seed input").focus()
    visitor.page.keyboard.press("ArrowUp")
    visitor.page.keyboard.press("Space")
    state = visitor.state()
    assert state["paused"] and state["currentTime"] == before


def test_every_control_has_a_name_and_the_focus_goes_from_top_to_bottom(visitor: Visitor) -> None:
    visitor.open_example()
    nameless = visitor.page.evaluate(
        """() => [...document.querySelectorAll('.sp button, .sp input, .sp select, .sp a, .sp [role]')]
        .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.title)
                     && e.getAttribute('aria-hidden') !== 'true').map(e => e.outerHTML)"""
    )
    assert nameless == []
    visitor.page.locator("#savg-player .sp-stage").focus()
    tops = []
    for _ in range(8):
        tops.append(
            visitor.page.evaluate(
                "document.activeElement.getBoundingClientRect().top + window.scrollY"
            )
        )
        visitor.page.keyboard.press("Tab")
    assert all(b >= a - 30 for a, b in pairwise(tops)), tops


def test_layer_switches_by_mouse(visitor: Visitor) -> None:
    visitor.open_example()
    visitor.seek(0.3)
    for layer, kind in (("boxes", "boxes"), ("bands", "bands")):
        button = visitor.page.locator(f"#savg-player [data-layer={layer}]")
        button.click()
        assert visitor.state()[kind] == [] and button.get_attribute("aria-pressed") == "false"
        button.click()
        assert visitor.state()[kind] and button.get_attribute("aria-pressed") == "true"


def test_a_click_on_the_timeline_seeks(visitor: Visitor) -> None:
    visitor.open_example()
    visitor.page.wait_for_selector("#savg-timeline .sp-playhead")
    place = visitor.page.evaluate(
        """() => { const p = document.querySelector('#savg-timeline .js-plotly-plot');
        const a = p._fullLayout.xaxis, r = p.getBoundingClientRect();
        p.scrollIntoView({block: 'center'});
        const q = p.getBoundingClientRect();
        return [q.left + a._offset + a.d2p(3.4), q.top + p._fullLayout._size.t + 60]; }"""
    )
    visitor.page.mouse.click(*place)
    visitor.page.wait_for_function(
        "Math.abs(window.savgPlayer.state().currentTime - 3.4) < 0.06", timeout=30_000
    )


def test_without_frame_callbacks_the_overlay_still_follows(browser, studio: str) -> None:
    page = browser.new_page()
    page.add_init_script("delete HTMLVideoElement.prototype.requestVideoFrameCallback")
    visitor = Visitor(page, studio)
    visitor.arrive()
    annotation = visitor.open_example()
    assert not visitor.state()["exactFrames"]
    for time in (0.3, 2.6, 4.4):
        assert visitor.seek(time)["boxes"] == rows(annotation, "boxes", int(time * 4))
    page.close()
    assert visitor.problems == []


def test_downloads(visitor: Visitor, tmp_path: Path) -> None:
    from savg.annotation import Boxes, SoundEvents
    from savg.clip import Clip

    annotation = visitor.open_example()
    files = {}
    for suffix in ("-boxes.csv", "-events.csv", "-overlay.mp4"):
        files[suffix] = tmp_path / f"file{suffix}"
        files[suffix].write_bytes(downloaded(visitor, suffix))
    assert len(Boxes.read_csv(files["-boxes.csv"])) == len(annotation["boxes"])
    assert len(SoundEvents.read_csv(files["-events.csv"])) == len(annotation["events"])
    overlay = Clip.read(files["-overlay.mp4"])
    left, right = (overlay.audio.astype(float) ** 2).mean(axis=1)
    assert left > 2.5 * right
