"""NAME=DIR arguments."""

from __future__ import annotations

from pathlib import Path

from savg.errors import SavgError


def named_folders(given: list[str], option: str) -> dict[str, Path]:
    """NAME=DIR arguments by name; SavgError for one that is none or comes twice."""
    found: dict[str, Path] = {}
    for item in given:
        name, sign, folder = item.partition("=")
        if not sign or not name or not folder:
            raise SavgError(f"{option} takes NAME=DIR, not {item!r}.")
        if name in found:
            raise SavgError(f"{option} names {name} twice.")
        found[name] = Path(folder)
    return found
