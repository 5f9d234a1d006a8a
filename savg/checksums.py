"""Checksums of a folder's files: `SHA256SUMS`, in the form that `sha256sum --check` reads.

A folder without it, from before, is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from savg.errors import CheckpointError
from savg.input_file import input_file
from savg.paths import file_sha256

SUMS_FILE = "SHA256SUMS"

_MOST = 2**20
_LINE = re.compile(r"([0-9a-f]{64})  (\w[\w.-]{0,200})", re.ASCII)


def write_sums(folder: Path, names: Iterable[str], known: Mapping[str, str] | None = None) -> None:
    """Write the checksums of these files of a folder, and those of others that are known."""
    sums = {name: file_sha256(folder / name) for name in names} | dict(known or {})
    lines = [f"{value}  {name}\n" for name, value in sums.items()]
    (folder / SUMS_FILE).write_text("".join(lines), encoding="ascii")


def check_sums(folder: Path, names: Iterable[str]) -> None:
    """CheckpointError for one of these files that is missing or differs from its checksum."""
    path = folder / SUMS_FILE
    if not path.is_file():
        return
    sums = _read(path)
    for name in names:
        if name not in sums:
            raise CheckpointError(f"{path} is damaged: it must hold a checksum of {name}.")
        try:
            same = file_sha256(input_file(folder / name, error=CheckpointError)) == sums[name]
        except OSError as error:
            reason = error.strerror or error
            raise CheckpointError(f"{folder / name} could not be read: {reason}.") from error
        if not same:
            raise CheckpointError(
                f"{folder / name} is damaged: its SHA-256 differs from that in {SUMS_FILE}."
            )


def _read(path: Path) -> dict[str, str]:
    """SHA-256 by file name."""
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST else b""
    except OSError as error:
        raise CheckpointError(f"{path} could not be read: {error.strerror or error}.") from error
    lines = data.decode("ascii", "replace").removesuffix("\n").split("\n")
    matches = [match for match in map(_LINE.fullmatch, lines) if match]
    if len(matches) != len(lines):
        raise CheckpointError(f"{path} is damaged: each line must be a checksum and a name.")
    return {match[2]: match[1] for match in matches}
