"""A drawn envelope: levels over time that audio shall follow, from a JSON or CSV file."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError
from savg.pipelines.rows_file import read_rows

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
    table = read_rows(path, "points", COLUMNS, "an envelope")
    try:
        return Curve(table[:, 0], table[:, 1])
    except ValueError as error:
        raise SavgError(f"{path}: {error}.") from error
