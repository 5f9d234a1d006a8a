"""Optional packages: each is one sentence that names its extra, before any work."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from savg.errors import SavgError
from savg.extras import EXTRA_OF, import_extra

ROOT = Path(__file__).resolve().parents[1]


def test_every_extra_exists_and_installs_its_packages() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for module, extra in EXTRA_OF.items():
        package = {"open_clip": "open-clip-torch"}.get(module, module)
        assert any(line.startswith(package) for line in extras[extra]), module


@pytest.mark.parametrize("module", EXTRA_OF)
def test_a_missing_package_is_one_sentence(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SavgError) as info:
        import_extra(f"{module}.part", "This")
    install = f"pip install 'savg-studio[{EXTRA_OF[module]}]'"
    assert str(info.value) == f"This needs {module}: {install}."


def test_a_package_that_does_not_load_says_why(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "open_clip.py").write_text("raise ImportError('libfoo.so is missing\\nand more')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "open_clip", raising=False)
    with pytest.raises(SavgError, match=r"does not load \(libfoo\.so is missing\): pip install"):
        import_extra("open_clip", "This")


COMMANDS = [
    ("train", "accelerate", ["-m", "savg.train", "seld", "--config", "tiny", "--out", "OUT"]),
    ("clip", "open_clip", ["-m", "savg.train", "mmaudio", "--config", "full", "--out", "OUT"]),
    ("dataset", "pyroomacoustics", ["-m", "savg", "dataset", "synth", "--out", "OUT"]),
    ("mmdet", "mmdet", ["-m", "savg", "annotate", "VIDEO", "--detector", "mmdet", "--out", "OUT"]),
    ("mmdet", "mmdet", ["-m", "savg", "evaluate", "CLIPS", "--detector", "mmdet"]),
    (
        "mmdet",
        "mmdet",
        [
            *("-m", "savg", "compose", "VIDEO", "--layout", "overlay-spectrogram"),
            *("--detector", "mmdet", "--out", "OUT.mp4"),
        ],
    ),
    (
        "postgres",
        "psycopg",
        [
            *("-m", "savg", "mos", "create", "OUT", "--conditions", "a=CLIPS", "b=CLIPS"),
            *("--trials", "44", "--database", "postgresql://nobody@127.0.0.1:1/none"),
        ],
    ),
]


RUN_ALL = """
import json, os, runpy, sys, traceback
for module in sys.argv[2:]:
    sys.modules[module] = None
import torch, savg.cli, savg.train.loop
for folder, module, words in json.loads(sys.argv[1]):
    if os.fork():
        _, status = os.wait()
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)
        continue
    for other in {*sys.argv[2:]} - {module}:
        del sys.modules[other]
    os.chdir(folder)
    os.dup2(os.open("../errors", os.O_WRONLY | os.O_CREAT), 2)
    sys.argv, code = words[1:], 0
    try:
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 99
    sys.stderr.flush()
    os._exit(code)
"""
"""Runs commands, each without its package, in forks of one process that imports what all need."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, Path]]:
    """The exit code of each command and its folder, beside which the file `errors` is."""
    jobs = []
    for _, module, command in COMMANDS:
        folder = tmp_path_factory.mktemp(module) / "here"
        (folder / "clips").mkdir(parents=True)
        (folder / "clips" / "a.mp4").write_bytes(b"not decoded")
        words = {"OUT": "out", "VIDEO": "clips/a.mp4", "CLIPS": "clips"}
        for word, value in words.items():
            command = [part.replace(word, value) for part in command]
        jobs.append((str(folder), module, command))
    run = [sys.executable, "-c", RUN_ALL, json.dumps(jobs), *{module for _, module, _ in jobs}]
    process = subprocess.run(run, capture_output=True, text=True, cwd=ROOT)
    assert process.returncode == 0, process.stderr
    codes = [int(line) for line in process.stdout.splitlines()[-len(jobs) :]]
    return [(code, Path(folder)) for code, (folder, *_) in zip(codes, jobs, strict=True)]


@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=lambda i: f"{i}-{COMMANDS[i][1]}")
def test_commands_name_the_missing_extra_before_any_work(
    number: int, done: list[tuple[int, Path]]
) -> None:
    extra, (code, folder) = COMMANDS[number][0], done[number]
    errors = (folder.parent / "errors").read_text()
    assert code == 1, errors
    last = errors.strip().splitlines()[-1]
    assert last.startswith("error: ") and f"pip install 'savg-studio[{extra}]'" in last
    assert "Traceback" not in errors
    made = {p.name for p in folder.rglob("*")} - {"clips", "a.mp4"}
    assert made <= {"out", "run.json"}, "no more than the description of a run is written"
