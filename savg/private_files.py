"""Files and folders that no other account of the machine can read: listeners' answers and clips.

Where permissions cannot be changed (another owner, a file system without them) they stay.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER_MODE, FILE_MODE = 0o700, 0o600

_OTHERS, _NO_GROUP = 0o077, 0o007


@contextmanager
def private_umask() -> Iterator[None]:
    """Everything that this process makes in the block is private from the beginning."""
    before = os.umask(_OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def is_shared(path: Path) -> bool:
    """Whether other accounts have any right to a file or folder; False if it is not there.

    The group of a folder with the set-group-ID bit (chmod g+s) is one with its owner: that says that
    both share it on purpose.
    """
    try:
        mode = path.stat().st_mode
        folder = mode if stat.S_ISDIR(mode) else path.parent.stat().st_mode
    except OSError:
        return False
    return bool(mode & (_NO_GROUP if folder & stat.S_ISGID else _OTHERS))


def private_folder(path: Path) -> Path:
    """The folder, made (with its parents) if it is missing: then private."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(FOLDER_MODE, exist_ok=True)
    return path


def private_file(path: Path) -> None:
    """Make an empty private file, or an existing one private; nothing happens to pipes and devices."""
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
    with suppress(OSError):
        handle = os.open(path, flags, FILE_MODE)
        try:
            if is_shared(path) and stat.S_ISREG(os.fstat(handle).st_mode):
                os.chmod(path, FILE_MODE)
        finally:
            os.close(handle)


def make_private(folder: Path) -> None:
    """Make a folder private, and all that is in it; links are left alone."""
    for directory, _, files in os.walk(folder):
        with suppress(OSError):
            os.chmod(directory, FOLDER_MODE)
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink():
                with suppress(OSError):
                    os.chmod(path, FILE_MODE)
