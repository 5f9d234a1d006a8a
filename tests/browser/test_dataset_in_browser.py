"""The Dataset tab in a real browser: choose, filter, play with labels, step, statistics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import bench_sets
import pytest
import studio_fakes
from conftest import ROOT, Visitor, served
from playwright.sync_api import Page, expect
from test_player_in_browser import DECODE
from test_studio_in_browser import CONTRAST

from savg.annotation import ClipLabels

COUNT = 45
PLAYER = "window.savgPlayers['savg-sample'].state()"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("browse")
    videos: dict[int, Path] = {}
    bench_sets.write_set(home / "built", COUNT, videos=videos)
    bench_sets.write_set(home / "built", 6, split="eval", videos=videos)
    bench_sets.write_set(home / "published", 8, built=False, boxes=True, videos=videos)
    studio_fakes.scene(0).write(home / "examples" / "1_speaker_on_the_left.mp4")
    return home


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    program = [str(ROOT / "tests" / "studio_fakes.py"), str(home / "examples")]
    folders = [home / "built", home / "published", home / "gone"]
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SAVG_DATA", ":".join(map(str, folders)))
            address = stack.enter_context(served(program, home))
        yield address


class Reader(Visitor):
    """A visitor of the Dataset tab."""

    def browse(self) -> None:
        self.arrive()
        self.tab("Dataset")
        self.page.wait_for_selector("#savg-dataset-gallery .sb-tile")
        self.ready()

    def ready(self, name: str | None = None) -> dict:
        self.page.wait_for_function(
            "n => { const p = (window.savgPlayers || {})['savg-sample']; if (!p) return false;"
            " const s = p.state(); return s.ready && (!n || s.id === n); }",
            arg=name,
        )
        return self.page.evaluate(PLAYER)

    def names(self) -> list[str]:
        tiles = self.page.locator("#savg-dataset-gallery .sb-tile")
        return tiles.evaluate_all("all => all.map(t => t.dataset.name)")

    def count(self, words: str) -> None:
        self.page.wait_for_function(
            "w => document.querySelector('.sb-count').textContent.startsWith(w)", arg=words
        )

    def choose(self, control: str, option: str) -> None:
        self.page.locator(f"#savg-dataset-{control} input").first.click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def chip(self, control: str, option: str) -> None:
        group = self.page.locator(f"#savg-dataset-{control}")
        group.locator("label").filter(has_text=option).click()

    def key(self, key: str) -> None:
        self.page.evaluate("document.activeElement.blur()")
        self.page.keyboard.press(key)


@pytest.fixture
def reader(open_page, address: str) -> Iterator[Reader]:
    reader = Reader(open_page(), address)
    reader.browse()
    yield reader
    reader.page.close()
    assert reader.off_host() == []
    assert reader.problems == []


def in_order() -> list[str]:
    return sorted(record.name for record in bench_sets.clips(COUNT))


def test_the_first_page_opens_with_its_first_clip(reader: Reader) -> None:
    assert reader.names() == in_order()[:20]
    expect(reader.page.locator(".sb-count")).to_have_text("45 clips: 30 speech, 15 instrument")
    assert reader.ready()["id"] == in_order()[0]
    expect(reader.page.locator("#savg-sample .sp-title")).to_have_text(in_order()[0])
    shown = (
        "() => [...document.querySelectorAll('.sb-tile img')].filter(i => i.naturalWidth).length"
    )
    reader.page.wait_for_function(f"({shown})() === 20")
    pressed = reader.page.locator(".sb-tile[aria-pressed=true]")
    assert pressed.count() == 1 and pressed.get_attribute("data-name") == in_order()[0]


def test_labels_lie_over_the_frame_at_their_time(reader: Reader) -> None:
    record = next(r for r in bench_sets.clips(COUNT) if r.active < 0.9 and r.name in reader.names())
    reader.page.locator(f".sb-tile[data-name='{record.name}']").click()
    annotation = reader.ready(record.name)["annotation"]
    labels = bench_sets.labels_of(record)
    assert [e["frame"] for e in annotation["events"]] == labels.frames.tolist()
    alpha = """([x, y]) => { const c = document.querySelector('#savg-sample canvas');
      const s = c.width / 256; const d = c.getContext('2d').getImageData(
        Math.round(x * s) - 2, Math.round(y * s) - 2, 5, 5).data;
      return Math.max(...d.filter((_, i) => i % 4 === 3)); }"""
    for time in (0.05, 1.25, 3.35, 4.85):
        reader.page.evaluate("t => window.savgPlayers['savg-sample'].seek(t)", time)
        reader.page.wait_for_function(f"Math.abs({PLAYER}.currentTime - {time}) < 0.01")
        reader.page.wait_for_timeout(120)
        frame = int(time * 10 + 1e-6)
        bands = reader.page.evaluate(PLAYER)["bands"]
        rows = [float(labels.x[k]) for k in range(len(labels)) if labels.frames[k] == frame]
        assert [band["x"] for band in bands] == rows
        dot = reader.page.locator("#savg-sample .sb-dot")
        assert dot.is_visible() == bool(rows)
        if not rows:
            assert reader.page.evaluate(alpha, [record.x, 80]) == 0
            continue
        assert reader.page.evaluate(alpha, [record.x, 80]) == 255  # the target
        assert reader.page.evaluate(alpha, [record.x, 20]) == 255  # the line
        side = 1 if record.x < 128 else -1
        assert 20 < reader.page.evaluate(alpha, [record.x + 30 * side, 20]) < 120  # the band
        assert reader.page.evaluate(alpha, [record.x + 60 * side, 20]) == 0
        place = reader.page.evaluate(
            """() => { const d = document.querySelector('#savg-sample .sb-dot').getBoundingClientRect(),
            b = document.querySelector('#savg-sample .sb-sphere').getBoundingClientRect();
            return (d.left + d.width / 2 - b.left) / b.width; }"""
        )
        assert place == pytest.approx(bands[0]["spot"][0], abs=0.01)
    cells = reader.page.locator("#savg-sample .sp-cell")
    kinds = cells.evaluate_all("all => all.map(c => c.dataset.kind)")
    assert kinds == ["label" if k in labels.frames else "none" for k in range(50)]


def test_it_plays_with_its_own_audio(reader: Reader) -> None:
    left = next(r for r in bench_sets.clips(COUNT) if r.x < 80 and r.name in reader.names())
    reader.page.locator(f".sb-tile[data-name='{left.name}']").click()
    state = reader.ready(left.name)
    heard = reader.page.evaluate(DECODE, state["source"])
    assert heard["channels"] == 2 and heard["left"] > heard["right"] + 3
    reader.page.locator("#savg-sample .sp-play").click()
    reader.page.wait_for_function(f"{PLAYER}.currentTime > 0.3 && !{PLAYER}.paused")
    reader.tab("Inspect")
    reader.page.wait_for_function(f"{PLAYER}.paused")


def test_filters_and_search(reader: Reader) -> None:
    reader.chip("category", "Instrument")
    reader.count("15 of 45 clips")
    wanted = sorted(r.name for r in bench_sets.clips(COUNT) if r.category == 1)
    assert reader.names() == wanted
    reader.chip("place", "Left")
    reader.count("0 of 45 clips")
    expect(reader.page.locator(".sb-empty")).to_have_text("No clip fits these filters.")
    assert reader.page.evaluate(PLAYER)["id"] is None
    reader.chip("category", "All")
    reader.count("15 of 45 clips")
    reader.chip("place", "All")
    reader.page.locator("#savg-dataset-search input, #savg-dataset-search textarea").fill("deg170")
    reader.count("9 of 45 clips")
    assert all("deg170" in name for name in reader.names())
    reader.page.wait_for_function(
        "document.querySelector('#savg-dataset-heading p').textContent.includes('9 of 45 clips')"
    )


def test_recording_view_and_order(reader: Reader) -> None:
    reader.page.locator("#savg-dataset-more button").first.click()
    reader.choose("recording", "fold4_room1_mix002")
    reader.count("15 of 45 clips")
    reader.choose("recording", "All")
    reader.count("45 clips")
    number = reader.page.locator("#savg-dataset-towards input[type=number]")
    number.fill("180")
    number.press("Tab")
    number = reader.page.locator("#savg-dataset-reach input[type=number]")
    number.fill("20")
    number.press("Tab")
    reader.count("18 of 45 clips")
    assert all("deg170" in name or "deg190" in name for name in reader.names())
    number.fill("180")
    number.press("Tab")
    reader.count("45 clips")
    reader.choose("order", "Loudest first")
    # whichever clip is open, the page that it is on is shown
    loudest = [r.name for r in sorted(bench_sets.clips(COUNT), key=lambda r: -r.level_db)]
    pages = [loudest[first : first + 20] for first in range(0, COUNT, 20)]
    reader.page.wait_for_function(
        "pages => { const names = [...document.querySelectorAll('#savg-dataset-gallery .sb-tile')]"
        ".map(tile => tile.dataset.name).join(); return pages.some(page => page.join() === names); }",
        arg=pages,
    )


def test_next_and_previous_by_button_and_key(reader: Reader) -> None:
    names = in_order()
    expect(reader.page.locator(".sb-step[data-step='-1']")).to_be_disabled()
    reader.page.locator(".sb-step[data-step='1']").click()
    reader.ready(names[1])
    reader.key("n")
    reader.ready(names[2])
    reader.key("p")
    reader.ready(names[1])
    expect(reader.page.locator(".sb-place")).to_have_text("2 of 45")
    reader.page.locator(".sb-tile").nth(19).click()
    reader.ready(names[19])
    reader.key("n")
    reader.ready(names[20])
    assert reader.names() == names[20:40]
    assert (
        reader.page.locator(".sb-tile[aria-pressed=true]").get_attribute("data-name") == names[20]
    )
    assert reader.page.locator(".sb-goto input").input_value() == "2"


def test_pages(reader: Reader) -> None:
    names = in_order()
    reader.page.locator("[data-page=last]").click()
    reader.page.wait_for_function("document.querySelectorAll('.sb-tile').length === 5")
    assert reader.names() == names[40:]
    expect(reader.page.locator("[data-page=next]")).to_be_disabled()
    goto = reader.page.locator(".sb-goto input")
    goto.fill("2")
    goto.press("Enter")
    reader.page.wait_for_function("document.querySelectorAll('.sb-tile').length === 20")
    assert reader.names() == names[20:40]
    assert reader.ready()["id"] == names[0]  # paging leaves the open clip
    reader.page.locator(".sb-tile").first.focus()
    reader.page.keyboard.press("ArrowRight")
    assert reader.page.evaluate("document.activeElement.dataset.name") == names[21]
    reader.page.keyboard.press("PageUp")
    reader.page.wait_for_function(
        f"document.querySelector('.sb-tile').dataset.name === '{names[0]}'"
    )


def test_split_and_another_dataset(reader: Reader) -> None:
    reader.chip("split", "Evaluation")
    reader.count("6 clips")
    reader.choose("name", "published")
    reader.count("8 clips")
    reader.page.wait_for_selector("#savg-dataset-split", state="hidden")
    state = reader.ready(sorted(r.name for r in bench_sets.clips(8))[0])
    assert state["annotation"]["boxes"] and state["annotation"]["events"][0]["matched"] is True
    expect(reader.page.locator("#savg-sample [data-layer=boxes]")).to_be_visible()
    expect(reader.page.locator(".sb-panorama figcaption")).to_contain_text("among all directions")
    reader.page.wait_for_selector("#savg-dataset-plot-levels", state="hidden")
    reader.choose("name", "gone")
    line = reader.page.locator("#savg-dataset-notice [role=alert]")
    line.wait_for()
    expect(line).to_contain_text("“gone” holds no clips")
    reader.choose("name", "built")
    reader.count("45 clips")
    line.wait_for(state="hidden")


def test_statistics_and_inspect(reader: Reader) -> None:
    reader.page.wait_for_selector("#savg-dataset-plot-levels .js-plotly-plot .bars")
    drawn = reader.page.locator("#savg-dataset-plots .js-plotly-plot")
    assert drawn.count() == 6
    reader.page.locator(".sb-inspect").click()
    reader.wait_for_player()
    expect(reader.page.locator("#savg-player .sp-title")).to_have_text(in_order()[0])
    assert reader.state()["annotation"]["boxes"]  # found by the detector, not the set's


def test_downloads_are_the_sets_files(reader: Reader, home: Path, tmp_path: Path) -> None:
    link = reader.page.locator("#savg-sample .sp-downloads a").nth(1)
    answer = reader.page.request.get(link.evaluate("a => a.href"))
    (tmp_path / "labels.csv").write_bytes(answer.body())
    record = next(r for r in bench_sets.clips(COUNT) if r.name == in_order()[0])
    assert (
        ClipLabels.read_csv(tmp_path / "labels.csv").x.tolist()
        == bench_sets.labels_of(record).x.tolist()
    )
    for path in (home / "built" / "manifest.json", next((home / "built").rglob("*.mp4"))):
        url = f"{reader.address}/gradio_api/file={path}"
        assert reader.page.request.get(url).status in (403, 404)


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen(open_page, address: str, tmp_path: Path, width: int) -> None:
    page = open_page(width, 844, "dark" if width == 390 else "light")
    reader = Reader(page, address)
    reader.browse()
    for scheme in reader.schemes():
        assert_it_fits(page, width, tmp_path / f"{width}-{scheme}.png")
    page.close()
    assert reader.problems == [] and reader.off_host() == []


def assert_it_fits(page: Page, width: int, shot: Path) -> None:
    """Nothing is cut off, too small to hit, without a name or hard to read; `shot` shows it."""
    page.wait_for_selector("#savg-dataset-plot-levels .js-plotly-plot .bars")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    stage = page.locator("#savg-sample .sp-stage").bounding_box()
    assert stage["width"] > 0.5 * min(width, 700)
    assert stage["width"] / stage["height"] == pytest.approx(256 / 144, rel=0.02)
    small = page.evaluate(
        "() => [...document.querySelectorAll('.sb-page, .sb-step, .sb-tile, #savg-sample .sp-controls "
        "button')].filter(b => { const r = b.getBoundingClientRect(); "
        "return b.offsetParent && (r.height < 28 || r.width < 28); }).length"
    )
    assert small == 0
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('.sb button, .sb input, .sb-side button, .sb-side a')]
        .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.closest('label')))
        .map(e => e.outerHTML)"""
    )
    assert nameless == []
    words = (".sb-count", ".sb-name", ".sb-note", ".sb-facts dt", ".sb-facts dd", ".sb-place",
             ".sb-panorama figcaption", ".sb-goto", ".sb-title p", ".sb-chips label")  # fmt: skip
    script = CONTRAST.split("for (const q of [")[0] + f"for (const q of {list(words)}) {{"
    contrast = page.evaluate(script + CONTRAST.split("]) {", 1)[1])
    assert min(contrast.values()) >= 4.5, contrast
    page.screenshot(path=shot, full_page=True)
    assert shot.stat().st_size > 20_000


def test_without_a_dataset_it_says_how_to_make_one(visitor: Visitor) -> None:
    visitor.tab("Dataset")
    code = visitor.page.locator(".sb-start pre")
    code.wait_for()
    assert code.inner_text().splitlines()[-1] == "SAVG_DATA=clips python app.py"
    visitor.page.locator(".sb-copy").click()
    visitor.page.wait_for_function(
        "/^(Copied|Selected)/.test(document.querySelector('.sb-copy').textContent)"
    )
