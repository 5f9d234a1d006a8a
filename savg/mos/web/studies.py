"""The studies that a server has, by name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from savg.errors import SavgError
from savg.mos.storage.rows import UnknownStudy
from savg.mos.study.folder import StudyFolder, open_folder


class Studies:
    """Open studies by name: those of `folders`, and those under `root`, which is scanned at each query.

    Args:
        folders: study folders.
        root: a folder of study folders, also of those made later; anything else in it is ignored.
        url: the database of folders without one of their own.
        clock: the time in seconds since 1970 UTC.

    Raises:
        SavgError: a folder of `folders` is not a study, or two have the same name.
    """

    def __init__(
        self,
        folders: Iterable[Path] = (),
        root: Path | None = None,
        url: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.root = root
        self.url = url
        self._clock = clock
        self._open: dict[str, StudyFolder] = {}
        self._lock = threading.Lock()
        self.closing: list[Callable[[], object]] = []
        for folder in folders:
            self.add(folder)

    def add(self, folder: Path) -> StudyFolder:
        """Open a study; SavgError if the folder is not one, or another has its name."""
        study = open_folder(folder, self.url, self._clock)
        with self._lock:
            existing = self._open.get(study.name)
            if existing is None:
                self._open[study.name] = study
                return study
        study.store.close()
        if existing.path.resolve() == folder.resolve():
            return existing
        raise SavgError(f"{folder} and {existing.path} are both called {study.name}.")

    def get(self, name: str) -> StudyFolder:
        """The study of that name; UnknownStudy if there is none."""
        study = self._open.get(name)
        if study is None:
            self._scan()
            study = self._open.get(name)
        if study is None:
            raise UnknownStudy(f"There is no study {name[:40]}.")
        return study

    def names(self) -> list[str]:
        """All names, sorted."""
        self._scan()
        return sorted(self._open)

    def close(self) -> None:
        """Call the functions of `closing`, then close all databases."""
        while self.closing:
            self.closing.pop()()
        with self._lock:
            for study in self._open.values():
                study.store.close()
            self._open.clear()

    def _scan(self) -> None:
        if self.root is None or not self.root.is_dir():
            return
        existing = {study.path.resolve() for study in list(self._open.values())}
        for folder in sorted(self.root.iterdir()):
            hidden = folder.name.startswith(".")  # a study that is not complete
            if hidden or folder.resolve() in existing or not (folder / "study.json").is_file():
                continue
            try:
                self.add(folder)
            except SavgError:
                continue  # a broken study must not affect the others
