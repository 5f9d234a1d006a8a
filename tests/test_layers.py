"""Who may import whom: the folders of the design, downward only."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LAYERS = (
    (
        "errors",
        "paths",
        "private_files",
        "temporary",
        "folders",
        "input_file",
        "command",
        "extras",
        "numerals",
        "memory",
    ),
    (
        "arrays",
        "fields",
        "json_files",
        "checksums",
        "tensor_files",
        "format",
        "device",
        "cpu_speed",
    ),
    ("audio",),
    ("media",),
    ("clip", "video", "annotation", "tables"),
    ("geometry",),
    ("hub", "private_dataset", "web"),
    ("diffusion",),
    ("models",),
    ("data",),
    ("detectors",),
    ("features",),
    ("viz",),
    ("metrics",),
    ("evaluation",),
    ("mos",),
    ("pipelines",),
    ("train",),
    ("space",),
    ("studio",),
    ("cli", "__main__"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imports(path: Path) -> set[str]:
    """The first-level parts of savg that a file imports, wherever in the file."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        parts |= {n.split(".")[1] for n in names if n.startswith("savg.")}
    return parts - {"__version__"}


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


def module_name(path: Path) -> str:
    """`savg.a.b` for savg/a/b.py, `savg.a` for savg/a/__init__.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def files_imported(path: Path, known: dict[str, Path]) -> set[Path]:
    """The files of savg that a file imports: at the top, inside functions and under TYPE_CHECKING.

    An import also runs the `__init__.py` of each package on the way that the file is not itself in.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names |= {name if name in known else str(node.module) for name in whole}
    own = module_name(path)
    found = {known[name] for name in names if name in known}
    for name in names:
        parts = name.split(".")
        for end in range(1, len(parts)):
            package = ".".join(parts[:end])
            if package in known and not f"{own}.".startswith(f"{package}."):
                found.add(known[package])
    return found - {path}


def import_circle(files: list[Path]) -> list[str]:
    """A circle of files that import each other, in order; empty where there is none."""
    known = {module_name(path): path for path in files}
    graph = {path: files_imported(path, known) for path in files}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [module_name(path) for path in error.args[1]]
    return []


def test_no_file_imports_itself_by_way_of_others() -> None:
    circle = import_circle(FILES)
    assert not circle, "files import each other: " + " <- ".join(circle)


@pytest.mark.parametrize(
    "second",
    [
        "from savg.pair import first",
        "from savg.pair.first import thing",
        "import savg.pair.first",
        "def late():\n    from savg.pair.first import thing",
        "if TYPE_CHECKING:\n    from savg.pair.first import thing",
        "from savg.pair import thing",
    ],
)
def test_a_circle_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    pair = tmp_path / "savg" / "pair"
    pair.mkdir(parents=True)
    texts = {
        "__init__": "from savg.pair.second import other",
        "first": "import savg.pair.second\nthing = 1",
        "second": second,
    }
    for name, text in texts.items():
        (pair / f"{name}.py").write_text(text)
    files = [pair / f"{name}.py" for name in texts]
    assert "savg.pair.second" in import_circle(files)
    (pair / "second.py").write_text("import savg.elsewhere\nother = 2")
    assert import_circle(files) == []


def test_networks_know_no_files_and_no_schedules() -> None:
    for path in sorted((ROOT / "savg" / "models").rglob("*.py")):
        assert imports(path) <= {"models", "audio", "hub", "fields", "errors"}, path


def test_sql_stands_in_the_storage_of_listening_tests_alone() -> None:
    storage = ROOT / "savg" / "mos" / "storage"
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if "sqlalchemy" in text or "sqlite3" in text:
            assert path.parent == storage, path
        if path.parent != storage:
            assert "storage.schema" not in text and "storage import schema" not in text, path


def test_files_of_unknown_origin_are_opened_by_media_alone() -> None:
    for path in FILES:
        if path.relative_to(ROOT / "savg").parts[0] != "media":
            assert not re.search(r"^\s*(import|from) av\b", path.read_text("utf-8"), re.M), path


def lines(folder: Path) -> int:
    """Lines of source in a folder: Python, JavaScript, HTML, style sheets."""
    sources = (p for p in folder.rglob("*.*") if p.suffix in (".py", ".js", ".html", ".css"))
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in sources)


def test_listening_tests_are_a_fifth_of_the_house_at_most() -> None:
    assert 0 < lines(ROOT / "savg" / "mos") <= lines(ROOT / "savg") / 5


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
