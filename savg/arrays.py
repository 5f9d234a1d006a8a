"""NumPy's files of unknown origin: arrays (.npy) as memory maps, and archives of arrays (.npz).

Both are opened as data only, without pickles; archives are written whole or not at all.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError
from savg.input_file import input_file
from savg.paths import atomic_file

MAX_BYTES = 2**28
"""Unpacked bytes of an archive."""

_MAGIC = b"\x93NUMPY"

_DAMAGE = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy raises for damaged files."""


def open_array(path: str | os.PathLike[str], error: type[SavgError] = SavgError) -> NDArray[Any]:
    """The array in a .npy file as a read-only memory map of any shape and type but objects.

    Raises:
        SavgError: `error`, in one sentence that names the file.
    """
    file = input_file(path, "NumPy array", error)
    try:
        with file.open("rb") as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise ValueError("no .npy file")
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except _DAMAGE as problem:
        raise error(f"{file} is not a NumPy array that can be read.") from problem


def read_arrays(
    path: str | os.PathLike[str], error: type[SavgError] = SavgError
) -> dict[str, NDArray[Any]]:
    """The arrays in a .npz file by name.

    Raises:
        SavgError: `error`, in one sentence that names the file, also for more than `MAX_BYTES`.
    """
    file = input_file(path, "NumPy archive", error)
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise error(
                f"{file} must unpack to at most {MAX_BYTES / 2**20:.0f} MiB, got {size / 2**20:.0f}."
            )
        with np.load(file, allow_pickle=False) as arrays:
            values = {name: arrays[name] for name in arrays.files}
        if not all(isinstance(value, np.ndarray) for value in values.values()):
            raise ValueError("a member that is no array, which NumPy gives as bytes")
        return values
    except _DAMAGE as problem:
        raise error(f"{file} is not a NumPy archive that can be read.") from problem


def write_arrays(
    path: str | os.PathLike[str], *, compressed: bool = False, **arrays: NDArray[Any]
) -> None:
    """Write a .npz file of the arrays by name, whole or not at all; SavgError where it cannot be."""
    save = np.savez_compressed if compressed else np.savez
    with atomic_file(path) as part, part.open("wb") as file:
        save(file, **arrays)  # type: ignore[arg-type]
