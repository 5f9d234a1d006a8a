"""Files of an evaluation: videos in folders, tables of clips, names of results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from savg.annotation import Boxes, ClipLabels, SoundEvents
from savg.errors import SavgError
from savg.format import SAVGBENCH, ClipFormat
from savg.metrics.base import Observation, Truth
from savg.metrics.spatial import spatial_av_align

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv")
"""Suffixes of a folder's files that count as videos; a file named by itself may have any other."""

BOXES, EVENTS, LABELS = ".boxes.csv", ".events.csv", ".csv"
"""Suffixes of a clip's tables."""


def videos_in(folder: Path) -> list[Path]:
    """The videos of a folder in order, without hidden files and overlays."""
    return sorted(path for path in folder.iterdir() if _is_video(path))


def find_videos(inputs: Sequence[str]) -> list[Path]:
    """The files among `inputs` and the videos of the folders among them, in order, without repeats.

    A file need not exist: reading it raises the error. Raises SavgError for a folder without videos.
    """
    files: list[Path] = []
    for name in inputs:
        path = Path(name)
        if not path.is_dir():
            files.append(path)
            continue
        videos = videos_in(path)
        if not videos:
            raise SavgError(f"{path} has no video ({', '.join(SUFFIXES)}).")
        files += videos
    return list(dict.fromkeys(files))


def _is_video(path: Path) -> bool:
    is_named = path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    return is_named and not path.name.endswith(".overlay.mp4") and path.is_file()


def result_names(files: Iterable[Path]) -> list[str]:
    """Distinct names of the files' results: without suffix, numbered where two would be equal."""
    names: list[str] = []
    for path in files:
        name, number = path.stem, 2
        while name in names:
            name, number = f"{path.stem}_{number}", number + 1
        names.append(name)
    return names


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """The folder for results, created if needed and removed again if it stays empty; SavgError for a
    file."""
    new = not path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SavgError(f"{path} cannot hold results: {error.strerror}.") from error
    try:
        yield path
    finally:
        if new:
            with suppress(OSError):
                path.rmdir()


def tables_in(folder: Path) -> dict[str, Path]:
    """The tables NAME.events.csv of a folder by the clip's name, in order."""
    return {p.name.removesuffix(EVENTS): p for p in sorted(folder.glob(f"*{EVENTS}"))}


def read_tables(path: Path) -> Observation:
    """A clip's events NAME.events.csv with its boxes NAME.boxes.csv, as `annotate` writes them.

    The clip's length is that of NAME.json where there is one, else 5 s. Raises SavgError naming the
    file, also for events after the clip's end.
    """
    name = path.name.removesuffix(EVENTS)
    boxes = path.with_name(name + BOXES)
    if not boxes.is_file():
        raise SavgError(f"{path} has no {boxes.name} beside it.")
    format = _format(path.with_name(f"{name}.json"))
    observation = Observation(SoundEvents.read_csv(path), Boxes.read_csv(boxes), format)
    try:
        spatial_av_align(observation.events, observation.boxes, format)
    except SavgError as error:
        raise SavgError(f"{path}: {error}") from error
    return observation


def read_truth(folder: Path, name: str) -> Truth:
    """The labels NAME.csv and the boxes NAME.boxes.csv of a clip; SavgError if one is missing."""
    labels, boxes = folder / f"{name}{LABELS}", folder / f"{name}{BOXES}"
    for path in (labels, boxes):
        if not path.is_file():
            raise SavgError(f"{folder} has no {path.name}.")
    return Truth(ClipLabels.read_csv(labels), Boxes.read_csv(boxes))


def _format(path: Path) -> ClipFormat:
    """The format in an annotation's JSON file, in the tables' pixels; 5 s without a file."""
    if not path.is_file():
        return SAVGBENCH
    names = ("frames", "fps", "sample_rate", "size", "picture_height", "label_fps")
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["format"]
        return ClipFormat(**{name: data[name] for name in names}).with_size(SAVGBENCH.size)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SavgError(f"{path} is not an annotation of a clip.") from error
