"""The datasets that the operator of a studio allows visitors to browse, and what is known about them.

A visitor names a dataset by its key and a clip by its name in the set's own list: nothing that a
browser sends becomes part of a path.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cachetools import LRUCache

from savg.data.bench_table import BenchTable, Step, bench_table, read_report
from savg.data.savgbench import BUILT_NAME, SPLIT_NAMES, SPLITS, BenchItem, SavgBench, splits_in
from savg.errors import SavgError
from savg.geometry import FIELD_OF_VIEW

VARIABLE = "SAVG_DATA"
"""Environment variable with the folders of datasets, separated as in PATH."""

MAX_OPEN = 8
"""Open splits in memory."""


@dataclass(frozen=True)
class SetChoice:
    """A dataset to choose: its key, a title for people, and the folder of each of its splits."""

    key: str
    title: str
    splits: Mapping[str, Path]


@dataclass(frozen=True, eq=False)
class OpenSet:
    """One split of a dataset with its table, and its construction's report where there is one."""

    choice: SetChoice
    split: str
    bench: SavgBench
    table: BenchTable
    report: dict[str, Any] | None

    @property
    def title(self) -> str:
        """The dataset and its split in words."""
        return f"{self.choice.title}, {SPLIT_NAMES[self.split].lower()}"

    def item(self, name: object) -> BenchItem:
        """The clip of a name."""
        if not isinstance(name, str) or name not in self.bench:
            raise SavgError("This clip is not in the dataset: choose one of the images.")
        return self.bench[name]

    @property
    def field_of_view(self) -> float:
        """Horizontal, in degrees: as the manifest says, else the published one."""
        settings = (self.bench.manifest or {}).get("settings", {})
        angle = settings.get("field_of_view", FIELD_OF_VIEW)
        usable = isinstance(angle, int | float) and 0 < angle < 180
        return float(angle) if usable else FIELD_OF_VIEW

    def hidden(self, error: SavgError) -> SavgError:
        """The error without the server's own folders."""
        return SavgError(str(error).replace(f"{self.bench.root}{os.sep}", ""))


class Sets:
    """The datasets in some folders; looked for again each time somebody asks for the choices."""

    def __init__(self, folders: Iterable[str | os.PathLike[str]] = ()) -> None:
        self.folders = tuple(Path(folder).absolute() for folder in folders)
        self._choices: dict[str, SetChoice] = {}
        self._open: LRUCache[tuple[Any, ...], OpenSet] = LRUCache(MAX_OPEN)
        self._lock = threading.Lock()

    @classmethod
    def of_environment(cls) -> Sets:
        """Those of the variable SAVG_DATA."""
        return cls(filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)))

    def __bool__(self) -> bool:
        return bool(self.folders)

    def choices(self) -> list[SetChoice]:
        """What can be chosen now; a folder without clips is a choice without splits."""
        choices: dict[str, SetChoice] = {}
        for folder in self.folders:
            for place, splits in _datasets(folder).items():
                key = hashlib.sha256(os.fsencode(place)).hexdigest()[:16]
                choices.setdefault(key, SetChoice(key, place.name, splits))
        titles = [choice.title for choice in choices.values()]
        for key, choice in choices.items():
            if titles.count(choice.title) > 1:
                place = next(iter(choice.splits.values()), Path(choice.title))
                title = f"{choice.title} in {place.parent.parent.name}"
                choices[key] = SetChoice(key, title, choice.splits)
        self._choices = choices
        return list(choices.values())

    def choice(self, key: object) -> SetChoice:
        """The dataset of a key."""
        if not self._choices:
            self.choices()
        chosen = self._choices.get(key) if isinstance(key, str) else None
        if chosen is None:
            raise SavgError("This dataset is not known: choose one of the list.")
        return chosen

    def is_open(self, key: object, split: object) -> bool:
        """Whether opening it takes no time."""
        try:
            choice, path, name = self._place(key, split)
        except SavgError:
            return True
        return (choice.key, name, *_state(path)) in self._open

    def open(self, key: object, split: object, on_step: Step | None = None) -> OpenSet:
        """A split of a dataset, read anew when its files have changed.

        An unknown split is the dataset's first. SavgError for a folder that holds no clips.
        """
        choice, path, name = self._place(key, split)
        place = (choice.key, name, *_state(path))
        with self._lock:
            if place not in self._open:
                try:
                    bench = SavgBench(path, name)
                    report = read_report(bench)
                    table = bench_table(bench, report, on_step)
                except SavgError as error:
                    short = str(error).replace(f"{path.parent}{os.sep}", "")
                    raise SavgError(short) from error
                self._open[place] = OpenSet(choice, name, bench, table, report)
            return self._open[place]

    def _place(self, key: object, split: object) -> tuple[SetChoice, Path, str]:
        choice = self.choice(key)
        if not choice.splits:
            raise SavgError(
                f"“{choice.title}” holds no clips: expected {BUILT_NAME}_Development/video_dev or "
                f"{BUILT_NAME}_Evaluation/video_eval in it."
            )
        name = (
            split
            if isinstance(split, str) and split in choice.splits
            else next(iter(choice.splits))
        )
        return choice, choice.splits[name], name


def _datasets(folder: Path) -> dict[Path, dict[str, Path]]:
    """Places with splits at or below a folder; the folder itself without any where there is none."""
    places: dict[Path, dict[str, Path]] = {}
    if folder.is_dir():
        for path, split in splits_in(folder):
            if not (path / f"foa_{split}").is_dir():
                places.setdefault(path.parent, {})[split] = path
    ordered = {p: {s: places[p][s] for s in SPLITS if s in places[p]} for p in places}
    return ordered or {folder: {}}


def _state(path: Path) -> tuple[int, ...]:
    """Changes when clips or reports come or go."""
    times = []
    for place in (path, *sorted(path.glob("video_*")), path.parent / "report.json"):
        try:
            times.append(place.stat().st_mtime_ns)
        except OSError:
            times.append(0)
    return tuple(times)
