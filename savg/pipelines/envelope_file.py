"""A drawn envelope: levels over time that audio shall follow, from a JSON or CSV file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError, brief
from savg.json_files import read_json
from savg.tables import numbers, read_cells

MOST_POINTS = 100_000
COLUMNS = "seconds,level"


@dataclass(frozen=True, eq=False)
class Curve:
    """RMS levels [n] of full scale, 0 to 1, at times in seconds [n] that rise; straight lines between.

    Before the first and after the last time the level is theirs. ValueError for other values.
    """

    seconds: NDArray[np.float64]
    levels: NDArray[np.float64]

    def __post_init__(self) -> None:
        seconds, levels = (np.asarray(v, np.float64) for v in (self.seconds, self.levels))
        if seconds.ndim != 1 or seconds.shape != levels.shape or not seconds.size:
            raise ValueError(
                f"an envelope must have a level for each time, got {seconds.shape} and {levels.shape}"
            )
        if not np.isfinite(seconds).all() or (np.diff(seconds) <= 0).any() or seconds[0] < 0:
            raise ValueError("times of an envelope must be ≥ 0 and rise")
        if not ((levels >= 0) & (levels <= 1)).all():
            raise ValueError(f"levels of an envelope must be in 0..1, got {levels.max():g}")
        object.__setattr__(self, "seconds", seconds)
        object.__setattr__(self, "levels", levels)

    def __call__(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Levels at times in seconds."""
        return np.interp(times, self.seconds, self.levels)


def read_curve(path: str | os.PathLike[str]) -> Curve:
    """The envelope in a file.

    JSON: {"points": [[seconds, level], …]} or that list alone; any other ending: CSV rows
    `seconds,level` without a header. SavgError for a file that holds none.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        rows = _points(path)
    else:
        rows = [_row(row, where) for where, row in read_cells(path, COLUMNS)]
    if len(rows) > MOST_POINTS:
        raise SavgError(f"{path}: an envelope must have at most {MOST_POINTS} points.")
    table = np.array(rows, np.float64).reshape(-1, 2)
    try:
        return Curve(table[:, 0], table[:, 1])
    except ValueError as error:
        raise SavgError(f"{path}: {error}.") from error


def _row(row: list[str], where: str) -> list[float]:
    if len(row) != 2:
        raise SavgError(f"{where}: expected 2 columns ({COLUMNS}), found {len(row)}.")
    return numbers(row, COLUMNS, where)


def _points(path: Path) -> list[list[float]]:
    data = read_json(path)
    points = data.get("points") if isinstance(data, dict) else data
    if not isinstance(points, list) or not all(map(_is_point, points)):
        raise SavgError(f"{path}: points must be a list of [seconds, level], got {brief(points)}.")
    return [[float(value) for value in point] for point in points]


def _is_point(point: object) -> bool:
    """Whether a value of JSON is a list of two numbers."""
    return (
        isinstance(point, list)
        and len(point) == 2
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in point)
    )
