"""NumPy's files of unknown origin: what is whole is read, everything else is one sentence."""

from __future__ import annotations

import io
import os
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from savg.arrays import MAX_BYTES, open_array, read_arrays
from savg.errors import CheckpointError, SavgError
from tests.fuzz.mutations import MUTATIONS


def test_an_array_is_mapped_and_an_archive_read(tmp_path: Path) -> None:
    values = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "a.npy", values)
    array = open_array(tmp_path / "a.npy")
    assert isinstance(array, np.memmap) and np.array_equal(array, values)
    np.savez(tmp_path / "a.npz", x=values, y=values.astype(np.int16))
    arrays = read_arrays(tmp_path / "a.npz")
    assert {name: a.dtype.char for name, a in arrays.items()} == {"x": "d", "y": "h"}
    assert all(np.array_equal(a, values) for a in arrays.values())


def _pickle(path: Path) -> None:
    np.save(path, np.array([{}], object))


def _archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.ones(3))


def _deep(path: Path) -> None:
    text = b"[" * 5000
    path.write_bytes(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text)


def _huge(path: Path) -> None:
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999,), }\n"
    path.write_bytes(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + bytes(80))


WRONG = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("1,2\n"),
    "pickle": _pickle,
    "archive": _archive,
    "deep": _deep,
    "huge": _huge,
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "missing": lambda path: None,
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_array_is_one_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    WRONG[kind](path)
    for read in (open_array, read_arrays):
        if (kind, read) == ("archive", read_arrays):
            continue
        with pytest.raises(CheckpointError, match=r"a\.npy.*\.$") as caught:
            read(path, CheckpointError)
        assert len(str(caught.value)) < 200 + len(str(path))


def test_an_archive_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.save(content, np.zeros(2**20))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(MAX_BYTES // 2**23 + 1):
            archive.writestr(f"{number}.npy", content.getvalue())
    assert (tmp_path / "a.npz").stat().st_size < 2**20
    with pytest.raises(SavgError, match="must unpack to at most 256 MiB"):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("mutation", ["bits", "cut", "integers", "array", "directory", "members"])
def test_damaged_files_are_arrays_or_one_sentence(mutation: str, tmp_path: Path) -> None:
    errors = 0
    for number in range(40):
        suffix = ".npz" if mutation in ("directory", "members") else ".npy"
        path, read = tmp_path / f"a{suffix}", read_arrays if suffix == ".npz" else open_array
        (np.savez if suffix == ".npz" else np.save)(path, np.arange(12.0))
        MUTATIONS[mutation].apply(path, random.Random(number))
        try:
            read(path)
        except SavgError as error:
            assert path.name in str(error) and str(error).endswith(".")
            errors += 1
    assert errors
