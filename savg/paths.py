"""The bundled files, and files that are written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from savg.errors import SavgError
from savg.private_files import FOLDER_MODE, make_private
from savg.temporary import remove_abandoned_once, temporary_path

NAME_BYTES = 255
"""Longest name of a file on common file systems."""


def assets_dir() -> Path:
    """The bundled weights and voices: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parent
    for candidate in (package.parent / "assets", package / "assets"):
        if candidate.is_dir():
            return candidate
    raise SavgError(
        f"The bundled assets folder is missing: expected it at {package.parent / 'assets'}."
    )


def existing(path: str | os.PathLike[str], what: str = "file or folder") -> Path:
    """`path` as a Path; SavgError if nothing is there. what: its kind, for the message."""
    result = Path(path)
    try:
        result.stat()
    except (OSError, ValueError) as error:
        raise SavgError(f"{result}: no such {what}.") from error
    return result


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checked_file(path: Path, sha256: object) -> Path:
    """A bundled file; SavgError naming file and hash where it is missing, or another than that."""
    if not path.is_file():
        raise SavgError(f"{path} is missing: it must be the file with SHA-256 {sha256}.")
    digest = file_sha256(path)
    if digest != sha256:
        raise SavgError(f"{path} is altered: its SHA-256 must be {sha256}, got {digest}.")
    return path


def writable_folder(path: str | os.PathLike[str], name: str = "folder") -> Path:
    """`path` as a Path where a folder is or can be made, and files can be written in it.

    For commands that compute for long before they write; what killed ones left there is removed.
    name: of the option, for the message. SavgError otherwise; nothing is made.
    """
    target = Path(path)
    if os.path.exists(target) and not os.path.isdir(target):
        raise SavgError(f"{name} must be a folder, got the file {target}.")
    _refuse_unwritable(target, target, name)
    remove_abandoned_once(target)
    return target


def writable_file(path: str | os.PathLike[str], name: str = "file") -> Path:
    """`path` as a Path where a file can be written; SavgError as of `writable_folder`."""
    target = Path(path)
    if os.path.isdir(target):
        raise SavgError(f"{name} must be a file, got the folder {target}.")
    _refuse_unwritable(target, target.parent, name)
    return target


def _refuse_unwritable(target: Path, folder: Path, name: str) -> None:
    """SavgError where `folder` cannot be made, or no files can be written in it."""
    for part in target.parts:
        if len(os.fsencode(part)) > NAME_BYTES:
            raise SavgError(f"{name}: a name must be at most {NAME_BYTES} bytes long, got {part}.")
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        reason = error.strerror or error
        raise SavgError(f"{name} {target} cannot be written: {reason} ({folder}).") from error


@contextmanager
def atomic_file(path: str | os.PathLike[str], *, lasting: bool = True) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name only when the block ends without error.

    What it holds is on the disk before it takes the name, unless it need not be lasting: a cache may
    be damaged where the machine stops. SavgError where it cannot be written.
    """
    target = Path(path)
    part = _beside(target)
    try:
        yield part
        if lasting:
            flush(part)
        os.replace(part, target)
        if lasting:
            _flush_folder(target.parent)
    except OSError as error:
        raise SavgError(f"{target} could not be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str], *, private: bool = False) -> Iterator[Path]:
    """A temporary folder beside `path` that replaces it only when the block ends without error.

    What it holds is on the disk before it takes the name. private: no other account can read it, from
    the beginning. SavgError where it cannot be written.
    """
    target = Path(path)
    part = _beside(target)
    old = temporary_path(target, kept=True)
    try:
        part.mkdir(FOLDER_MODE if private else 0o777)
        yield part
        if private:
            make_private(part)
        for folder, _, names in os.walk(part):
            for name in names:
                flush(Path(folder, name))
            _flush_folder(Path(folder))
        if target.exists():
            os.replace(target, old)
        os.replace(part, target)
        _flush_folder(target.parent)
    except OSError as error:
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise SavgError(f"{target} could not be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _beside(target: Path) -> Path:
    """An unused hidden name with the same suffix in the folder of `target`, made if needed.

    What killed writers left in that folder is removed.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        name_bytes = len(os.fsencode(target.name))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SavgError(f"{target.parent} could not be made: {reason}.") from error
    if name_bytes > NAME_BYTES:
        raise SavgError(
            f"A file's name must be at most {NAME_BYTES} bytes long, got {target.name}."
        )
    remove_abandoned_once(target.parent)
    return temporary_path(target)


def flush(path: Path) -> None:
    """Wait until a file's content is on the disk; links are left alone."""
    if path.is_symlink():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)  # Windows flushes writers
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_folder(folder: Path) -> None:
    """Wait until a folder's names are on the disk, where the file system can tell."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
