"""A visitor's first minutes on stand-ins: a finished clip, examples on a click, a link, a reload."""

from __future__ import annotations

from conftest import Visitor
from playwright.sync_api import expect
from test_both_in_browser import RESOUND, both, guest

__all__ = ["both", "guest"]

VIEW = "window.savgPlayers['savg-view'].state()"
TITLE = "document.querySelector('#savg-view .sp-title').textContent"


def test_examples_do_something_on_a_click(guest: Visitor) -> None:
    page = guest.page
    page.locator("#savg-tour summary").click()
    expect(page.get_by_text("Uninformative", exact=True)).to_be_visible()
    page.locator("#savg-tour summary").click()
    page.wait_for_function(f"{VIEW}.annotation && {VIEW}.ready")
    expect(page.locator("#savg-view .sp-title")).to_have_text("1 speaker on the left")
    expect(page.locator("#savg-view .sp-distance")).to_contain_text("px (")
    page.locator("#savg-view .sp-play").click()
    page.wait_for_function(f"{VIEW}.currentTime > 0.2")
    page.locator(".se-card[data-id=second]").click()
    page.wait_for_function(f"{TITLE} === 'Seed 3' && !{VIEW}.paused && {VIEW}.currentTime > 0.2")
    expect(page.locator("#savg-estimate")).to_contain_text("Takes about")
    for image in page.locator(".se-card img").all():
        assert image.evaluate("i => i.complete && i.naturalWidth > 0")
    assert page.locator(".se-card .se-blank").count() <= 2  # of stand-ins without bundled clips
    page.locator(".se-card[data-id=scene]").click()
    guest.wait_for_player()
    expect(page.locator("#savg-player .sp-title")).to_have_text("Furnished room, scene 12")
    guest.tab("Video to audio")  # where a pipeline is chosen that a silent video does not suffice
    page.locator("#savg-resound-pipeline input").click()
    page.get_by_role("option", name="StereoSync").click()
    page.wait_for_selector("#savg-resound-semantic input", state="visible")
    guest.tab("Generate")
    page.locator(".se-card[data-id=audio]").click()
    page.wait_for_function(f"{RESOUND} && {RESOUND}.state().ready")
    expect(page.locator("#savg-resound .sp-title")).to_contain_text("silent")
    assert page.locator("#savg-resound .ss-choice").count() == 1
    expect(page.locator("#savg-resound-pipeline input")).to_have_value("Two stand-ins")
    expect(page.locator("#savg-resound-semantic input")).to_be_hidden()


def test_a_link_makes_its_clip_and_a_reload_keeps_it(guest: Visitor) -> None:
    page = guest.page
    page.goto(f"{guest.address}/?pipeline=fake&seed=5&steps=6&clips=2")
    page.wait_for_function(
        "document.querySelector('#savg-progress .sg-text')?.textContent.startsWith('Done: 2')"
    )
    page.wait_for_function("document.querySelectorAll('.sv-card').length === 2")
    command = page.locator("#savg-view [data-is=command]").inner_text()
    assert command.startswith("python -m savg generate --pipeline fake --seed 5 --steps 6")
    page.wait_for_timeout(500)  # for the browser to keep the shelf
    page.goto(f"{guest.address}/?pipeline=fake&seed=5&steps=6&clips=2")
    page.wait_for_function("document.querySelectorAll('.sv-card').length === 2")
    page.wait_for_function(f"{TITLE} === 'Seed 5, clip 2'")
    page.wait_for_timeout(500)
    assert page.locator("#savg-go").is_enabled()  # it is there already: nothing is made again
    page.goto(f"{guest.address}/?pipeline=nobody")
    notice = page.locator("#savg-generate-notice [role=alert]")
    notice.wait_for()
    expect(notice).to_contain_text("pipeline must be one of fake, second, got 'nobody'")


def test_tabs_and_lists_serve_a_phone_and_the_keyboard(guest: Visitor) -> None:
    page = guest.page
    page.set_viewport_size({"width": 390, "height": 850})
    for tab in page.get_by_role("tab").all():
        assert tab.is_visible(), tab.inner_text()
    assert page.locator(".overflow-menu > button:visible").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    field = page.locator("#savg-pipeline input")
    for keys in (["Tab"], ["Shift+Tab"], ["ArrowDown", "Tab"], ["Shift+Tab"]):
        field.focus()
        page.wait_for_selector("#savg-pipeline [role=listbox]")
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_selector("#savg-pipeline [role=listbox]", state="detached")
