"""Files of an evaluation: videos in folders, tables of clips, names of results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from savg.annotation import Boxes, ClipLabels, SoundEvents
from savg.errors import SavgError
from savg.folders import VIDEO_SUFFIXES, files_in, in_any_case, videos_in
from savg.format import SAVGBENCH, ClipFormat
from savg.json_files import read_object
from savg.metrics.base import Observation, Truth
from savg.metrics.spatial import spatial_av_align

BOXES, EVENTS, LABELS = ".boxes.csv", ".events.csv", ".csv"
"""Suffixes of a clip's tables."""

MISSING_SHOWN = 4
"""Missing files that a sentence names."""


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
            raise SavgError(f"{path} has no video ({', '.join(VIDEO_SUFFIXES)}).")
        files += videos
    return list(dict.fromkeys(files))


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
    try:
        new = not path.exists()
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
    tables = [p for p in files_in(folder, {".csv"}) if p.name.lower().endswith(EVENTS)]
    return {path.name[: -len(EVENTS)]: path for path in tables}


def read_tables(path: Path) -> Observation:
    """A clip's events NAME.events.csv with its boxes NAME.boxes.csv, as `annotate` writes them.

    The clip's length is that of NAME.json where there is one, else 5 s. Raises SavgError naming the
    file, also for events after the clip's end.
    """
    name = path.name[: -len(EVENTS)]
    boxes = in_any_case(path.with_name(name + BOXES))
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
    labels, boxes = (in_any_case(folder / f"{name}{suffix}") for suffix in (LABELS, BOXES))
    for path in (labels, boxes):
        if not path.is_file():
            raise SavgError(f"{folder} has no {path.name}.")
    return Truth(ClipLabels.read_csv(labels), Boxes.read_csv(boxes))


def lacking_truth(folder: Path, names: Sequence[str]) -> str:
    """A sentence on the clips of which a folder lacks true tables, with the first of the missing files;
    "" where it has all.

    Raises:
        SavgError: it has those of no clip.
    """
    present = {path.name.lower() for path in files_in(folder, {LABELS})}
    missing = {
        name: [
            file for file in (f"{name}{LABELS}", f"{name}{BOXES}") if file.lower() not in present
        ]
        for name in names
    }
    files = [file for lacking in missing.values() for file in lacking]
    clips = sum(map(bool, missing.values()))
    if not files:
        return ""
    more = " …" if len(files) > MISSING_SHOWN else ""
    sentence = (
        f"--truth {folder} lacks tables of {clips} of {len(names)} clips: "
        f"{', '.join(files[:MISSING_SHOWN])}{more}."
    )
    if clips == len(names):
        raise SavgError(sentence)
    return sentence


def _format(path: Path) -> ClipFormat:
    """The format in an annotation's JSON file, in the tables' pixels; 5 s without a file."""
    if not path.is_file():
        return SAVGBENCH
    names = ("frames", "fps", "sample_rate", "size", "picture_height", "label_fps")
    try:
        data: dict[str, Any] = read_object(path)["format"]
        return ClipFormat(**{name: data[name] for name in names}).with_size(SAVGBENCH.size)
    except (ValueError, KeyError, TypeError) as error:
        raise SavgError(f"{path} is not an annotation of a clip.") from error
