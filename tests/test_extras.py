"""Optional packages: each is one sentence that names its extra, before any work."""

from __future__ import annotations

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


@pytest.mark.parametrize(("extra", "module", "command"), COMMANDS)
def test_commands_name_the_missing_extra_before_any_work(
    extra: str, module: str, command: list[str], tmp_path: Path
) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"not decoded")
    words = {"OUT": "out", "VIDEO": "clips/a.mp4", "CLIPS": "clips"}
    for word, value in words.items():
        command = [part.replace(word, value) for part in command]
    blocked = f"import runpy, sys; sys.modules[{module!r}] = None; sys.argv = sys.argv[1:]; "
    run = f"runpy.run_module({command[1]!r}, run_name='__main__', alter_sys=True)"
    done = subprocess.run(
        [sys.executable, "-c", blocked + run, *command[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and f"pip install 'savg-studio[{extra}]'" in last
    assert "Traceback" not in done.stderr
    made = {p.name for p in tmp_path.rglob("*")} - {"clips", "a.mp4"}
    assert made <= {"out", "run.json"}, "no more than the description of a run is written"
