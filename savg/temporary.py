"""Names of temporary files that tell who writes them, and removal of those whose writer was killed.

A temporary file or folder is hidden and named `.STEM.HOST-PID-START-TOKEN.part.SUFFIX`: the machine
(or container), the process, when that process began, and a random part. Searches for clips and tables
pass over it. One whose process has ended is abandoned; a process of another machine cannot be asked,
so that its files are abandoned once they have not changed for a day.

`.kept` in place of `.part` marks what a writer was about to replace: it gets its name back if nothing
has that name.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

FOREIGN_SECONDS = 86_400.0
"""Age from which a temporary file of another machine counts as abandoned."""

_STEM_BYTES = 120
_NAME = re.compile(
    r"\.(?P<stem>.*)\.(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]{1,10})-(?P<began>[0-9a-f]+)-[0-9a-f]{8}"
    r"\.(?P<kind>part|kept)(?P<suffix>\.[^.]*)?",
    re.DOTALL,
)

_UNKNOWN = "0"
"""When a process began, where that cannot be told."""


def temporary_path(target: Path, *, kept: bool = False) -> Path:
    """An unused temporary name of this process beside `target`, with its suffix.

    kept: for what has the name `target` so far, until its successor has it.
    """
    stem = os.fsencode(target.stem)[:_STEM_BYTES].decode(errors="ignore")
    suffix = target.suffix if len(os.fsencode(target.suffix)) <= _STEM_BYTES // 4 else ""
    pid = os.getpid()
    writer = f"{_host()}-{pid}-{_began(pid)}-{secrets.token_hex(4)}"
    return target.parent / f".{stem}.{writer}.{'kept' if kept else 'part'}{suffix}"


def is_abandoned(path: Path) -> bool:
    """Whether `path` is a temporary file or folder whose writer has ended."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        return False
    if match["host"] != _host() or sys.platform == "win32":  # where asking interrupts it
        return time.time() - _changed(path) > FOREIGN_SECONDS
    pid = int(match["pid"])
    if not _runs(pid):
        return True
    now = _began(pid)
    return _UNKNOWN not in (now, match["began"]) and now != match["began"]


def remove_abandoned(folder: Path) -> list[Path]:
    """Remove the abandoned temporary files and folders in `folder`; returns those that are gone.

    What was kept and has no successor gets its name back. A missing or unreadable folder has none.
    """
    removed = []
    with suppress(OSError):
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(".")]
        for name in names:
            path = folder / name
            if not is_abandoned(path) or _is_restored(path):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
            removed.append(path)
    return removed


def _is_restored(path: Path) -> bool:
    """Give what was kept its name back, unless something has that name; whether it stays."""
    match = _NAME.fullmatch(path.name)
    if match is None or match["kind"] != "kept":
        return False
    if len(os.fsencode(match["stem"])) > _STEM_BYTES - 4:  # perhaps not the whole name
        return True
    target = path.with_name(f"{match['stem']}{match['suffix'] or ''}")
    if os.path.lexists(target):
        return False
    with suppress(OSError):
        os.replace(path, target)
    return True


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
    names = f"{socket.gethostname()} {_line('/etc/machine-id')} {space}"
    return hashlib.sha256(names.encode()).hexdigest()[:8]


@cache
def _line(path: str) -> str:
    """The text of a small file of the system, empty where there is none."""
    with suppress(OSError, UnicodeDecodeError):
        return Path(path).read_text(encoding="ascii").strip()
    return ""


def _began(pid: int) -> str:
    """When a process began, as a name that no later process of its number has."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _UNKNOWN
    ticks = fields.rpartition(")")[2].split()[19]
    boot = _line("/proc/sys/kernel/random/boot_id")
    return hashlib.sha256(f"{boot} {ticks}".encode()).hexdigest()[:8]


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
