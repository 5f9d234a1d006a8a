"""Who may import whom: the folders of the design, downward only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LAYERS = (
    ("errors", "paths", "device", "format"),
    ("audio",),
    ("media",),
    ("clip", "video", "annotation", "tables"),
    ("geometry",),
    ("hub", "private_dataset", "web"),
    ("diffusion",),
    ("models",),
    ("data",),
    ("detectors",),
    ("viz",),
    ("metrics",),
    ("evaluation",),
    ("mos",),
    ("pipelines",),
    ("train",),
    ("studio",),
    ("cli", "__main__"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imports(path: Path) -> set[str]:
    """The first-level parts of savg that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {n.split(".")[1] for n in names if n.startswith("savg.")}
    return found - {"__version__"}


FILES = sorted((ROOT / "savg").rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downward(path: Path) -> None:
    own = path.relative_to(ROOT / "savg").parts[0].removesuffix(".py")
    if own == "__init__":
        assert not imports(path)
        return
    assert own in LEVEL, f"savg/{own} has no place among the layers"
    for name in imports(path):
        assert name in LEVEL, f"{path}: unknown part savg.{name}"
        assert LEVEL[name] <= LEVEL[own], f"{path} imports savg.{name}, which lies above it"


def test_networks_know_no_files_and_no_schedules() -> None:
    for path in sorted((ROOT / "savg" / "models").rglob("*.py")):
        assert imports(path) <= {"models", "audio", "hub", "errors"}, path


def test_sql_stands_in_the_storage_of_listening_tests_alone() -> None:
    storage = ROOT / "savg" / "mos" / "storage"
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if "sqlalchemy" in text or "sqlite3" in text:
            assert path.parent == storage, path
        if path.parent != storage:
            assert "storage.schema" not in text and "storage import schema" not in text, path


def test_the_app_only_builds_and_launches() -> None:
    assert imports(ROOT / "app.py") <= {"studio"}


LIGHT = (
    "savg",
    "savg.audio.levels",
    "savg.audio.loudness",
    "savg.audio.resample",
    "savg.clip",
    "savg.annotation",
    "savg.geometry",
    "savg.data.scenes",
    "savg.cli",
)


def test_the_value_types_and_scenes_need_no_torch() -> None:
    heavy = ("torch", "av", "gradio", "plotly")
    code = (
        f"import sys; [__import__(m) for m in {LIGHT!r}]; "
        f"sys.exit(','.join(m for m in {heavy!r} if m in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
