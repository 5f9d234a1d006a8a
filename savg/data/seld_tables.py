"""Tables that evaluations of sound event localisation exchange: predictions and labels of one file.

| rules | columns | header | units |
|---|---|---|---|
| savgbench | frame,class,x (predictions) or frame,class,x,y (labels; more are ignored) | no | pixels |
| dcase2022 | frame,class,source,azimuth,elevation[,distance] | no | degrees |
| dcase2025 | frame,class,source,azimuth,distance,onscreen | yes | degrees, one unit of distance |

Frames are tenths of a second from 0. An empty file has no events; one of dcase2025 has its header.
Rows that are repeated exactly count each time, as in the published evaluators.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES, LABEL_CLASSES
from savg.errors import SavgError
from savg.tables import numbers, read_cells

Path = str | os.PathLike[str]

MAX_FRAME = 1_000_000
"""Largest frame: more than a day."""

PREDICTED, LABELLED = "frame,class,x", "frame,class,x,y"
DIRECTIONS = "frame,class,source,azimuth,elevation,distance"
STEREO = "frame,class,source,azimuth,distance,onscreen"
"""Columns of the files; `STEREO` is also their first line."""

_RANGES = {
    "frame": (0, MAX_FRAME),
    "class": (0, 1_000),
    "source": (0, 1_000_000),
    "x": (-1e6, 1e6),
    "azimuth": (-360, 360),
    "elevation": (-90, 90),
    "distance": (0, 1e9),
    "onscreen": (0, 1),
}
_WHOLE = ("frame", "class", "source")

Columns = dict[str, NDArray[np.float64]]


def read_predicted_x(path: Path) -> Columns:
    """frame, class (0 speech, 1 instrument) and x of detected events; SavgError names file and line."""
    return _read(path, PREDICTED, (3,), classes=len(CATEGORY_NAMES))


def read_labelled_x(path: Path) -> Columns:
    """frame, class and x of labels; classes 0, 1 and 9 become speech, speech and instrument.

    SavgError names file and line.
    """
    columns = _read(path, LABELLED, (4, 6))
    for label in columns["class"].tolist():
        if label not in LABEL_CLASSES:
            raise SavgError(f"{path}: classes of labels must be 0, 1 or 9, got {label:g}.")
    classes = [LABEL_CLASSES[int(label)] for label in columns["class"]]
    return columns | {"class": np.array(classes, np.float64)}


def read_directions(path: Path, classes: int) -> Columns:
    """frame, class, source, azimuth and elevation; SavgError names file and line."""
    return _read(path, DIRECTIONS, (5, 6), classes=classes)


def read_stereo(path: Path, classes: int) -> Columns:
    """frame, class, source, azimuth, distance and onscreen of a file with its header; SavgError names
    file and line."""
    return _read(path, STEREO, (6,), classes=classes, header=True)


def _read(
    path: Path,
    names: str,
    widths: Sequence[int],
    classes: int | None = None,
    header: bool = False,
) -> Columns:
    rows: list[list[float]] = []
    width = 0
    known = names.split(",")
    cells = read_cells(path, names)
    if header:
        where, first = next(cells, (f"{path}", []))
        if [cell.strip().lower() for cell in first] != known:
            raise SavgError(f"{where}: the first line must be {names}.")
    for where, row in cells:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) not in widths or (width and len(row) != width):
            expected = " or ".join(map(str, [width] if width else widths))
            raise SavgError(f"{where}: a row must have {expected} columns, got {len(row)}.")
        width = len(row)
        rows.append(_checked(row, known, where, classes))
    table = np.array(rows, np.float64) if rows else np.zeros((0, len(known)))
    return {name: table[:, i] for i, name in enumerate(known) if i < table.shape[1]}


def _checked(row: list[str], names: list[str], where: str, classes: int | None) -> list[float]:
    """The numbers of the named columns of a row, whose ranges are right."""
    values = numbers(row, ",".join(names), where)[: len(names)]
    for name, value in zip(names, values, strict=False):
        low, high = _RANGES.get(name, (-np.inf, np.inf))
        if name == "class" and classes is not None:
            high = classes - 1
        if not low <= value <= high:
            raise SavgError(f"{where}: {name} must be in {low:g}…{high:g}, got {value:g}.")
        if name in _WHOLE and not value.is_integer():
            raise SavgError(f"{where}: {name} must be a whole number, got {value:g}.")
    return values
