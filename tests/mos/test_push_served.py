"""`mos serve --dataset` as a program: ended, its disk lost, started again; links go on working."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from fake_hub import TOKEN, FakeHub

from benchmarks.mos_kills import sample_study
from savg.mos.storage.store import Store, sqlite_url

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def serving(hub: FakeHub, folder: Path, root: Path) -> Iterator[str]:
    """The address of a server on a folder of studies, ended by SIGTERM as a Space is."""
    root.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(folder / "hf"),
        "SAVG_MOS_PUSH_MINUTES": "500",
        "SAVG_ADMIN_PASSWORD": "a long password",
    }
    program = [sys.executable, "-m", "savg", "mos", "serve", "--root", str(root)]
    options = ["--dataset", "lab/tests", "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("a") as log:
        process = subprocess.Popen([*program, *options], cwd=ROOT, env=env, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 180
            while True:
                try:
                    httpx.get(f"{address}/listen/s", timeout=5)
                    break
                except httpx.HTTPError:
                    alive = process.poll() is None and time.monotonic() < deadline
                    assert alive, (folder / "log").read_text()
                    time.sleep(0.2)
            yield address
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        finally:
            process.kill()


def test_three_servers_with_empty_disks_and_one_listener(tmp_path: Path) -> None:
    hub = FakeHub()
    folder = tmp_path / "first" / "s"
    (folder / "media").mkdir(parents=True)
    store = Store(sqlite_url(folder / "study.sqlite"))
    sample_study(store, "s", clips=22)
    row = store.study("s")
    for item in (*row.stimuli, *row.sounds):
        (folder / "media" / item.media).write_bytes(item.id.encode())
    link = store.invite("s")[0]
    store.close()
    (folder / "study.json").write_text('{"study": "s", "database": "study.sqlite"}')
    headers = {"Authorization": f"Bearer {link.token}"}
    with serving(hub, tmp_path, tmp_path / "first") as address:
        body = httpx.get(f"{address}/listen/s/api/state", headers=headers).json()
        assert body["step"] == "invited"
    with serving(hub, tmp_path, tmp_path / "second") as address:
        url = f"{address}/listen/s/api"
        reply = httpx.post(f"{url}/consent", json={"device": {"browser": "x"}}, headers=headers)
        body = reply.json()
        assert body["step"] == "screening"
        media = httpx.get(f"{url}/media/{body['screening']['media']}", headers=headers)
        assert media.content.decode() == body["screening"]["media"].partition(".")[0]
    with serving(hub, tmp_path, tmp_path / "third") as address:
        again = httpx.get(f"{address}/listen/s/api/state", headers=headers).json()
        assert again == body, "the answer just before the end was pushed at the end"
    log = (tmp_path / "log").read_text()
    assert "pushed to the private dataset lab/tests every 500 minutes" in log
    assert link.token not in log and "Traceback" not in log
    hub.close()
