"""How commands end: SIGTERM, SIGKILL in the middle, targets that cannot be written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mos_clips import panned_clip

from savg.cli import main
from savg.command import (
    TERMINATED,
    Terminated,
    run_command,
    terminable,
    uninterrupted,
    wait_briefly,
)
from savg.errors import SavgError
from savg.evaluation.files import find_videos
from savg.mos.study.scores import find_scores
from savg.mos.study.stimuli import find_clips
from savg.studio.shared.library import Library
from savg.temporary import is_abandoned
from savg.train.__main__ import main as train
from savg.train.checkpoint import folders

DEADLINE = 120.0


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something is so, or fail when the process ends before."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def start(module: str, *arguments: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_sigterm_is_raised_once_and_cleans_up(capsys: pytest.CaptureFixture) -> None:
    cleaned = []

    def run() -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(DEADLINE)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(True)
        return 0

    assert run_command(run) == TERMINATED == 143 and cleaned == [True]
    assert capsys.readouterr().err == "Stopped.\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert issubclass(Terminated, KeyboardInterrupt)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_must_not_be_interrupted_ends_first(number: int) -> None:
    done = []
    before = signal.getsignal(signal.SIGINT)  # ignored where the tests run in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def run() -> int:
        with uninterrupted():
            os.kill(os.getpid(), number)
            done.append("within")
        done.append("behind")
        return 0

    try:
        assert run_command(run) == (TERMINATED if number == signal.SIGTERM else 1)
        assert done == ["within"]
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_handler_of_sigterm_stays() -> None:
    calls: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: calls.append(number))
    try:
        with terminable():
            os.kill(os.getpid(), signal.SIGTERM)
        assert calls == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


SMALL = ("--recordings", "99", "--seconds", "20", "--size", "640x320")


@pytest.mark.parametrize(
    ("module", "arguments", "begun"),
    [
        (
            "savg",
            ["generate", "--num", "500", "--steps", "2", "--batch-size", "1", "--out", "o"],
            "o/*.mp4",
        ),
        (
            "savg",
            ["dataset", "synth", "--out", "o", "--processes", "2", *SMALL],
            "o/*",
        ),
        ("savg.train", ["joint", "--config", "full", "--out", "o"], "o/run.json"),
    ],
)
def test_sigterm_ends_a_command_like_ctrl_c(
    module: str, arguments: list[str], begun: str, tmp_path: Path
) -> None:
    process = start(module, *arguments, folder=tmp_path)
    until(lambda: any(tmp_path.glob(begun)), process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == TERMINATED, errors
    assert errors.endswith("Stopped.\n")
    assert "Traceback" not in errors and "terminate called" not in errors
    assert not any(map(is_abandoned, tmp_path.rglob("*")))


KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from savg.media import encode
from savg.clip import Clip

real = encode.audio_block
def killed(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
encode.audio_block = killed
Clip.read(sys.argv[1]).write(sys.argv[2])
"""


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a whole clip, its tables, and what a writer of another left when it was killed."""
    folder = tmp_path_factory.mktemp("killed") / "clips"
    folder.mkdir()
    panned_clip(0, 6.0).write(folder / "whole.mp4")
    (folder / "whole.events.csv").write_text("0,0,100\n")
    (folder / "whole.boxes.csv").write_text("0,0,90,60,110,150\n")
    run = [sys.executable, "-c", KILLED_WRITER, str(folder / "whole.mp4"), str(folder / "next.mp4")]
    assert subprocess.run(run).returncode == -signal.SIGKILL
    (left,) = (path for path in folder.iterdir() if path.name.startswith("."))
    assert left.suffix == ".mp4" and left.stat().st_size
    shutil.copy(folder / "whole.events.csv", folder / f"{left.stem}.events.csv")
    return folder


@pytest.fixture
def killed(left_behind: Path, tmp_path: Path) -> Path:
    """A copy of such a folder, for tests that change it."""
    return shutil.copytree(left_behind, tmp_path / "clips")


def test_what_a_killed_writer_left_is_no_clip_for_anybody(killed: Path) -> None:
    whole = [killed / "whole.mp4"]
    assert find_videos([str(killed)]) == whole == find_clips(killed)
    assert find_scores({"a": killed}, {}) == {"a": {"whole": 1.0}}
    assert main(["evaluate", str(killed)]) == 0
    library = Library(killed.parent / "library")
    assert [library[key].title for key in library.add_examples(killed)] == ["whole"]


@pytest.mark.parametrize(
    "again",
    [
        lambda folder: main(["annotate", str(folder / "gone.mp4"), "--out", str(folder)]),
        lambda folder: main(["v2a", str(folder / "gone.mp4"), "--out", str(folder)]),
        lambda folder: panned_clip(1, 6.0).write(folder / "next.mp4"),
    ],
    ids=["annotate", "v2a", "a clip"],
)
def test_the_next_start_removes_what_a_killed_writer_left(killed: Path, again) -> None:
    left = {
        path for path in killed.iterdir() if path.name.startswith(".") and ".part." in path.name
    }
    assert left
    again(killed)
    assert not any(path.exists() for path in left if path.suffix == ".mp4")
    assert (killed / "whole.mp4").is_file()


KILLED_TRAINER = """
import os, signal, sys
import safetensors.torch
from savg.train.__main__ import main

def killed(tensors, path):
    path.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
safetensors.torch.save_file = killed
main(sys.argv[1:])
"""


def test_a_killed_trainer_leaves_no_checkpoint_and_the_next_start_cleans_up(tmp_path: Path) -> None:
    words = [
        "seld",
        "--config",
        "tiny",
        "--quiet",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "run"),
    ]
    run = [sys.executable, "-c", KILLED_TRAINER, *words, "--stop-at", "1"]
    assert subprocess.run(run, capture_output=True).returncode == -signal.SIGKILL
    checkpoints = tmp_path / "run" / "checkpoints"
    (left,) = checkpoints.iterdir()
    assert left.name.startswith(".") and list(left.iterdir()) and folders(tmp_path / "run") == []
    assert train([*words, "--stop-at", "1"]) == 0
    assert [path.name for path in checkpoints.iterdir()] == ["00000001"]


TARGETS = [
    ["generate", "--num", "1", "--out", "OUT"],
    ["v2a", "CLIPS", "--out", "OUT"],
    ["annotate", "CLIPS", "--out", "OUT"],
    ["evaluate", "CLIPS", "--out", "OUT"],
    ["compose", "CLIPS", "--out", "OUT.mp4"],
    ["dataset", "build", "--starss", "CLIPS", "--out", "OUT"],
    ["dataset", "pack", "CLIPS", "--out", "OUT"],
    ["dataset", "synth", "--out", "OUT"],
    ["mos", "create", "OUT", "--conditions", "a=CLIPS", "b=CLIPS"],
    ["weights", "import", "CLIPS/a.mp4", "--out", "OUT"],
]


@pytest.mark.parametrize("arguments", TARGETS, ids=lambda a: " ".join(a[:2]))
@pytest.mark.parametrize("target", ["file/in", "file/in/deep", "NAME", "/proc/new"])
def test_a_target_that_cannot_be_written_is_one_sentence_before_any_work(
    arguments: list[str],
    target: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"never read")
    (tmp_path / "file").write_text("x")
    target = "n" * 300 if target == "NAME" else target
    words = [a.replace("CLIPS", "clips").replace("OUT", target) for a in arguments]
    monkeypatch.setattr("savg.hub.load_component", lambda *a: pytest.fail("weights were loaded"))
    assert main(words) == 1
    errors = capsys.readouterr().err
    assert errors.startswith(("error: --out", "error: The study")) and errors.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clips", "file"]


@pytest.mark.parametrize("guidance", ["-1", "nan", "inf"])
def test_guidance_is_checked_before_anything_is_loaded(
    guidance: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = ["generate", "--pipeline", "two_stage", "--weights", "nowhere", "--out", str(tmp_path)]
    assert main([*words, "--guidance", guidance]) == 1
    assert f"--guidance must be ≥ 0, got {guidance}." in capsys.readouterr().err


def test_names_that_are_no_text_can_be_printed(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    code = f"from savg.command import run_command\nrun_command(lambda: print({name!r}) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout in (b"caf\xe9.mp4\n", b"caf\\udce9.mp4\n")


def test_an_error_is_one_line_whatever_the_name(capsys: pytest.CaptureFixture) -> None:
    def run() -> int:
        raise SavgError("a\nb\x1b[2J is no video.")

    assert run_command(run) == 1
    assert capsys.readouterr().err == "error: a\\nb\\x1b[2J is no video.\n"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"GOMP_SPINCOUNT": "10000"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
    ],
)
def test_threads_wait_briefly_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: dict[str, str]
) -> None:
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    with monkeypatch.context() as patch:
        for name in names:
            patch.setenv(name, "")
            patch.delenv(name)
        for name, value in given.items():
            patch.setenv(name, value)
        wait_briefly()
        assert {name: os.environ[name] for name in names if name in os.environ} == expected
