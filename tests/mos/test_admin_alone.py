"""/admin at a port of its own, over HTTP: nothing of another port of the host reaches it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from mos_organiser import PASSWORD, Clock, Organiser, server
from starlette.applications import Starlette
from starlette.testclient import TestClient

from benchmarks.mos_server import free_port, study_folder
from savg.errors import SavgError
from savg.mos.web.app import admin_app, listening_app
from savg.mos.web.studies import Studies
from savg.studio.listening.hosted import Hosted
from savg.web.login import COOKIE


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The addresses of /listen and of /admin at one `mos serve`."""
    folder = tmp_path_factory.mktemp("alone") / "one"
    study_folder(folder, "one", clip_bytes=100, sound_bytes=100).store.close()
    port, admin = free_port(), free_port()
    command = [sys.executable, "-m", "savg", "mos", "serve", str(folder), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--admin-port", str(admin)],
        env={**os.environ, "SAVG_ADMIN_PASSWORD": PASSWORD},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed = []
        while "Stop with Ctrl-C." not in (line := process.stdout.readline()):
            assert line
            printed.append(line)
        assert f"Organiser: http://127.0.0.1:{admin}/admin\n" in printed
        while True:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", admin), 5).close()
                break
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    finally:
        process.kill()
        process.wait()


def test_each_port_has_its_own_pages_alone(served: tuple[str, str]) -> None:
    listen, admin = served
    assert httpx.get(f"{listen}/listen/one").status_code == 200
    for path in ("/admin", "/admin/", "/admin/login", "/admin/_page/admin.css"):
        assert httpx.get(f"{listen}{path}").status_code == 404
        assert httpx.get(f"{listen}{path}", headers={"Host": admin[7:]}).status_code == 404
    assert httpx.get(f"{admin}/admin/").status_code == 401
    assert httpx.get(admin).headers["location"] == "admin/"
    for path in ("/listen/one", "/listen/one/api/facts", "/listen/_page/listen.js"):
        assert httpx.get(f"{admin}{path}", headers={"Host": listen[7:]}).status_code == 404


def test_a_login_there_counts_there_alone(served: tuple[str, str]) -> None:
    listen, admin = served
    with httpx.Client(follow_redirects=True) as client:
        reply = client.post(f"{admin}/admin/login", data={"password": PASSWORD, "who": "ann"})
        assert "Log out" in reply.text
        match = re.search(r'name="csrf" value="([^"]+)"', reply.text)
        assert match and f"{COOKIE}_alone" in client.cookies and COOKIE not in client.cookies
        form = {"csrf": match[1], "number": "1", "once": "x1"}
        path = "/admin/studies/one/links"
        for site in ("same-site", "cross-site"):  # another port of the host, another host
            refused = client.post(f"{admin}{path}", data=form, headers={"Sec-Fetch-Site": site})
            assert refused.status_code == 403
        assert client.post(f"{listen}{path}", data=form).status_code == 404
        made = client.post(f"{admin}{path}", data=form)
        assert made.status_code == 200 and f'href="{listen}/listen/one#' in made.text
        assert f">{listen}/listen/one#" in made.text


def test_cookies_of_a_server_with_both_do_not_count(tmp_path: Path) -> None:
    studies = server(tmp_path, Clock())[0]
    beside = Organiser(studies).log_in()
    alone = TestClient(
        admin_app(studies, PASSWORD, listeners="https://lab.example/"), base_url="http://testserver"
    )
    key, csrf = beside.client.cookies[COOKIE], beside.csrf()
    for name in (COOKIE, f"{COOKIE}_alone"):
        alone.cookies.set(name, key)
        assert alone.get("/admin/").status_code == 401
    alone.cookies.clear()
    assert "Log out" in alone.post("/admin/login", data={"password": PASSWORD}).text
    place = "/admin/studies/small/status"
    refused = alone.post(place, data={"csrf": csrf, "status": "closed"})
    assert refused.status_code == 403 and studies.get("small").store.study("small").status == "open"


@pytest.mark.parametrize("framed", ["", "/", "/listen/small", "/listen/none", "/admin", "/admin/"])
def test_no_page_can_be_framed(tmp_path: Path, framed: str) -> None:
    studies = server(tmp_path, Clock())[0]
    apps: list[Starlette] = [listening_app(studies, PASSWORD)]
    apps.append(admin_app(studies, PASSWORD, listeners=7861))
    for app in apps:
        reply = TestClient(app).get(framed or "/listen/_page/listen.js", follow_redirects=False)
        assert reply.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cross-origin-opener-policy"] == "same-origin"


def test_the_studio_serves_admin_at_a_port_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    studies = server(tmp_path, Clock())[0]
    monkeypatch.setenv("SAVG_ADMIN_PASSWORD", PASSWORD)
    port = free_port()
    hosted = Hosted(studies, admin=("127.0.0.1", port), url="https://space.example")
    beside = TestClient(Starlette(routes=hosted.routes()))
    assert f"http://127.0.0.1:{port}/admin" in capsys.readouterr().out
    assert beside.get("/admin/").status_code == 404
    assert beside.get("/listen/small").status_code == 200
    while True:
        with suppress(httpx.TransportError):
            assert httpx.get(f"http://127.0.0.1:{port}/admin/").status_code == 401
            break
    hosted.close()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/admin/")


def test_settings_of_the_studio(tmp_path: Path) -> None:
    server(tmp_path, Clock())
    environment = {"SAVG_STUDIES": str(tmp_path), "SAVG_ADMIN_PORT": " 7999 "}
    assert Hosted.of_environment(environment).admin == ("127.0.0.1", 7999)
    assert Hosted.of_environment(environment | {"SAVG_ADMIN_PORT": ""}).admin is None
    with pytest.raises(SavgError, match="SAVG_ADMIN_PORT must be a whole number"):
        Hosted.of_environment(environment | {"SAVG_ADMIN_PORT": "7_999"})
    assert isinstance(Hosted.of_environment(environment).studies, Studies)
