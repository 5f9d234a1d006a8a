"""The bundled files, and files that are written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from savg.errors import SavgError


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
    if not result.exists():
        raise SavgError(f"{result}: no such {what}.")
    return result


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name only when the block ends without error.

    SavgError where it cannot be written.
    """
    target = Path(path)
    part = _beside(target)
    try:
        yield part
        os.replace(part, target)
    except OSError as error:
        raise SavgError(f"{target} could not be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder beside `path` that replaces it only when the block ends without error.

    SavgError where it cannot be written.
    """
    target = Path(path)
    part = _beside(target)
    old = _beside(target)
    try:
        part.mkdir()
        yield part
        if target.exists():
            os.replace(target, old)
        os.replace(part, target)
    except OSError as error:
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise SavgError(f"{target} could not be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _beside(target: Path) -> Path:
    """An unused hidden name with the same suffix in the folder of `target`, made if needed."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SavgError(f"{target.parent} could not be made: {error.strerror or error}.") from error
    token = secrets.token_hex(4)
    return target.parent / f".{target.stem}.{token}{target.suffix}"
