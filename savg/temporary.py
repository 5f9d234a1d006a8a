"""Names of temporary files that tell who writes them, and removal of those whose writer was killed.

A temporary file or folder is hidden and named `.STEM.HOST-PID-START-TOKEN.part.SUFFIX`: the machine
(or container), the process, when that process began, and a random part. Searches for clips and tables
pass over it. One whose process has ended is abandoned; a process of another machine cannot be asked,
so that its files are abandoned once they have not changed for a day.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

FOREIGN_SECONDS = 86_400.0
"""Age from which a temporary file of another machine counts as abandoned."""

_STEM_BYTES = 120
_NAME = re.compile(
    r"\..*\.([0-9a-f]{8})-([0-9]{1,10})-([0-9a-f]+)-[0-9a-f]{8}\.part(\.[^.]*)?", re.DOTALL
)


def temporary_path(target: Path) -> Path:
    """An unused temporary name of this process beside `target`, with its suffix."""
    stem = os.fsencode(target.stem)[:_STEM_BYTES].decode(errors="ignore")
    suffix = target.suffix if len(os.fsencode(target.suffix)) <= _STEM_BYTES // 4 else ""
    pid = os.getpid()
    writer = f"{_host()}-{pid}-{_began(pid)}-{secrets.token_hex(4)}"
    return target.parent / f".{stem}.{writer}.part{suffix}"


def is_abandoned(path: Path) -> bool:
    """Whether `path` is a temporary file or folder whose writer has ended."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        return False
    host, pid, began = match[1], int(match[2]), match[3]
    if host != _host():
        return time.time() - _changed(path) > FOREIGN_SECONDS
    return not _runs(pid) or _began(pid) != began


def remove_abandoned(folder: Path) -> list[Path]:
    """Remove the abandoned temporary files and folders in `folder`; returns those removed.

    A missing or unreadable folder has none.
    """
    removed = []
    with suppress(OSError):
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(".")]
        for name in names:
            path = folder / name
            if not is_abandoned(path):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
            removed.append(path)
    return removed


def remove_abandoned_once(folder: Path) -> None:
    """As `remove_abandoned`, the first time that this process asks for a folder."""
    key = os.path.abspath(folder)
    if key not in _searched:
        _searched.add(key)
        remove_abandoned(folder)


_searched: set[str] = set()


@cache
def _host() -> str:
    """The machine with its space of process numbers: containers have their own."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


@cache
def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _began(pid: int) -> str:
    """When a process began, as a name that no later process of its number has; "0" if unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "0"
    ticks = fields.rpartition(")")[2].split()[19]
    return hashlib.sha256(f"{_boot()} {ticks}".encode()).hexdigest()[:8]


def _runs(pid: int) -> bool:
    """Whether a process has this number; one that has ended and was not yet collected does not run."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return fields.rpartition(")")[2].split()[0] not in "ZX"
    return True


def _changed(path: Path) -> float:
    """When a file, or anything directly in a folder, was last changed."""
    times = [0.0]
    with suppress(OSError):
        times.append(path.lstat().st_mtime)
        if path.is_dir():
            times += [inside.lstat().st_mtime for inside in path.iterdir()]
    return max(times)
