"""Scripts that make bundled files: what they write appears whole or not at all."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from savg.arrays import read_arrays, write_arrays
from savg.errors import SavgError

ASSETS = Path(__file__).parents[1] / "assets"
MAKERS = sorted(ASSETS.rglob("make_*.py"))
WRITERS = {"write_text", "write_bytes", "save", "savez", "savez_compressed", "imwrite", "dump"}
WHOLE = {"atomic_file", "atomic_folder", "TemporaryDirectory"}
"""What a bare writer may write into: files that are renamed when they are whole, or thrown away."""


def called(node: ast.AST) -> str:
    """The last name of what a call calls, "" for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    name = node.func
    return name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")


def bare_writes(code: str) -> list[int]:
    """Lines that write files outside a `with` of WHOLE."""
    tree = ast.parse(code)
    whole: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.With) and any(called(i.context_expr) in WHOLE for i in node.items):
            whole.update(id(inner) for inner in ast.walk(node))
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and called(node) in WRITERS and id(node) not in whole
    ]


@pytest.mark.parametrize("path", MAKERS, ids=lambda path: path.stem)
def test_makers_write_whole_files(path: Path) -> None:
    assert bare_writes(path.read_text(encoding="utf-8")) == []


def test_a_bare_write_is_found() -> None:
    assert len(MAKERS) >= 6
    code = "with atomic_file(p) as q:\n    q.write_text('')\nnp.savez(p, a=1)\np.write_bytes(b'')\n"
    assert bare_writes(code) == [3, 4]


def test_an_archive_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "bank.npz"
    for compressed in (False, True):
        write_arrays(path, a=np.arange(3), name=np.array("one"), compressed=compressed)
        assert read_arrays(path)["a"].tolist() == [0, 1, 2]

    class Broken:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            raise OSError("no space left")

    with pytest.raises(SavgError, match=r"bank\.npz could not be written: no space left"):
        write_arrays(path, a=np.zeros(3), b=Broken())  # type: ignore[arg-type]
    assert read_arrays(path)["a"].tolist() == [0, 1, 2] and list(tmp_path.iterdir()) == [path]


@pytest.fixture
def room_making(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts of make_rooms can be imported, with stand-ins for Blender's modules."""
    monkeypatch.syspath_prepend(ASSETS / "furnished")
    for name, names in (("bpy", ()), ("mathutils", ("Matrix", "Vector"))):
        module = ModuleType(name)
        for one in names:
            setattr(module, one, object)
        monkeypatch.setitem(sys.modules, name, module)
    for name in [name for name in sys.modules if name.partition(".")[0] == "room_making"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("room_making")
def test_plans_are_those_of_the_bundled_rooms() -> None:
    plans = importlib.import_module("room_making.plans")
    rooms = json.loads((ASSETS / "furnished" / "world.json").read_text(encoding="utf-8"))["rooms"]
    for room in rooms:
        index = int(room["name"].removeprefix("room"))
        plan = plans.draw_plan(np.random.default_rng([2026, index]), index)
        dims = tuple(room[key] for key in ("front", "back", "left", "right", "height", "eye"))
        assert (plan.theme, plan.dims, plan.night) == (room["theme"], dims, room["night"])


@pytest.mark.usefixtures("room_making")
def test_a_builder_has_every_part_of_a_room() -> None:
    """Each method that one part of the builder calls on itself is there, once."""
    building = importlib.import_module("room_making.building")
    classes = building.Builder.__mro__[:-1]
    assert len(classes) == 5
    defined = [name for one in classes for name in vars(one) if not name.startswith("__")]
    assert len(defined) == len(set(defined))
    for path in (ASSETS / "furnished" / "room_making").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id == "self" and node.func.attr[0] == "_":
                    assert node.func.attr in defined, (path.name, node.func.attr)
