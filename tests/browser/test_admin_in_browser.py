"""An organiser's work in a browser: log in, make a study, invite, watch, exclude, export, report."""

from __future__ import annotations

import csv
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from mos_clips import write_folder
from mos_organiser import PASSWORD, Clock, rate, screen
from playwright.sync_api import Browser, BrowserContext, Page, expect

from savg.mos import session
from savg.mos.study.folder import StudyFolder, open_folder
from savg.mos.web.app import listening_app
from savg.mos.web.studies import Studies
from savg.web.server import listening_socket

NAMES = ("joint", "two_stage", "ground_truth")
PATIENCE = 240_000


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Folders of short clips, and one for studies."""
    for i, name in enumerate(NAMES):
        write_folder(tmp_path / "clips" / name, 8, 10 * i)
    (tmp_path / "studies").mkdir()
    return tmp_path


@pytest.fixture
def address(place: Path) -> Iterator[str]:
    """A server of these studies."""
    studies = Studies(root=place / "studies")
    bound = listening_socket("127.0.0.1", 0)
    config = uvicorn.Config(listening_app(studies, PASSWORD, [place / "clips"]), log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def context(browser: Browser, address: str) -> Iterator[BrowserContext]:
    made = browser.new_context(
        viewport={"width": 1280, "height": 900}, timezone_id="Asia/Tokyo", locale="en-GB"
    )
    made.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, address: str) -> Iterator[Page]:
    """A page on which nothing may fail, be blocked, or come from elsewhere."""
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on(
        "console", lambda m: problems.append(m.text) if "status of 40" not in m.text else None
    )
    opened.on(
        "request",
        lambda r: None if r.url.startswith((address, "blob:", "data:")) else problems.append(r.url),
    )
    yield opened
    assert problems == []


def log_in(page: Page) -> None:
    page.get_by_label("Your name").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def choose_study(page: Page) -> None:
    """Fill in the form for a small study."""
    page.get_by_role("link", name="New study").first.click()
    page.get_by_label("Name", exact=True).first.fill("lab")
    for i, name in enumerate(NAMES):
        page.locator(f"#folder{i}").select_option(f"clips/{name}")
        expect(page.locator(f"#condition{i}")).to_have_value(name)
    expect(page.locator('input[name="reference"][value="2"]')).to_be_checked()
    for label, value in (
        ("Trials", 6),
        ("Anchor trials", 1),
        ("Practice clips", 2),
        ("Repeats", 0),
        ("Catch trials", 1),
    ):
        page.get_by_label(label, exact=True).fill(str(value))
    page.get_by_text("Clips and chance").click()
    page.locator("#o-size").fill("64")


@pytest.mark.slow
def test_the_whole_work_of_an_organiser(page: Page, address: str, place: Path) -> None:
    page.goto(f"{address}/admin/studies/lab")
    log_in(page)
    expect(page.get_by_role("alert")).to_have_text("There is no such study.")
    page.goto(f"{address}/admin")
    choose_study(page)
    page.get_by_role("button", name="Make the study").click()
    expect(page.get_by_text("is being made", exact=False).first).to_be_visible()
    page.get_by_role("link", name="open it").click()
    expect(page.get_by_text("Nobody is invited yet")).to_be_visible()

    page.get_by_role("link", name="Make links").click()
    page.get_by_label("How many").fill("2")
    page.get_by_role("button", name="Make links").click()
    links = page.locator("#new-links a").all_text_contents()
    assert len(links) == 2 and all(a.startswith(f"{address}/listen/lab#") for a in links)
    page.get_by_role("button", name="Copy all").click()
    expect(page.locator("#links-said")).to_contain_text("Copied 2 links")
    assert page.evaluate("navigator.clipboard.readText()").split("\n") == links
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "lab-links.csv"
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    assert [r["link"] for r in rows] == links

    page.get_by_role("link", name="lab", exact=True).click()
    clock = Clock()
    folder = open_folder(place / "studies" / "lab", clock=clock)
    watch(page, folder, clock, rows)
    page.get_by_role("link", name=rows[0]["code"]).first.click()
    page.get_by_label("Reason").fill("came too late <b>")
    page.get_by_role("button", name="Exclude").click()
    expect(page.locator(".trail")).to_contain_text("Excluded by ann")
    expect(page.locator(".trail .said")).to_have_text("came too late <b>")

    page.get_by_role("link", name="lab", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        names = {name.split("/")[1] for name in archive.namelist()}
    assert {"report.html", "ratings.csv", "participants.csv", "design.json"} <= names
    page.get_by_role("link", name="Report").click()
    expect(page.get_by_role("heading", name="Mean opinion scores")).to_be_visible()
    expect(page.locator("figure svg").first).to_be_visible()
    expect(page.get_by_text("Only 1 listeners")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    folder.store.close()


def watch(page: Page, folder: StudyFolder, clock: Clock, rows: list[dict[str, str]]) -> None:
    """Two listeners come through while the page stands still."""
    page.evaluate("window.stays = true")
    tokens = [row["link"].partition("#")[2] for row in rows]
    screen(folder.store, tokens[0])
    rate(folder.store, tokens[0], clock, stop=4)
    row = page.locator("tr", has_text=rows[0]["code"])
    expect(row).to_contain_text("4 of 11")
    expect(row).to_contain_text("in trials")
    expect(row.locator("time")).to_contain_text("15 Nov 2023, 07:")  # in Tokyo
    page.locator("#unused summary").click()
    for token in tokens:
        if token != tokens[0]:
            screen(folder.store, token)
        rate(folder.store, token, clock)
        for key, text in (("hearing", "no"), ("remarks", "")):
            session.answer_question(folder.store, token, key, text)
    expect(page.locator(".tile", has_text="done")).to_contain_text("2")
    expect(page.locator("tr", has_text=rows[1]["code"])).to_contain_text("11 of 11")
    assert page.evaluate("window.stays")


def test_pages_fit_a_phone_and_the_keyboard(browser: Browser, address: str, place: Path) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    for path in ("", "new", "studies/none"):
        page.goto(f"{address}/admin/{path}")
        if not path:
            log_in(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    page.goto(f"{address}/admin/new")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    unnamed = page.evaluate(
        """[...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a")]
        .filter(e => !(e.labels?.length || e.textContent.trim() || e.ariaLabel)).length"""
    )
    assert unnamed == 0
    context.close()
