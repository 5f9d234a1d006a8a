"""The layer before Gradio's routes, over HTTP: closed addresses, files, payloads, uploads."""

from __future__ import annotations

import http.client
import io
import shutil
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

import httpx
import pytest
import safehttpx
import studio_fakes
from starlette.datastructures import UploadFile
from studio_visits import API, Visit, serving

from savg.studio import Studio, build
from savg.studio.shared.guard import limits
from savg.studio.shared.guard.addresses import API as PREFIX
from savg.studio.shared.guard.addresses import is_fetching, is_open
from savg.studio.shared.guard.headers import StudioHeaders
from savg.studio.shared.guard.uploads import UploadRoute, plain_name
from savg.studio.shared.library import VIDEO, media_url
from savg.studio.shared.storage import FULL, Storage
from savg.web.replies import Problem

ATTACK = b"<script>fetch('/admin')</script>"


class Stranger(BaseHTTPRequestHandler):
    """Another site; it notes who asks."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(ATTACK)

    do_HEAD = do_GET

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def stranger() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module", autouse=True)
def reachable() -> Iterator[None]:
    """Gradio fetches from public addresses alone; here this machine counts as one."""

    async def validate(host: str) -> str:
        return host

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(safehttpx, "async_validate_url", validate)
        yield


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    examples = tmp_path_factory.mktemp("examples")
    studio_fakes.scene(0).write(examples / "one.mp4")
    yield build(studio_fakes.services(seconds=0.001, examples=examples), datasets=())


@pytest.fixture(scope="module")
def address(studio: Studio) -> Iterator[str]:
    with serving(studio) as address:
        yield address


@pytest.fixture
def visit(address: str) -> Visit:
    return Visit(address)


def asked(
    address: str, method: str, path: str, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Status and body of a path that is sent as it is."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def test_without_the_layer_gradio_hands_on_a_strangers_page(stranger: str) -> None:
    studio = build(studio_fakes.services(seconds=0.001), datasets=())
    with serving(studio, app_kwargs={}) as address:
        status, body = asked(address, "GET", f"/gradio_api/file={stranger}/x.png")
    assert status == 200 and body == ATTACK and Stranger.asked == ["/x.png"]
    Stranger.asked.clear()


SPELLINGS = (
    "{url}",
    "{URL}",
    "{quoted}",
    "{twice}",
    "//{host}/x.png",
    "/\\{host}/x.png",
    "\\\\{host}\\x.png",
    "%20{url}",
    "%09{url}",
    "%00{url}",
    "file:///etc/passwd",
    "FiLe:/etc/passwd",
    "/etc/passwd",
    "../../etc/passwd",
    "ftp://{host}/x.png",
    "data:text/html,hello",
    "",
)

PREFIXES = (
    "/gradio_api/file=",
    "/gradio_api/file/",
    "/gradio_api/File=",
    "/gradio_api/proxy=",
    "/gradio_api/%66ile=",
    "/gradio_api/file%3D",
    "/gradio_api/%2566ile%253d",
    "/gradio_api//file=",
    "//gradio_api/file=",
    "/x/../gradio_api/file=",
    "/file=",
    "/proxy=",
)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_nothing_is_fetched_for_anybody(address: str, stranger: str, prefix: str) -> None:
    url = f"{stranger}/x.png"
    words = {
        "url": url,
        "URL": url.replace("http", "HTTP"),
        "quoted": quote(url, safe=""),
        "twice": quote(quote(url, safe=""), safe=""),
        "host": urlsplit(url).netloc,
    }
    for method in ("GET", "HEAD", "POST"):
        for spelling in SPELLINGS:
            status, body = asked(address, method, prefix + spelling.format(**words))
            assert status in (400, 403), (method, spelling)
            assert ATTACK not in body and b"root:" not in body
    assert Stranger.asked == []


def test_a_prefix_of_a_proxy_changes_nothing(stranger: str) -> None:
    studio = build(studio_fakes.services(seconds=0.001), datasets=())
    with serving(studio, root_path="/lab/studio") as address:
        for path in (
            f"/lab/studio{API}/file={stranger}/x.png",
            f"{API}/file={stranger}/x.png",
            f"/lab/studio{API}/proxy={stranger}/x.png",
            f"/lab/studio{API}/run/predict",
        ):
            assert asked(address, "GET", path)[0] == 403
        assert asked(address, "GET", "/config")[0] == 200
    assert Stranger.asked == []


def test_files_of_the_library_are_served_and_nothing_else(
    address: str, studio: Studio, visit: Visit
) -> None:
    stored = studio.library[studio.context.examples[0]]
    url = f"{address}/{media_url(stored.path(VIDEO))}"
    reply = httpx.get(url)
    assert reply.status_code == 200 and reply.content == stored.path(VIDEO).read_bytes()
    assert reply.headers["content-type"] == "video/mp4"
    assert "sandbox" in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    # A file name here would win over the one that the page's link tells.
    assert reply.headers["content-disposition"] == "inline"
    frame = stored.folder / "frame.png"
    frame.write_bytes(b"an image")
    assert httpx.get(f"{address}/{media_url(frame)}").content == b"an image"
    part = httpx.get(url, headers={"Range": "bytes=0-9"})
    assert part.status_code in (200, 206) and len(part.content) >= 10
    for name in ("page.html", "image.svg", "data.xml", "page.xhtml", "a.js", "a.mp4.html"):
        path = stored.folder / name
        path.write_bytes(ATTACK)
        assert httpx.get(f"{address}/{media_url(path)}").status_code == 403
    (uploaded,) = visit.upload("page.html", ATTACK).json()
    (video,) = visit.upload("page.mp4", ATTACK).json()
    for path in (uploaded, video, f"{stored.folder}/../{stored.key}/{VIDEO}", "app.py"):
        assert asked(address, "GET", f"{API}/file={quote(path)}")[0] == 403


PAYLOADS = (
    {"path": "{url}", "meta": {"_type": "gradio.FileData"}},
    {"path": "{url}", "url": "{url}", "orig_name": "x.mp4"},
    {"path": "{upload}", "url": "{url}", "meta": {"_type": "gradio.FileData"}},
    {"path": "{upload}", "url": "//{host}/x.png"},
    {"path": None, "url": "{url}"},
    {"url": "{url}"},
    {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
    {"path": "{upload}/../../../etc/passwd"},
    {"path": 3},
)

ROUTES = (
    "queue/join",
    "run/predict",
    "api/predict",
    "call/predict",
    "call/v2/predict",
    "component_server",
    "process_recording",
    "stream/abc",
    "stream/abc/close",
    "run-history/connect",
    "vibe-edit",
    "undo-vibe-edit",
    "cancel",
    "reset",
)


@pytest.mark.parametrize("route", ROUTES)
def test_files_named_by_an_address_are_refused_everywhere(
    visit: Visit, stranger: str, route: str
) -> None:
    (upload,) = visit.upload("x.mp4", b"nothing").json()
    event = visit.event("savg-upload", "upload")
    words = {"url": f"{stranger}/x.png", "host": urlsplit(stranger).netloc, "upload": upload}

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        return value.format(**words) if isinstance(value, str) else value

    for payload in PAYLOADS:
        for data in ([filled(payload), []], [[{"deep": [filled(payload)]}], []]):
            body = {"fn_index": event["id"], "data": data, "session_hash": visit.session}
            reply = visit.http.post(f"{API}/{route}", json=body)
            assert reply.status_code in (403, 422), (route, payload)
            assert "\n" not in reply.json()["detail"]
    assert Stranger.asked == []


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"data": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "application/json", 422),
        (b'{"data": "' + b"x" * 300_000 + b'"}', "application/json", 413),
        (b'{"data": []}', "text/plain", 415),
        (b"[]", "application/json", 422),
        (b'{"data": [], "session_hash": "../x"}', "application/json", 422),
        (b'{"data": [], "session_hash": ["x"]}', "application/json", 422),
        (b"{", "application/json", 422),
    ],
)
def test_payloads_have_bounds(visit: Visit, content: bytes, kind: str, status: int) -> None:
    reply = visit.http.post(f"{API}/queue/join", content=content, headers={"Content-Type": kind})
    assert reply.status_code == status and reply.json()["detail"].endswith(".")


@pytest.mark.parametrize(
    "changes",
    [
        {"fn_index": 99_999},
        {"fn_index": -1},
        {"fn_index": None},
        {"fn_index": True},
        {"fn_index": "1"},
        {"data": []},
        {"data": "x"},
        {"data": None},
        {"data": [0] * 50},
    ],
)
def test_forged_events_are_one_sentence(
    visit: Visit, capfd: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    event = visit.event("savg-go")
    body = {"fn_index": event["id"], "data": visit.values(event), "session_hash": visit.session}
    reply = visit.http.post(f"{API}/queue/join", json=body | changes)
    assert reply.status_code == 422 and reply.json()["detail"].endswith("reload it.")
    assert "Traceback" not in "".join(capfd.readouterr())


def test_an_error_of_a_route_is_one_line_in_the_log(
    visit: Visit, studio: Studio, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise KeyError("forged")

    monkeypatch.setattr(studio.blocks._queue, "push", fail)
    event = visit.event("savg-go")
    reply = visit.join(event, visit.values(event))
    assert reply.status_code == 500 and reply.json()["detail"].startswith("Something went wrong")
    (record,) = [r for r in caplog.records if r.name == "savg.studio"]
    assert record.getMessage().endswith("queue/join failed: KeyError") and not record.exc_info


def test_another_site_cannot_use_a_visitors_browser(visit: Visit) -> None:
    event = visit.event("savg-go")
    body = {"fn_index": event["id"], "data": visit.values(event), "session_hash": visit.session}
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert visit.http.post(f"{API}/queue/join", json=body, headers=cross).status_code == 403
    files = {"files": ("x.mp4", b"x")}
    assert visit.http.post(f"{API}/upload", files=files, headers=cross).status_code == 403


def test_pages_have_headers(address: str) -> None:
    page = httpx.get(address)
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy and "object-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy and "huggingface" not in policy
    assert page.headers["x-frame-options"] == "SAMEORIGIN"
    for path in ("/", "/config", "/theme.css", f"{API}/file=x", "/nothing"):
        assert httpx.get(address + path).headers["x-content-type-options"] == "nosniff"


def test_a_space_can_be_shown_on_hugging_face() -> None:
    from starlette.datastructures import MutableHeaders

    headers = MutableHeaders()
    StudioHeaders({"SPACE_ID": "lab/studio"}).add(headers, is_file=False)
    assert "frame-ancestors 'self' https://huggingface.co" in headers["content-security-policy"]
    assert "x-frame-options" not in headers


def test_every_route_of_gradio_is_open_or_closed_on_purpose(studio: Studio, address: str) -> None:
    """A route that a later Gradio adds below its prefix is closed until somebody opens it here."""
    routes = list(studio.blocks.app.routes)
    for route in studio.blocks.app.routes:  # newer FastAPI keeps those of a router together
        routes += getattr(getattr(route, "original_router", None), "routes", [])
    below = {
        (method, path)
        for route in routes
        for method in getattr(route, "methods", None) or ()
        if (path := route.path).startswith(PREFIX)
    }
    assert len(below) > 40, below
    opened = {path for method, path in below if is_open(method, path) and not is_fetching(path)}
    assert opened <= {
        f"{PREFIX}/{name}"
        for name in (
            "app_id", "cancel", "info", "login_check", "queue/data", "queue/join", "queue/status",
            "reset", "reset/", "startup-events", "theme.css", "token", "upload", "user",
        )
    }  # fmt: skip


def test_an_upload_appears_whole_or_not_at_all(address: str, studio: Studio, visit: Visit) -> None:
    uploads = studio.library.storage.uploads
    before = set(uploads.rglob("*"))
    content = bytes(range(256)) * 8000
    (path,) = visit.upload("../../My “film”: 1.MP4", content).json()
    assert Path(path).read_bytes() == content and Path(path).name == "My “film” 1.MP4"
    assert Path(path).parent.parent == uploads
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.putrequest("POST", f"{API}/upload")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Content-Length", "100000")
    connection.endheaders()
    connection.send(
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="h.mp4"\r\n\r\n'
    )
    connection.send(bytes(50_000))
    connection.close()
    assert len(visit.upload("x.mp4", b"x").json()) == 1
    new = {p for p in uploads.rglob("*") if p.is_file()} - before
    assert {p.name for p in new} == {"My “film” 1.MP4", "x.mp4"}


def test_a_field_of_any_size_is_not_kept_in_memory(visit: Visit) -> None:
    reply = visit.http.post(f"{API}/upload", files={"files": (None, b"x" * 1_000_000)})
    assert reply.status_code == 422 and "\n" not in reply.text


def test_uploads_have_bounds(studio: Studio, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    too_long = {"Content-Length": str(10**12), "Content-Type": "multipart/form-data; boundary=b"}
    status, body = asked(str(visit.http.base_url), "POST", f"{API}/upload", too_long)
    assert status == 413 and b"at most 500 MB" in body
    monkeypatch.setattr(limits, "UPLOAD_BYTES", 5_000_000)
    sizes = []
    while (reply := visit.upload("x.mp4", bytes(1_000_000))).status_code == 200:
        sizes.append(1)
        assert len(sizes) < 9
    assert reply.status_code == 429 and "within an hour" in reply.text


def test_uploads_in_many_small_parts_are_counted_in_little_space() -> None:
    now = [0.0]
    counts = limits.UploadLimits(lambda: now[0])
    for _ in range(10_000):  # 720 kB of them within an hour
        counts.count("a", 100)
        now[0] += 0.5
    assert counts.left("a") == pytest.approx(limits.UPLOAD_BYTES - 720_000, abs=12_000)
    assert len(counts._bytes["a"]) <= limits.UPLOAD_SECONDS / limits.COUNT_SECONDS + 1
    now[0] += limits.UPLOAD_SECONDS + limits.COUNT_SECONDS
    assert counts.left("a") == limits.UPLOAD_BYTES


def test_a_full_disk_refuses_uploads_while_there_is_room_for_ratings(
    studio: Studio, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("savg.studio.shared.storage.FREE_SHARE", 1.0)
    monkeypatch.setattr(studio.library.storage, "free_bytes", 10**18)
    reply = visit.upload("full.mp4", b"x")
    assert (reply.status_code, reply.text) == (507, FULL)
    event = visit.event("savg-go")
    last = visit.results(event, visit.values(event, savg_steps=4))[-2]
    assert FULL in str(last["output"]["data"])
    assert not list(studio.library.storage.uploads.rglob("full.mp4"))


def test_an_upload_leaves_the_room_that_ratings_need(
    studio: Studio, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has arrived may still fit, and its copy no more."""
    usage, floor = shutil.disk_usage(studio.library.root), 10**6
    monkeypatch.setattr(studio.library.storage, "free_bytes", floor)
    free = usage._replace(total=10**12, free=floor + 150_000)
    monkeypatch.setattr("savg.studio.shared.storage.shutil.disk_usage", lambda path: free)
    assert visit.upload("fits.mp4", bytes(100_000)).status_code == 200
    monkeypatch.setattr(studio.library.storage, "free_bytes", floor + 60_000)
    route = UploadRoute(studio.library.storage, 10**6)
    file = UploadFile(io.BytesIO(bytes(100_000)), size=100_000, filename="copy.mp4")
    with pytest.raises(Problem, match="could not be stored"):
        route._store([file])
    assert not list(studio.library.storage.uploads.rglob("copy.mp4"))


def test_a_studio_with_a_login_takes_no_uploads_without(tmp_path: Path) -> None:
    studio = build(studio_fakes.services(seconds=0.001), datasets=())
    with serving(studio, auth=("ann", "secret")) as address:
        files = {"files": ("x.mp4", b"x")}
        assert httpx.post(f"{address}{API}/upload", files=files).status_code == 401
        with httpx.Client(base_url=address) as http:
            assert http.post("/login", data={"username": "ann", "password": "secret"}).is_success
            assert http.post(f"{API}/upload", files=files).status_code == 200


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("My film.mp4", "My film.mp4"),
        ("C:\\films\\a.mov", "a.mov"),
        ("../../etc/passwd", "passwd"),
        ("..", "upload"),
        ("", "upload"),
        (None, "upload"),
        (".hidden.mp4", "hidden.mp4"),
        ("a%2e%2e.mp4", "a2e2e.mp4"),
        ("ü" * 300 + ".mp4", "ü" * 50 + ".mp4"),
        ("a\x00\x1b\u202eb.mp4", "ab.mp4"),
    ],
)
def test_names_of_uploads_are_plain(name: str | None, plain: str) -> None:
    assert plain_name(name) == plain


def test_old_uploads_go(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    (storage.uploads / "a").mkdir(parents=True)
    (storage.uploads / "a" / "x.mp4").touch()
    (storage.uploads / "tmp123").touch()
    storage.remove_old_uploads()
    assert len(list(storage.uploads.iterdir())) == 2
    storage.remove_old_uploads(seconds=-1)
    assert list(storage.uploads.iterdir()) == []
