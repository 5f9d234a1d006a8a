"""Sets of clips in the published layout, downloaded or built here.

`…_Development/{video_dev,metadata_dev}` or `…_Evaluation/{video_eval,metadata_eval}`, one mp4 and one
CSV a clip [S1, S2]; beside the folders of a built set its `manifest.json` and `report/`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np

from savg.annotation import CATEGORY_NAMES, Boxes, ClipLabels
from savg.clip import Clip
from savg.data.clip_names import parse_clip_name
from savg.errors import SavgError
from savg.fields import from_json
from savg.folders import VIDEO_SUFFIXES, by_stem
from savg.format import SAVGBENCH, ClipFormat
from savg.json_files import read_object

SPLITS = ("dev", "eval")
SPLIT_NAMES = {"dev": "Development", "eval": "Evaluation"}
BUILT_NAME = "SAVGBench_Dataset"

_DEPTH = 2
"""Levels below a folder in which the published folders are searched."""


def split_folder(split: str) -> str:
    """Name of the folder of a split that is built here, in the published pattern."""
    return f"{BUILT_NAME}_{SPLIT_NAMES[split]}"


@dataclass(frozen=True)
class BenchItem:
    """One clip of a set; video, audio and tables are read on access.

    recording, view, start: parts of its name (`data.clip_names`: azimuth of the view in whole
    degrees, positive to the left; first label frame of 0.1 s), or the whole name and None for a name
    of another pattern.
    """

    name: str
    path: Path
    labels_path: Path
    boxes_path: Path | None = None
    panorama: Path | None = None
    format: ClipFormat = SAVGBENCH
    known_category: str | None = field(default=None, repr=False)

    @cached_property
    def _parsed(self) -> tuple[str, int | None, int | None]:
        return parse_clip_name(self.name) or (self.name, None, None)

    @property
    def recording(self) -> str:
        """The recording it was cut from."""
        return self._parsed[0]

    @property
    def view(self) -> int | None:
        """Azimuth of the view in degrees 0…359, positive to the left."""
        return self._parsed[1]

    @property
    def start(self) -> int | None:
        """First label frame (0.1 s) of the clip in its recording."""
        return self._parsed[2]

    @property
    def clip(self) -> Clip:
        """Video and audio, decoded on each access. MediaError where they cannot be read."""
        return Clip.read(self.path, self.format)

    @cached_property
    def labels(self) -> ClipLabels:
        """Positions of its sound in the picture. SavgError where the table is missing or invalid."""
        return ClipLabels.read_csv(self.labels_path)

    @cached_property
    def boxes(self) -> Boxes | None:
        """Boxes of people in its frames, where the set has a folder of boxes."""
        return None if self.boxes_path is None else Boxes.read_csv(self.boxes_path)

    @cached_property
    def category(self) -> str | None:
        """Category of most of its label frames, "speech" or "instrument"; None without labels."""
        if self.known_category is not None:
            return self.known_category
        if not self.labels_path.is_file() or not len(self.labels):
            return None
        counts = np.bincount(self.labels.categories, minlength=len(CATEGORY_NAMES))
        return CATEGORY_NAMES[int(counts.argmax())]


class SavgBench(Sequence[BenchItem]):
    """The clips of one split, in the order of their names.

    Attributes: `folder` (the split's own), `split`, `format`, `manifest`. An index or a clip's name
    gives an item, a slice a list of them.

    Args:
        folder: a downloaded or built set, a split's own folder, or one above them.
        split: "dev", "eval", or None for the only one that exists.
        categories: select clips of these categories only ("speech", "instrument").

    Raises:
        SavgError: no such split, several of them, an unknown category or an invalid manifest.

    Example:
        >>> bench = SavgBench("dataset", "dev")
        >>> bench[0].clip, bench[0].labels
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        split: str | None = None,
        categories: str | Iterable[str] | None = None,
    ) -> None:
        self.folder, self.split = find_split(folder, split)
        self.categories = _categories(categories)
        items = self._list()
        if self.categories is not None:
            items = [item for item in items if item.category in self.categories]
        self._items = items
        self._places = {item.name: place for place, item in enumerate(items)}

    @property
    def root(self) -> Path:
        """The folder that holds the split's folder, and the manifest of a set built here."""
        return self.folder.parent

    @property
    def videos(self) -> Path:
        """Folder of the clips' videos, as published mp4 files."""
        return self.folder / f"video_{self.split}"

    @property
    def metadata(self) -> Path:
        """Folder of the label tables."""
        return self.folder / f"metadata_{self.split}"

    @cached_property
    def manifest(self) -> dict[str, Any] | None:
        """The manifest's part about this split, or None for sets built elsewhere."""
        return read_manifest(self.root, self.split)

    @cached_property
    def format(self) -> ClipFormat:
        """The clips' format: that of the manifest, else the published one."""
        values = (self.manifest or {}).get("settings", {}).get("format")
        where = f"{self.root / 'manifest.json'}: settings: format"
        return SAVGBENCH if values is None else from_json(ClipFormat, values, where)

    def _list(self) -> list[BenchItem]:
        boxes = by_stem(self.folder / "boxes", (".csv",))
        boxes |= by_stem(self.folder / f"boxes_{self.split}", (".csv",))
        labels = by_stem(self.metadata, (".csv",))
        panoramas = by_stem(self.root / "report" / "panoramas", (".jpg",))
        listed = {clip["name"]: clip for clip in (self.manifest or {}).get("clips", ())}
        items = []
        for name, path in sorted(by_stem(self.videos, VIDEO_SUFFIXES).items()):
            recording, _, start = parse_clip_name(name) or (name, None, None)
            category = listed[name].get("category") if name in listed else None
            items.append(
                BenchItem(
                    name,
                    path,
                    labels.get(name, self.metadata / f"{name}.csv"),
                    boxes.get(name),
                    panoramas.get(f"{recording}_start{start}"),
                    self.format,
                    category if category in CATEGORY_NAMES else None,
                )
            )
        return items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[BenchItem]:
        return iter(self._items)

    def __contains__(self, item: object) -> bool:
        return item in self._places if isinstance(item, str) else item in self._items

    @overload
    def __getitem__(self, index: int | str) -> BenchItem: ...

    @overload
    def __getitem__(self, index: slice) -> list[BenchItem]: ...

    def __getitem__(self, index: int | str | slice) -> BenchItem | list[BenchItem]:
        if isinstance(index, str):
            if index not in self._places:
                raise SavgError(f"{self.folder} has no clip named {index}.")
            index = self._places[index]
        return self._items[index]

    def __repr__(self) -> str:
        return f"SavgBench({str(self.folder)!r}, {self.split!r}, {len(self)} clips)"


def find_split(folder: str | os.PathLike[str], split: str | None = None) -> tuple[Path, str]:
    """The folder and the name of a split; see `SavgBench` for arguments and errors."""
    root = Path(folder)
    if split is not None and split not in SPLITS:
        raise SavgError(f"split must be one of {', '.join(SPLITS)}, got {split!r}.")
    if not root.is_dir():
        raise SavgError(f"{root}: no such folder of clips.")
    matches = [(path, name) for path, name in splits_in(root) if split in (None, name)]
    if any((path / f"foa_{name}").is_dir() for path, name in matches):
        raise SavgError(f"{root} holds whole recordings, not clips: build clips from them first.")
    if not matches:
        splits = [split] if split else SPLITS
        names = " or ".join(f"…_{SPLIT_NAMES[s]}/video_{s}" for s in splits)
        raise SavgError(f"{root} holds no set of clips: expected {names} in it.")
    if len(matches) > 1:
        listed = ", ".join(f"{path} ({name})" for path, name in matches)
        raise SavgError(f"{root} holds several sets of clips: choose one of {listed}.")
    return matches[0]


def splits_in(folder: Path) -> list[tuple[Path, str]]:
    """Folders and names of the splits at, around or below a folder, of the nearest level only."""
    kind, _, named = folder.name.partition("_")
    inside = kind in ("video", "metadata") and named in SPLITS
    level = [folder.absolute().parent] if inside else [folder]
    splits: list[tuple[Path, str]] = []
    for _ in range(_DEPTH + 1):
        for path in level:
            splits += [(path, s) for s in SPLITS if (path / f"video_{s}").is_dir()]
        if splits:
            break
        level = [p for path in level for p in _subfolders(path)]
    return [s for s in splits if s[1] == named] if inside else splits


def _subfolders(path: Path) -> list[Path]:
    try:
        return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return []


def _categories(categories: str | Iterable[str] | None) -> tuple[str, ...] | None:
    if categories is None:
        return None
    chosen = (categories,) if isinstance(categories, str) else tuple(categories)
    for name in chosen:
        if name not in CATEGORY_NAMES:
            raise SavgError(f"category must be one of {', '.join(CATEGORY_NAMES)}, got {name!r}.")
    return chosen


def read_manifest(root: Path, split: str) -> dict[str, Any] | None:
    """The part of ROOT/manifest.json about a split, or None; SavgError for an invalid file."""
    path = root / "manifest.json"
    if not path.exists():
        return None
    try:
        part = read_object(path)["splits"].get(split)
        if part is not None:
            _check_part(part)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SavgError(f"{path} is not the manifest of a dataset ({error}).") from error
    return part


def _check_part(part: dict[str, Any]) -> None:
    """TypeError or KeyError where a manifest's part is not of its form."""
    if not isinstance(part["clips"], list) or not isinstance(part.get("settings", {}), dict):
        raise TypeError("clips must be a list, settings an object")
    if not all(isinstance(clip["name"], str) for clip in part["clips"]):
        raise TypeError("names of clips must be text")
