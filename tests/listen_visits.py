"""A listener with a headless browser, and what every visit must keep to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from listen_studies import CONDITIONS, Server, answers_of
from playwright.sync_api import Browser, Page

from savg.mos.storage.rows import Link
from savg.mos.study.folder import StudyFolder

SECRET = re.compile("|".join((*CONDITIONS, "swapped", "mono\\b", "catch", "anchor", "reference")))
"""Words that would tell a listener what a clip is."""

PATIENCE = 90_000
"""Milliseconds: the machine that tests may be busy."""

UNLOCKED = "fieldset.choices:enabled"


class Visit:
    """A browser window of one listener, with everything it asked for and complained about."""

    def __init__(self, browser: Browser, server: Server, study: StudyFolder, **window: Any) -> None:
        self.server, self.study = server, study
        self.link: Link = study.store.invite(study.name)[0]
        self.right = answers_of(study)
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **window})
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.page = self.window()

    def window(self) -> Page:
        """Another window of the same browser."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda r: self.requests.append(r.url))
        page.on("pageerror", lambda e: self.problems.append(str(e)))
        page.on("console", lambda m: m.type == "error" and self.noted(m.text))
        return page

    def noted(self, text: str) -> None:
        if (
            "Failed to load resource" not in text
        ):  # a refusal or a lost connection, told by Chromium
            self.problems.append(text)

    @property
    def address(self) -> str:
        return f"{self.server.address}/listen/{self.study.name}#{self.link.token}"

    def arrive(self, page: Page | None = None) -> None:
        page = page or self.page
        page.goto("about:blank")
        page.goto(self.address)
        page.wait_for_function("() => document.querySelector('#main').dataset.page")

    def shown(self) -> str:
        """The name of the page that is shown."""
        return self.page.evaluate("document.querySelector('#main').dataset.page")

    def wait_for(self, name: str, page: Page | None = None) -> None:
        (page or self.page).wait_for_function(
            "name => (document.querySelector('#main').dataset.page || '').startsWith(name)",
            arg=name,
        )

    def wait_for_change(self, before: str) -> str:
        self.page.wait_for_function(
            "before => document.querySelector('#main').dataset.page !== before", arg=before
        )
        return self.shown()

    def agree(self) -> None:
        self.wait_for("welcome")
        self.page.select_option("[name=headphones]", index=1)
        self.page.select_option("[name=link]", index=1)
        self.page.check("#agree")
        self.page.click("button.primary")

    def onward(self) -> None:
        """Press the button that leads on."""
        self.page.click("button.primary")

    def screening(self, *, wrong: bool = False) -> str:
        """Hear and answer all sounds of the screening; the page that comes after it."""
        while (name := self.shown()).startswith(("set-up", "screening")):
            if name.startswith("screening volume"):
                self.page.click(".sound")
                self.page.wait_for_selector("button.primary[aria-disabled=false]")
            elif name.startswith("screening"):
                if name.endswith("/0"):
                    self.page.click(".sound:enabled")
                self.page.wait_for_selector(UNLOCKED)
                answer = self.right[self.heard()]
                choice = f"input:not([value='{answer}'])" if wrong else f"input[value='{answer}']"
                self.page.locator(choice).first.check(force=True)
            self.onward()
            self.wait_for_change(name)
        return self.shown()

    def heard(self) -> str:
        """The media name that was asked for last."""
        return next(u for u in reversed(self.requests) if "/api/media/" in u).rsplit("/", 1)[1]

    def heading(self) -> str:
        return self.page.inner_text("h1")

    def wait_for_heading(self, text: str, page: Page | None = None) -> None:
        (page or self.page).wait_for_function(
            "text => document.querySelector('h1').textContent.startsWith(text)", arg=text
        )

    def rate(self, score: int) -> None:
        """Choose as soon as the clip was heard, by a key."""
        self.page.wait_for_selector(UNLOCKED)
        self.page.keyboard.press(str(score))
        assert self.page.locator("fieldset.choices input:checked").input_value() == str(score)

    def go(self) -> None:
        """Go on to the next clip, by a key, and wait until something else is shown."""
        before = [self.shown(), self.heading()]
        self.page.keyboard.press("Enter")
        self.page.wait_for_function(
            """before => { const h = document.querySelector('h1');
            return h && (document.querySelector('#main').dataset.page !== before[0]
            || h.textContent !== before[1]); }""",
            arg=before,
        )

    def scores(self) -> list[int]:
        """The listener's ratings in the database, by position."""
        rows = self.study.store.ratings(self.study.name)
        mine = [r for r in rows if r.participant == self.link.code]
        assert [r.position for r in mine] == list(range(len(mine)))
        return [r.score for r in mine]

    def status(self) -> str:
        people = self.study.store.participants(self.study.name)
        return next(p.status for p in people if p.code == self.link.code)

    def leave(self) -> None:
        """Close the browser; nothing may have gone wrong, off-host, or told a condition."""
        text = "" if self.page.is_closed() else self.page.content()
        self.context.close()
        assert self.problems == []
        for url in self.requests:
            if url.startswith("blob:"):
                url = url.removeprefix("blob:")
            assert url.startswith(self.server.address), url
            assert "?" not in url and not SECRET.search(url), url
            assert self.link.token not in url.partition("#")[0], url
        assert not SECRET.search(text) and self.link.token not in text


def shot(page: Page, name: str) -> None:
    """A picture of the page for somebody to look at, where a folder for it exists."""
    folder = Path(__file__).resolve().parents[1] / "runs" / "listen"
    if folder.is_dir():
        page.screenshot(path=str(folder / f"{name}.png"))
