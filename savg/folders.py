"""Files in folders: one search, and one list of videos' suffixes, for everything that reads folders.

Suffixes count in any case. Hidden files and folders are passed over, and with them temporary files.
Links to files and folders elsewhere are followed, each folder once, so that circles end.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from savg.errors import SavgError

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".f4v", ".3gp", ".3g2", ".mj2"),
    *(".mkv", ".webm", ".avi", ".wmv", ".asf", ".flv", ".ogv", ".mxf"),
    *(".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
)
"""Suffixes of a folder's files that count as videos; a file named by itself may have any other."""

OVERLAY = ".overlay.mp4"
"""End of the names of overlay videos, which are results and no clips."""


def videos_in(folder: str | os.PathLike[str], *, deep: bool = False) -> list[Path]:
    """The videos of a folder in order, without overlays; deep: also of the folders in it."""
    return [path for path in files_in(folder, VIDEO_SUFFIXES, deep=deep) if not is_overlay(path)]


def is_overlay(path: Path) -> bool:
    """Whether a file is named as an overlay video."""
    return path.name.lower().endswith(OVERLAY)


def files_in(
    folder: str | os.PathLike[str], suffixes: Collection[str], *, deep: bool = False
) -> list[Path]:
    """The files of a folder whose names end in a suffix, in any case, sorted.

    Args:
        folder: where to look.
        suffixes: in small letters, with the dot; what stands after a name's last dot is compared.
        deep: also look in the folders in it; those that cannot be read have no files.

    Raises:
        SavgError: `folder` is no folder that can be read.
    """
    root = Path(folder)
    try:
        entries = _entries(root)
    except OSError as error:
        raise SavgError(f"{root} could not be read: {error.strerror or error}.") from error
    return sorted(_search(root, entries, frozenset(suffixes), deep))


def by_stem(folder: str | os.PathLike[str], suffixes: Collection[str]) -> dict[str, Path]:
    """The files of `files_in` by their names without suffix; empty without such a folder.

    Of several files with one stem that with the earliest of `suffixes` counts.
    """
    if not Path(folder).is_dir():
        return {}
    order = {suffix: place for place, suffix in enumerate(suffixes)}
    files = files_in(folder, suffixes)
    files.sort(key=lambda path: (order[path.suffix.lower()], path.suffix))
    return {path.stem: path for path in reversed(files)}


def in_any_case(path: Path) -> Path:
    """The file `path`, or else one beside it whose name differs in small and capital letters only."""
    if path.is_file() or not path.parent.is_dir():
        return path
    name = path.name.lower()
    others = files_in(path.parent, {path.suffix.lower()})
    return next((other for other in others if other.name.lower() == name), path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, without hidden names, in order."""
    with os.scandir(folder) as entries:
        return sorted((e for e in entries if e.name[0] != "."), key=lambda entry: entry.name)


def _search(
    root: Path, entries: list[os.DirEntry[str]], suffixes: Collection[str], deep: bool
) -> Iterator[Path]:
    """Real folders are searched before links to folders, so that files have their shortest names."""
    seen = {_identity(root)}
    pending = [(root, entries)]
    links: list[Path] = []
    while pending:
        folder, entries = pending.pop()
        for entry in entries:
            if os.path.splitext(entry.name)[1].lower() in suffixes and _is(entry, folder=False):
                yield folder / entry.name
            elif deep and _is(entry, folder=True):
                path = folder / entry.name
                if entry.is_symlink():
                    links.append(path)
                else:
                    pending += _unseen(path, seen)
        while not pending and links:
            pending += _unseen(links.pop(0), seen)


def _unseen(folder: Path, seen: set[tuple[int, int]]) -> list[tuple[Path, list[os.DirEntry[str]]]]:
    """A folder with what is in it, unless it was seen or cannot be read."""
    try:
        identity = _identity(folder)
        if identity in seen:
            return []
        seen.add(identity)
        return [(folder, _entries(folder))]
    except OSError:
        return []


def _identity(folder: Path) -> tuple[int, int]:
    state = folder.stat()
    return state.st_dev, state.st_ino


def _is(entry: os.DirEntry[str], folder: bool) -> bool:
    """Whether an entry, or what it links to, is a folder or else a regular file."""
    try:
        return entry.is_dir() if folder else entry.is_file()
    except OSError:
        return False
