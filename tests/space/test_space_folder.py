"""The folder of a Space: what is in it, and that it serves the studio with no repository around."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from studio_visits import until_served

from savg.errors import SavgError
from savg.pipelines.joint import tiny
from savg.space.folder import PYTHON, write_space
from savg.space.hardware import HARDWARE
from savg.space.plan import SpacePlan
from savg.studio.generate.examples import SCENE_FILE

ROOT = Path(__file__).resolve().parents[2]


def front_matter(folder: Path) -> dict:
    return yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---")[1])


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Space with weights of its own beside the bundled ones."""
    folder = tmp_path_factory.mktemp("spaces")
    tiny().save_pretrained(folder / "own weights")
    (folder / "own weights" / "notes.txt").write_text("not to be published")
    weights = [str(folder / "own weights"), "lab/others"]
    plan = SpacePlan.of("lab/my-studio", HARDWARE["zero-gpu"], weights)
    write_space(plan, folder / "space")
    return folder / "space"


def test_the_front_matter_is_what_the_hub_reads(space: Path) -> None:
    front = front_matter(space)
    assert front["sdk"] == "gradio" and front["app_file"] == "app.py"
    assert front["python_version"] == PYTHON == "3.12.12", "ZeroGPU takes no other above 3.10"
    assert front["suggested_hardware"] == "zero-a10g"
    assert front["models"] == front["preload_from_hub"] == ["lab/others"]
    assert len(front["short_description"]) <= 60
    lock = (space / "requirements.txt").read_text()
    assert f"gradio=={front['sdk_version']}\n" in lock
    assert lock == (ROOT / "space_requirements.txt").read_text()


def test_a_space_has_what_it_needs_and_nothing_else(space: Path) -> None:
    files = {path.relative_to(space).as_posix() for path in space.rglob("*") if path.is_file()}
    tops = {name.split("/")[0] for name in files}
    assert tops == {
        "README.md", "requirements.txt", "packages.txt", "app.py", "savg", "assets", "weights"
    }  # fmt: skip
    modules = {p.relative_to(ROOT).as_posix() for p in (ROOT / "savg").rglob("*.py")}
    assert modules <= files
    assert {name.split("/")[1] for name in files if name.startswith("assets/")} == {
        "demo", "examples"
    }  # fmt: skip
    assert f"assets/examples/{SCENE_FILE}" in files, "the card of a scene opens it"
    own = {name for name in files if name.startswith("weights/")}
    assert "weights/own-weights/pipeline.json" in own
    assert "weights/own-weights/joint/model.safetensors" in own
    assert not any(
        "notes" in name or "__pycache__" in name or name.endswith(".pyi") for name in files
    )


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    plan = SpacePlan.of("lab/studio", HARDWARE["cpu-basic"])
    with pytest.raises(SavgError, match="other files"):
        write_space(plan, tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.fixture(scope="module")
def served(space: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of app.py started in the folder: without this repository, which an editable
    installation would add (`-S` leaves it out), and with the packages of this environment."""
    scratch = tmp_path_factory.mktemp("scratch")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("SAVG_", "PYTHON", "HF_"))}
    env = keep | {
        "PYTHONPATH": sysconfig.get_paths()["purelib"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(scratch / "gradio"),
        "HF_HUB_OFFLINE": "1",
        "SPACE_ID": "lab/my-studio",
    }
    log = (scratch / "log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-S", "app.py"], cwd=space, env=env, stdout=log, stderr=log
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until_served(address, process, scratch / "log")
        yield address
        opened = Path(f"/proc/{process.pid}/maps")
        if opened.exists():
            assert str(ROOT / "savg") not in opened.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        log.close()
    assert "Traceback" not in (scratch / "log").read_text()


def test_the_folder_alone_serves_the_page_and_the_api(served: str) -> None:
    page = httpx.get(served, timeout=60)
    assert "SAVG Studio" in page.text and "Joint of own-weights" in page.text
    assert (
        "frame-ancestors 'self' https://huggingface.co" in page.headers["content-security-policy"]
    )
    info = httpx.get(f"{served}/gradio_api/info", timeout=60)
    assert info.status_code == 200
    assert {"/generate", "/v2a", "/annotate", "/evaluate"} <= set(info.json()["named_endpoints"])
