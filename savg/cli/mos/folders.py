"""NAME=DIR arguments."""

from __future__ import annotations

from pathlib import Path

from savg.errors import SavgError


def named_folders(arguments: list[str], option: str) -> dict[str, Path]:
    """NAME=DIR arguments as name → folder; SavgError for another form or a repeated name."""
    folders: dict[str, Path] = {}
    for item in arguments:
        name, sign, folder = item.partition("=")
        if not sign or not name or not folder:
            raise SavgError(f"{option} must be NAME=DIR, got {item!r}.")
        if name in folders:
            raise SavgError(f"{option} names {name} twice.")
        folders[name] = Path(folder)
    return folders
