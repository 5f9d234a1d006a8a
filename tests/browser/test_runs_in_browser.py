"""Runs of `evaluate` side by side in a browser: intervals, dots, a click that opens a clip."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import evaluation_runs
import pytest
import studio_fakes
from conftest import ROOT, Visitor, served
from evaluation_runs import EVIL
from playwright.sync_api import Page, expect

NAMES = [f"joint_seed0_{i:04}" for i in range(12)]
OTHERS = [name.replace("joint", "two_stage") for name in NAMES]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("runs")
    work = folder / "work"
    for clips, name, seed, value in (
        (NAMES, "joint", 0, 0.55),
        (OTHERS, "two-stage", 1, 0.4),
        (OTHERS, f"other {EVIL}", 2, 0.3),
    ):
        mode = "official" if seed == 2 else "standard"
        one = evaluation_runs.run(name, clips, mode, seed, value, f"../clips{seed}")
        evaluation_runs.write(work / f"results{seed}", one)
    for clips, seed in ((NAMES, 0), (OTHERS, 1)):
        (work / f"clips{seed}").mkdir()
        for i, name in enumerate(clips):
            studio_fakes.scene(i + seed).write(work / f"clips{seed}" / f"{name}.mp4")
    evaluation_runs.write_leaderboard(work / "leaderboard.json")
    os.environ["SAVG_RESULTS"] = str(work)
    try:
        with served([str(ROOT / "tests" / "studio_fakes.py")], folder) as address:
            yield address
    finally:
        del os.environ["SAVG_RESULTS"]


class Comparer(Visitor):
    """A visitor of the comparison of runs."""

    def compare(self) -> None:
        self.page.wait_for_selector("#savg-header")
        self.tab("Results")
        self.page.wait_for_selector("#savg-results-pairs .rp-dot")

    def choose(self, control: str, option: str) -> None:
        self.page.locator(f"#savg-results-{control} input").first.click()
        self.page.get_by_role("option", name=option, exact=False).first.click()


@pytest.fixture
def comparer(open_page: Callable[..., Page], address: str) -> Iterator[Comparer]:
    page = open_page()
    expect.set_options(timeout=60_000)
    comparer = Comparer(page, address)
    page.goto(address)
    comparer.compare()
    yield comparer
    page.close()
    assert comparer.off_host() == []
    assert comparer.problems == []


def test_two_runs_stand_side_by_side(comparer: Comparer) -> None:
    page = comparer.page
    table = page.locator("#savg-results-runs-table table").first
    expect(table).to_contain_text("joint, 12 clips")
    expect(table).to_contain_text("0.550 (0.490 … 0.600)")
    expect(table).to_contain_text("0.400 (0.340 … 0.450)")
    expect(table).to_contain_text("chance: centre")
    expect(page.locator("#savg-results-runs-table")).to_contain_text(evaluation_runs.WARNING)
    expect(page.locator("#savg-results-runs-table")).to_contain_text("Clip by clip, first two runs")
    expect(page.locator("#savg-results-pairs .rp-dot")).to_have_count(11)
    page.wait_for_selector("#savg-results-plot-runs .main-svg")
    expect(page.locator("#savg-results-plot-runs")).to_contain_text("Spatial AV-Align, 95 %")
    comparer.choose("column", "ild (dB)")
    expect(page.locator("#savg-results-pairs h4")).to_have_text("ild (dB), clip by clip")
    expect(page.locator("#savg-results-pairs .rp-dot")).to_have_count(12)
    board = page.locator("#savg-results-leaderboard")
    expect(board).to_contain_text("0.620 (0.600 … 0.640) best by chance: centre 0.610")
    expect(board).to_contain_text("Nothing is compared across modes")
    hash_ = board.locator("abbr").first
    expect(hash_).to_have_text(evaluation_runs.SHA[:12])
    expect(hash_).to_have_attribute("title", evaluation_runs.SHA)


def test_a_click_opens_the_clip_in_inspect(comparer: Comparer) -> None:
    page = comparer.page
    dots = page.locator("#savg-results-pairs .rp-dot")
    label = str(dots.nth(4).get_attribute("aria-label"))
    name = label.partition(":")[0]
    dots.nth(4).click(force=True)
    comparer.wait_for_player()
    expect(page.locator("#savg-player .sp-title")).to_have_text(name)
    shelf = page.locator("#savg-inspect-shelf")
    expect(shelf).to_contain_text(name)
    expect(shelf).to_contain_text(name.replace("joint", "two_stage"))


def test_dots_work_by_keyboard(comparer: Comparer) -> None:
    page = comparer.page
    page.locator("#savg-results-pairs .rp-dot[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    label = str(page.evaluate("document.activeElement.getAttribute('aria-label')"))
    expect(page.locator("#savg-results-pairs .rp-now")).to_contain_text(label.partition(":")[0])
    assert page.locator("#savg-results-pairs .rp-dot[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    comparer.wait_for_player()
    expect(page.locator("#savg-player .sp-title")).to_have_text(label.partition(":")[0])


def test_modes_are_not_compared(comparer: Comparer) -> None:
    page = comparer.page
    comparer.choose("runs", "official")
    note = page.locator("#savg-results-runs-table .rb-notes")
    expect(note).to_contain_text("Nothing is compared across modes")
    expect(page.locator("#savg-results-pairs .rp")).to_be_hidden()
    expect(page.locator("#savg-results-plot-runs")).to_be_hidden()
    assert page.locator("img[src='x']").count() == 0


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (390, "light"), (390, "dark")])
def test_it_fits(
    open_page: Callable[..., Page], address: str, tmp_path: Path, width: int, theme: str
) -> None:
    page = open_page(width, 850)
    comparer = Comparer(page, address)
    page.goto(f"{address}/?__theme={theme}")
    comparer.compare()
    page.wait_for_selector("#savg-results-plot-runs .main-svg")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#savg-results-pairs svg").bounding_box()
    assert box is not None and box["width"] > 0.6 * min(width, 500)
    where = Path(os.environ.get("SAVG_SHOTS", str(tmp_path)))
    page.screenshot(path=where / f"runs-{width}-{theme}.png", full_page=True)
    page.close()
    assert comparer.problems == [] and comparer.off_host() == []
