"""Files of unknown origin before they are opened, and names in archives before they are used."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from savg.errors import SavgError

TEXT_BYTES = 32 * 2**20
"""Largest text file (table, JSON) that is read."""

_POINTER = b"version https://git-lfs.github.com/spec/v1"


def input_file(
    path: str | os.PathLike[str], what: str = "file", error: type[SavgError] = SavgError
) -> Path:
    """`path` as a Path, if it is a regular file and the file itself.

    A FIFO or a device would hang whoever opens it; a Git LFS pointer stands in a checkout for a file
    that was not fetched. what: what it should be, for messages.

    Raises:
        SavgError: `error`, in one sentence that names the path.
    """
    result = Path(path)
    try:
        mode = result.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
            raise error(f"{result} is {kind}: expected a {what}.")
        with result.open("rb") as file:
            begin = file.read(len(_POINTER))
    except (FileNotFoundError, NotADirectoryError, ValueError) as problem:
        raise error(f"{result}: no such {what}.") from problem
    except OSError as problem:
        raise error(f"{result} could not be opened: {problem.strerror or problem}.") from problem
    if begin == _POINTER:
        raise error(f"{result} is a Git LFS pointer, not the file itself: run git lfs pull.")
    return result


def read_text(
    path: str | os.PathLike[str],
    what: str = "text file",
    error: type[SavgError] = SavgError,
    most: int = TEXT_BYTES,
) -> str:
    """The text of a regular UTF-8 file, with or without a byte order mark.

    Raises:
        SavgError: `error` for what `input_file` refuses, other encodings, and more than `most` bytes.
    """
    file = input_file(path, what, error)
    try:
        with file.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as problem:
        raise error(f"{file} could not be read: {problem.strerror or problem}.") from problem
    if len(data) > most:
        raise error(f"{file} is too large for a {what}: expected at most {most / 2**20:.3g} MiB.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error(f"{file} is not a {what}: it must be text in UTF-8.") from problem


def slashed(name: str) -> PurePosixPath:
    """The name of an archive's member as a path; names by Windows tools have backslashes."""
    return PurePosixPath(name.replace("\\", "/"))
