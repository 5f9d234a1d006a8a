"""The runs of `evaluate` that the Results tab compares: found in folders, opened by key.

A visitor names a run by its key and a clip by its name in the run's own list. What a results.json says
of folders is believed only within the folders that the operator named.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cachetools import LRUCache

from savg.errors import SavgError
from savg.evaluation.files import result_names
from savg.evaluation.result_files import RESULTS
from savg.evaluation.results_file import RESULTS_JSON, Run, read_run
from savg.folders import videos_in
from savg.paths import existing

VARIABLE = "SAVG_RESULTS"
"""Environment variable: folders that `evaluate --out` wrote, or folders of such folders."""

CLIPS = ("SAVG_CLIPS", "SAVG_DATA")
"""Further variables whose folders may hold the clips of runs."""

MAX_OPEN = 12
"""Runs in memory."""


@dataclass(frozen=True)
class RunChoice:
    """A run to choose: key, title for people, mode."""

    key: str
    title: str
    mode: str


class Runs:
    """The runs in some folders, looked for again each time somebody asks."""

    def __init__(self, folders: Iterable[Path] = (), clips: Iterable[Path] = ()) -> None:
        self.folders = tuple(folders)
        self.allowed = tuple(path.resolve() for path in (*self.folders, *clips))
        self._open: LRUCache[tuple[str, int], Run] = LRUCache(MAX_OPEN)

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Runs:
        """Those of SAVG_RESULTS, after those that come with the package."""
        clips = [path for name in CLIPS for path in _paths(environment.get(name, ""))]
        return cls([RESULTS, *_paths(environment.get(VARIABLE, ""))], clips)

    def files(self) -> list[Path]:
        """The results.json files there are now, at or below the folders, two levels deep."""
        files: dict[Path, None] = {}
        for folder in self.folders:
            for place in (folder, *_below(folder), *(p for q in _below(folder) for p in _below(q))):
                path = place / RESULTS_JSON
                if path.is_file():
                    files[path.resolve()] = None
        return list(files)

    def choices(self) -> tuple[list[RunChoice], list[str]]:
        """The readable runs by title, those of the package last, and what is wrong with others."""
        choices: list[RunChoice] = []
        bundled: set[str] = set()
        package = RESULTS.resolve()
        problems: list[str] = []
        for path in self.files():
            try:
                run = self._read(path)
            except SavgError as error:
                problems.append(_shortened(error, path))
                continue
            clips = run.generated.clips
            title = f"{run.name} ({path.parent.name}, {clips} clips, {run.mode})"
            choices.append(RunChoice(_key(path), title, run.mode))
            if package in path.resolve().parents:
                bundled.add(choices[-1].key)
        return sorted(choices, key=lambda c: (c.key in bundled, c.title)), problems

    def open(self, key: object) -> Run:
        """The run of a key; SavgError where it is not there."""
        for path in self.files():
            if _key(path) == key:
                with suppress(SavgError):
                    return self._read(path)
        raise SavgError("This run is not there any more: choose another one.")

    def _read(self, path: Path) -> Run:
        """A run, from memory while its file is the same."""
        key = str(path), existing(path, "run").stat().st_mtime_ns
        if key not in self._open:
            self._open[key] = read_run(path)
        return self._open[key]

    def clip(self, run: Run, name: object) -> Path:
        """The video of a clip of a run; SavgError where its folder is not allowed or lacks it."""
        if name not in {row["clip"] for row in run.each}:
            raise SavgError("This clip is not in the run: choose one of its dots.")
        for folder in self._clip_folders(run):
            videos = videos_in(folder)
            named = dict(zip(result_names(videos), videos, strict=True))
            path = named.get(str(name))
            if path is not None and self._is_allowed(path):
                return path
        raise SavgError(
            f"The clips of “{run.name}” are not beside its results: {VARIABLE} must name a folder "
            "that holds both."
        )

    def _clip_folders(self, run: Run) -> Iterator[Path]:
        """Where the clips may be: as the run says, seen from its folder or from the one above."""
        told = run.about.get("generated")
        if run.path is None or not isinstance(told, str) or not told:
            return
        for base in (run.path.parent, run.path.parent.parent):
            folder = base / told
            if os.path.isdir(folder) and self._is_allowed(folder):
                yield folder

    def _is_allowed(self, path: Path) -> bool:
        """Whether a path, with all links followed, lies in a folder that the operator named."""
        return any(path.resolve().is_relative_to(folder) for folder in self.allowed)


def _key(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _paths(value: str) -> list[Path]:
    return [Path(part) for part in value.split(os.pathsep) if part]


def _below(folder: Path) -> list[Path]:
    """Folders in a folder, without hidden ones; none where it cannot be read."""
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return []


def _shortened(error: SavgError, path: Path) -> str:
    """The error without the server's own folders."""
    return str(error).replace(str(path.parent.parent) + os.sep, "")
