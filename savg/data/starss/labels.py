"""The labels of a recording: classes and directions of its sound events, ten times a second.

Rows `frame,class,source,azimuth,elevation[,distance]` without header: frames of 100 ms from 0,
classes 0…12, degrees, azimuth 0 in front and positive to the left, elevation positive upwards,
distance in centimetres. Older files have `frame,class,azimuth,elevation` [REFERENCE.md, Data].
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError
from savg.geometry import wrap_degrees
from savg.tables import numbers, read_cells

CLASSES = 13
"""Number of classes of STARSS23."""

COLUMNS = {
    4: ("frame", "class", "azimuth", "elevation"),
    5: ("frame", "class", "source", "azimuth", "elevation"),
    6: ("frame", "class", "source", "azimuth", "elevation", "distance"),
}
"""Columns of a file, by their number."""

_RANGES = {
    "frame": (0, 10_000_000),
    "class": (0, CLASSES - 1),
    "source": (0, 1_000_000),
    "azimuth": (-180, 360),
    "elevation": (-90, 90),
    "distance": (0, 1_000_000),
}
_WHOLE = ("frame", "class", "source")


@dataclass(frozen=True, eq=False)
class RecordingLabels:
    """Sound events of a recording, N rows in any order; read-only columns [N].

    azimuths are wrapped to -180…180 degrees; sources are 0 where the file has none; distances in
    centimetres or None. Raises ValueError for columns of other lengths or negative frames.
    """

    frames: NDArray[np.int64]
    classes: NDArray[np.int64]
    sources: NDArray[np.int64]
    azimuths: NDArray[np.float64]
    elevations: NDArray[np.float64]
    distances: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for name in ("frames", "classes", "sources"):
            self._set(name, np.array(getattr(self, name), np.int64))
        self._set("azimuths", wrap_degrees(self.azimuths))
        self._set("elevations", np.array(self.elevations, np.float64))
        if self.distances is not None:
            self._set("distances", np.array(self.distances, np.float64))
        if len(self.frames) and self.frames.min() < 0:
            raise ValueError(f"RecordingLabels.frames must be ≥ 0, got {self.frames.min()}.")

    def _set(self, name: str, values: NDArray) -> None:
        if values.shape != (len(self.frames),):
            expected = f"({len(self.frames)},)"
            raise ValueError(
                f"RecordingLabels.{name} must have shape {expected}, got {values.shape}."
            )
        values.flags.writeable = False
        object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.frames)


def read_labels(path: str | os.PathLike[str]) -> RecordingLabels:
    """The labels in a CSV file of 4, 5 or 6 columns; an empty file is a recording without events.

    Rows that are repeated exactly, as some published files have them, count once.

    Raises SavgError that names the file and the line.
    """
    rows: list[tuple[float, ...]] = []
    columns: tuple[str, ...] = COLUMNS[5]
    for where, row in read_cells(path, ",".join(COLUMNS[6])):
        if not any(cell.strip() for cell in row):
            continue
        if not rows:
            columns = _columns(row, where)
        rows.append(tuple(_values(row, columns, where)))
    rows = list(dict.fromkeys(rows))
    table = dict(zip(columns, np.array(rows, float).reshape(-1, len(columns)).T, strict=True))
    return RecordingLabels(
        table["frame"].astype(np.int64),
        table["class"].astype(np.int64),
        table.get("source", np.zeros(len(rows))).astype(np.int64),
        table["azimuth"],
        table["elevation"],
        table.get("distance"),
    )


def _columns(row: list[str], where: str) -> tuple[str, ...]:
    if len(row) not in COLUMNS:
        raise SavgError(
            f"{where}: a row must have 4, 5 or 6 columns ({','.join(COLUMNS[6])}), got {len(row)}."
        )
    return COLUMNS[len(row)]


def _values(row: list[str], columns: tuple[str, ...], where: str) -> list[float]:
    if len(row) != len(columns):
        raise SavgError(
            f"{where}: a row must have {len(columns)} columns as before, got {len(row)}."
        )
    values = numbers(row, ",".join(columns), where, finite=False)
    for name, value in zip(columns, values, strict=True):
        low, high = _RANGES[name]
        if not low <= value <= high:
            raise SavgError(f"{where}: {name} must be in {low}…{high}, got {value:g}.")
        if name in _WHOLE and not value.is_integer():
            raise SavgError(f"{where}: {name} must be a whole number, got {value:g}.")
    return values
