"""`python app.py` with studies: studio, /listen and /admin on one address, each by its own rules."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import httpx
import pytest
import studio_fakes
from studio_visits import serving, until_served

from benchmarks.mos_kills import sample_study
from savg.errors import SavgError
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.web.studies import Studies
from savg.studio import build, launch
from savg.studio.listening.hosted import VARIABLE, Hosted
from savg.studio.shared.guard import connections
from savg.web.guard import ConnectionLimits

ROOT = Path(__file__).resolve().parents[2]

PASSWORD = "a long password"


def make_study(folder: Path) -> str:
    """A study without media; returns a participant's token."""
    (folder / "media").mkdir(parents=True)
    store = Store(sqlite_url(folder / "study.sqlite"))
    sample_study(store, folder.name)
    token = store.invite(folder.name)[0].token
    store.close()
    (folder / "study.json").write_text(f'{{"study": "{folder.name}", "database": "study.sqlite"}}')
    return token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, subprocess.Popen]]:
    """The address of a running app.py, a participant's token, and the process."""
    folder = tmp_path_factory.mktemp("app")
    token = make_study(folder / "studies" / "trial")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {
        "GRADIO_SERVER_PORT": str(port),
        "SAVG_ADMIN_PASSWORD": PASSWORD,
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
        VARIABLE: str(folder / "studies"),
    }
    log = (folder / "log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=env, stdout=log, stderr=log
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until_served(address, process, folder / "log")
        yield address, token, process
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        log.close()
    text = (folder / "log").read_text()
    assert "Listening tests: trial" in text and "/admin" in text
    assert PASSWORD not in text and "Traceback" not in text


def test_the_studio_the_listeners_and_the_organiser(
    app: tuple[str, str, subprocess.Popen],
) -> None:
    address, token, _ = app
    assert "gradio" in httpx.get(address).text
    page = httpx.get(f"{address}/listen/trial")
    assert (
        page.status_code == 200 and "default-src 'self'" in page.headers["content-security-policy"]
    )
    assert "gradio" not in page.text.lower()
    state = httpx.get(f"{address}/listen/trial/api/state", headers=bearer(token)).json()
    assert state["step"] == "invited"
    assert httpx.get(f"{address}/listen/trial/api/state").status_code == 401
    for path in ("/listen/trial/elsewhere", "/listen/trial/api/none"):
        assert httpx.get(f"{address}{path}").json()["reason"] == "absent"


def test_the_organisers_page_asks_for_its_password(app: tuple[str, str, subprocess.Popen]) -> None:
    address, *_ = app
    reply = httpx.get(f"{address}/admin", follow_redirects=True)
    assert reply.status_code in (200, 401) and "password" in reply.text.lower()
    assert "trial" not in reply.text
    assert "default-src 'self'" in reply.headers["content-security-policy"]


def test_gradios_login_does_not_guard_listen(tmp_path: Path) -> None:
    token = make_study(tmp_path / "trial")
    studio = build(
        studio_fakes.services(), datasets=(), hosted=Hosted(Studies([tmp_path / "trial"]))
    )
    try:
        _, address, _ = launch(
            studio,
            prevent_thread_lock=True,
            quiet=True,
            auth=("ann", "secret"),
            max_file_size="1kb",
        )
        address = address.rstrip("/")
        assert httpx.get(f"{address}/config").status_code == 401
        url = f"{address}/listen/trial/api"
        assert httpx.get(f"{url}/state", headers=bearer(token)).json()["step"] == "invited"
        text = {"device": {"browser": "x" * 3000}}
        reply = httpx.post(f"{url}/consent", json=text, headers=bearer(token))
        assert reply.json()["step"] == "screening"
        evil = httpx.get(f"{url}/facts", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in evil.headers
    finally:
        studio.blocks.close()
        studio.hosted.close()


def test_admin_may_stand_at_an_address_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = make_study(tmp_path / "trial")
    monkeypatch.setenv("SAVG_ADMIN_PASSWORD", PASSWORD)
    hosted = Hosted(Studies([tmp_path / "trial"]), admin=("127.0.0.1", 0))
    studio = build(studio_fakes.services(), datasets=(), hosted=hosted)
    with serving(studio) as address:
        printed = re.search(r"(http://127\.0\.0\.1:\d+)/admin", capsys.readouterr().out)
        assert printed and not printed[0].startswith(address + "/")
        assert "password" in httpx.get(f"{printed[1]}/admin/").text.lower()
        assert httpx.get(f"{printed[1]}/listen/trial").status_code == 404
        assert httpx.get(f"{address}/admin").status_code in (403, 404)
        assert httpx.get(f"{address}/admin/").status_code in (403, 404)
        state = f"{address}/listen/trial/api/state"
        assert httpx.get(state, headers=bearer(token)).json()["step"] == "invited"
        assert 'href="admin"' not in str(studio.blocks.get_config_file())
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{printed[1]}/admin/")


def test_listen_and_admin_cannot_be_framed(app: tuple[str, str, subprocess.Popen]) -> None:
    address, *_ = app
    for path in ("/listen/trial", "/admin/", "/listen/_page/listen.css"):
        headers = httpx.get(f"{address}{path}").headers
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_half_sent_requests_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "default_limits", lambda: ConnectionLimits(header=1.0))
    studio = build(studio_fakes.services(), datasets=())
    with serving(studio) as address:
        port = int(address.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as half:
            half.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            assert half.recv(100).startswith(b"HTTP/1.1 408 ")
        assert httpx.get(address).status_code == 200


def test_the_operator_names_studies(tmp_path: Path) -> None:
    assert not Hosted.of_environment({})
    make_study(tmp_path / "one")
    make_study(tmp_path / "more" / "two")
    named = os.pathsep.join(map(str, (tmp_path / "one", tmp_path / "more")))
    hosted = Hosted.of_environment({VARIABLE: named})
    assert hosted and hosted.studies is not None and hosted.studies.names() == ["one", "two"]
    make_study(tmp_path / "more" / "three")
    assert hosted.studies.names() == ["one", "three", "two"]
    hosted.close()
    later = {VARIABLE: str(tmp_path / "later"), "SAVG_MOS_DATASET": "lab/tests", "SPACE_ID": "a/b"}
    restored = Hosted.of_environment(later)
    assert (
        restored.pushes is not None
        and restored.studies is not None
        and restored.studies.names() == []
    )
    assert restored.pushes.state.dataset == "lab/tests" and (tmp_path / "later").is_dir()
    for wrong in ("gone", os.pathsep.join((str(tmp_path), str(tmp_path / "more")))):
        with pytest.raises(SavgError, match=VARIABLE):
            Hosted.of_environment({VARIABLE: wrong})


@pytest.mark.parametrize("served", [False, True])
def test_the_tab_names_no_study(tmp_path: Path, served: bool) -> None:
    make_study(tmp_path / "secretname")
    hosted = Hosted(Studies([tmp_path / "secretname"])) if served else Hosted()
    studio = build(studio_fakes.services(), datasets=(), hosted=hosted)
    assert isinstance(studio.blocks, gr.Blocks)
    text = str(studio.blocks.get_config_file())
    assert "secretname" not in text
    assert ('href="admin"' in text) == served and ("mos create" in text) != served
    hosted.close()
