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
    """Study folders, and those found in a root folder, which is looked through again when asked.

    So studies made while the server runs appear. url: where the databases of folders are that do not
    hold their own; clock: seconds since 1970. SavgError for a folder of `folders` that is no study, or
    a name that comes twice; what is no study under `root` is passed over.
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
        """Open one more study."""
        study = open_folder(folder, self.url, self._clock)
        with self._lock:
            known = self._open.get(study.name)
            if known is None:
                self._open[study.name] = study
                return study
        study.store.close()
        if known.path.resolve() == folder.resolve():
            return known
        raise SavgError(f"{folder} and {known.path} are both called {study.name}.")

    def get(self, name: str) -> StudyFolder:
        """The study of that name; UnknownStudy if there is none."""
        study = self._open.get(name)
        if study is None:
            self._look()
            study = self._open.get(name)
        if study is None:
            raise UnknownStudy(f"There is no study {name[:40]}.")
        return study

    def names(self) -> list[str]:
        """All names, sorted."""
        self._look()
        return sorted(self._open)

    def close(self) -> None:
        """Do what must come before (`closing`), and close all databases."""
        while self.closing:
            self.closing.pop()()
        with self._lock:
            for study in self._open.values():
                study.store.close()
            self._open.clear()

    def _look(self) -> None:
        if self.root is None or not self.root.is_dir():
            return
        known = {study.path.resolve() for study in list(self._open.values())}
        for folder in sorted(self.root.iterdir()):
            hidden = folder.name.startswith(".")  # a study in the making
            if hidden or folder.resolve() in known or not (folder / "study.json").is_file():
                continue
            try:
                self.add(folder)
            except SavgError:
                continue  # one broken study must not take the others off the air
