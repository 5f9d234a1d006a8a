"""A running studio stays small, whatever visitors upload."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_videos import HOSTILE
from studio_visits import Visit, outputs, until_served

ROOT = Path(__file__).resolve().parents[2]

MOST = 2_000_000_000

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs the peak memory of another process"
)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The address and process of a studio on stand-ins for the networks."""
    folder = tmp_path_factory.mktemp("studio")
    (folder / "examples").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {
        "GRADIO_SERVER_PORT": str(port),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
        "TMPDIR": str(folder),
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
    }
    log = (folder / "log").open("w")
    program = [
        sys.executable,
        str(ROOT / "tests/studio_fakes.py"),
        str(folder / "examples"),
        "both",
    ]
    process = subprocess.Popen(program, env=env, cwd=ROOT, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        until_served(address, process, folder / "log")
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(60)
        log.close()
    assert "Traceback" not in (folder / "log").read_text()
    left = [entry for entry in folder.rglob("*") if entry.is_file()]
    assert left == [folder / "log"], "the studio left files"


def peak(process: int) -> int:
    """The most bytes of memory that a process has had."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def given(path: str) -> dict[str, Any]:
    """An uploaded file, as the page sends it."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def sentences(message: dict[str, Any]) -> list[str]:
    """What the notices of a result say."""
    return [
        value["value"]["text"]
        for value in outputs(message)
        if isinstance(value, dict) and isinstance(value.get("value"), dict)
        and "kind" in value["value"]
    ]  # fmt: skip


def inspect(visit: Visit, path: str) -> str:
    """Open a file in Inspect, and its player; the sentence that was told, if any."""
    event = visit.event("savg-upload", "upload")
    (notice,) = sentences(visit.results(event, [given(path), None])[-2])
    if notice:
        return notice
    # What the browser does next: the change of the clip that is to be opened.
    (state,) = event["outputs"][-1:]
    (look,) = [d for d in visit.config["dependencies"] if [state, "change"] in d["targets"]]
    visit.results(look, [None, "yolox", None, False])
    return ""


def resound(visit: Visit, path: str) -> str:
    """Open a file in Video to audio and make audio for it; the sentence that was told, if any."""
    event = visit.event("savg-resound-upload", "upload")
    notice, video = outputs(visit.results(event, [given(path), None])[-2])
    if notice["value"]["text"]:
        return str(notice["value"]["text"])
    event = visit.event("savg-resound-go")
    values = visit.values(
        event, savg_resound_video=video["value"], savg_resound_steps=1, savg_resound_guidance=4.5
    )
    last = visit.results(event, values)[-2]
    return "".join(sentences(last))


@pytest.mark.parametrize("use", [inspect, resound])
@pytest.mark.parametrize("name", HOSTILE)
def test_memory_stays_bounded(studio: tuple[str, int], tmp_path: Path, name: str, use: Any) -> None:
    address, process = studio
    HOSTILE[name](tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert len(content) < 5_000_000
    visit = Visit(address)
    (path,) = visit.upload(name, content).json()
    told = use(visit, path)
    assert peak(process) < MOST, f"{peak(process) / 1e9:.2f} GB"
    if told:
        assert told.endswith((".", "…")) and "\n" not in told and str(tmp_path) not in told
        assert name in told
