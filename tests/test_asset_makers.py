"""Scripts that make bundled files: what they write appears whole or not at all."""

from __future__ import annotations

import ast
from pathlib import Path

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
