"""NAME=DIR arguments."""

from __future__ import annotations

from pathlib import Path

from savg.errors import SavgError


def named_folders(given: list[str], option: str) -> dict[str, Path]:
    """NAME=DIR arguments by name; SavgError for one that is none or comes twice."""
    folders: dict[str, Path] = {}
    for item in given:
        name, sign, folder = item.partition("=")
        if not sign or not name or not folder:
            raise SavgError(f"{option} takes NAME=DIR, not {item!r}.")
        if name in folders:
            raise SavgError(f"{option} names {name} twice.")
        folders[name] = Path(folder)
    return folders
