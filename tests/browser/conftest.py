"""A headless browser, and studios on free ports of this machine for it to visit."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import studio_fakes
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chrome() -> str:
    """The browser's program, or a failure that says what to do."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("CHROME") or next(filter(None, map(shutil.which, names)), None)
    if not found or not Path(found).exists():
        pytest.fail(
            "No Chromium was found: `make test` installs one, or name yours in the variable CHROME."
        )
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@contextmanager
def served(program: list[str], folder: Path) -> Iterator[str]:
    """The address of a studio that runs as a program of its own until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
    }
    log = folder / "studio.log"
    address = f"http://127.0.0.1:{port}"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, *program], env=env, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 180
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"The studio did not start:\n{log.read_text()}")
            time.sleep(0.3)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """The browser's own profile, which keeps compiled scripts: pages come in half of the time."""
    folder = tmp_path_factory.mktemp("profile")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch_persistent_context(
            folder, executable_path=chrome(), args=FLAGS
        )
        yield opened
        assert opened.browser is not None
        opened.browser.close()  # a context's own close needs an event loop, which other tests may end


@pytest.fixture(scope="session")
def browser(profile: BrowserContext) -> Browser:
    """For visitors who have nothing in common, each in a context of its own."""
    assert profile.browser is not None
    return profile.browser


@pytest.fixture
def open_page(profile: BrowserContext) -> Iterator[Callable[..., Page]]:
    """Opens the one page of a test, in which no site remembers an earlier one."""
    opened: list[Page] = []

    def open_one(width: int = 1280, height: int = 900, scheme: str = "light") -> Page:
        assert not opened, "a second visitor needs a context of its own"
        page = profile.new_page()
        opened.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        session = profile.new_cdp_session(page)
        session.send("Storage.clearCookies")
        session.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": REMEMBERED})
        session.detach()
        return page

    yield open_one
    for page in opened:
        page.close()


REMEMBERED = "cookies,file_systems,indexeddb,local_storage,websql,service_workers,cache_storage"
"""What a site keeps in a profile; the cache of its files stays."""


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A studio on stand-ins for the networks, with one example on either side."""
    folder = tmp_path_factory.mktemp("studio")
    examples = folder / "examples"
    studio_fakes.scene(0).write(examples / "1_speaker_on_the_left.mp4")
    studio_fakes.scene(1).write(examples / "2_speaker_on_the_right.mp4")
    program = [str(ROOT / "tests" / "studio_fakes.py"), str(examples)]
    with served(program, folder) as address:
        yield address


SHOWN = """() => [window.savgPlayer && window.savgPlayer.state().source,
    document.querySelector("#savg-player .sp-downloads a[download$='-overlay.mp4']")?.href]"""
"""Addresses of the clip that is shown and of its overlay video, the last of its files."""


class Visitor:
    """A page, with everything it asked for and complained about."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.example: int | None = None
        page.on("request", lambda r: self.requests.append(r.url))
        page.on("pageerror", lambda e: self.problems.append(str(e)))
        page.on("dialog", lambda d: (self.problems.append(f"dialog {d.message}"), d.dismiss()))
        page.set_default_timeout(120_000)  # a busy machine draws a plot slowly
        expect.set_options(timeout=30_000)

    def off_host(self) -> list[str]:
        """Requests to anybody but the studio."""
        own = (self.address, "data:", "blob:")
        return [url for url in self.requests if not url.startswith(own)]

    def arrive(self) -> None:
        self.page.goto(self.address)
        self.page.wait_for_selector("#savg-go")
        self.page.wait_for_selector("#savg-progress .sg-hint:not(:empty)", state="attached")

    def schemes(self) -> Iterator[str]:
        """The system's colours become "light" and then "dark", which the page follows."""
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            self.page.wait_for_function(
                "dark => document.body.classList.contains('dark') === dark"
                " && !document.getAnimations().some(a => a instanceof CSSTransition)",
                arg=scheme == "dark",
            )
            yield scheme

    def tab(self, name: str) -> None:
        """Open a tab; each is visible, on a narrow page in a second row."""
        self.page.get_by_role("tab", name=name).click()

    def open_example(self, number: int = 0) -> dict:
        """Open an example in Inspect and wait until its picture and all its files are there."""
        self.tab("Inspect")
        before = self.page.evaluate(SHOWN)
        self.page.locator("#savg-inspect-shelf .sv-thumb").nth(number).click()
        if number != self.example:  # what is there already belongs to the clip before
            self.page.wait_for_function(
                f"before => {{ const now = ({SHOWN})();"
                " return now.every((place, i) => place && place !== before[i]); }",
                arg=before,
            )
        self.example = number
        self.wait_for_player()
        self.page.evaluate("document.activeElement.blur()")
        return self.state()["annotation"]

    def wait_for_player(self) -> None:
        self.page.wait_for_function("window.savgPlayer && window.savgPlayer.state().ready")

    def state(self) -> dict:
        return self.page.evaluate("window.savgPlayer.state()")

    def seek(self, seconds: float) -> dict:
        """Go to a time; the state once the picture of that time is on screen."""
        self.page.evaluate("t => window.savgPlayer.seek(t)", seconds)
        self.page.wait_for_function(
            """t => { const s = window.savgPlayer.state(), rate = s.annotation.format.fps;
            return s.ready && Math.abs(s.currentTime - t) < 0.01
            && s.frame === Math.floor(t * rate + 1e-6); }""",
            arg=seconds,
        )
        return self.state()


def arrived(page: Page, address: str) -> Visitor:
    """A visitor whose page shows the studio."""
    visit = Visitor(page, address)
    visit.arrive()
    return visit


@pytest.fixture
def visitor(open_page: Callable[..., Page], studio: str) -> Iterator[Visitor]:
    """A visitor of the stand-in studio; afterwards nothing may have gone wrong or off-host."""
    visit = arrived(open_page(), studio)
    yield visit
    visit.page.close()
    assert visit.off_host() == []
    assert visit.problems == []
