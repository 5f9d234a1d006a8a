"""The Results tab in a browser: figures and tables come, simulated data are marked."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Visitor, served
from playwright.sync_api import Page, expect

EVIL = '<img src=x onerror="document.title=1">'


def interval(value: float) -> dict[str, float | None]:
    return {"estimate": value, "low": value - 0.3, "high": value + 0.3, "error": 0.1, "freedom": 5}


def report(name: str, simulated: bool) -> dict[str, object]:
    """The least that a report needs."""
    labels = ["Bad", "Poor", "Fair", "Good", "Excellent"]
    conditions = [
        {"name": n, "mos": interval(v), "two_way": interval(v), "ratings": 30, "clips": 10,
         "scores": [2, 8, 10, 8, 2]}
        for n, v in (("joint", 3.0), (EVIL, 2.0))
    ]  # fmt: skip
    difference = {"first": "joint", "second": EVIL, "main": interval(1.0)}
    return {
        "study": {"name": name, "labels": labels, "question": "How well?",
                  "conditions": [{"trials": 10}, {"trials": 10}], "anchors": [{"trials": 2}],
                  "repeats": 2, "catch": 1, "level": "left_right"},
        "simulated": simulated,
        "flow": {"invited": 6, "analysed": 6, "of these flagged": 0},
        "conditions": conditions,
        "differences": [difference | {"without_flagged": None, "mixed": None}],
        "warnings": ["Only 6 listeners."],
        "without_flagged": [],
        "mixed": None,
        "plan": None,
        "spatial": {},
        "flags": {},
        "listeners": {},
        "levels": {},
        "repeats": {"pairs": 3, "equal": 0.5, "within_one": 1.0, "rating_sd": 0.4},
        "alpha": 0.5,
    }  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("results")
    for name, simulated in (("spring", False), ("rehearsal", True)):
        (folder / name).mkdir()
        file = "simulated-report.json" if simulated else "report.json"
        (folder / name / file).write_text(json.dumps(report(name, simulated)))
    os.environ["SAVG_REPORTS"] = str(folder)
    try:
        with served([str(ROOT / "tests" / "studio_fakes.py")], folder) as address:
            yield address
    finally:
        del os.environ["SAVG_REPORTS"]


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_reports_and_benchmarks(
    open_page: Callable[..., Page], address: str, width: int, theme: str
) -> None:
    page = open_page(width, 850)
    page.set_default_timeout(120_000)
    expect.set_options(timeout=60_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{address}/?__theme={theme}")
    page.wait_for_selector("#savg-header")
    Visitor(page, address).tab("Results")
    page.wait_for_selector("#savg-results-plot-mos .main-svg")
    methods = page.locator("#savg-results-methods")
    expect(methods).to_contain_text("python -m benchmarks.demo_quality")
    expect(methods).not_to_contain_text("1265.91")
    expect(page.locator("#savg-results-published")).to_contain_text("1265.91")
    head = page.locator("#savg-results-head")
    expect(head).to_contain_text("Listening test spring")
    expect(head).to_contain_text(EVIL)
    expect(head.locator(".rb-badge")).to_be_hidden()
    page.locator("#savg-results-report input").click()
    page.get_by_text("rehearsal (simulated listeners)").first.click()
    expect(head.locator(".rb-badge")).to_contain_text("SIMULATED")
    expect(page.locator("#savg-results-more .rb-badge")).to_contain_text("SIMULATED")
    expect(page.locator("#savg-results-plot-mos")).to_contain_text("SIMULATED")
    with page.expect_download() as started:
        page.get_by_role("link", name="Results JSON").click()
    assert started.value.suggested_filename == "simulated-results.json"
    kept = json.loads(Path(started.value.path()).read_text())
    assert kept["simulated"] and kept["conditions"][0]["name"] == "joint"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.title() == "SAVG Studio" and page.locator("img[src='x']").count() == 0
    assert wrong == []
    page.close()
