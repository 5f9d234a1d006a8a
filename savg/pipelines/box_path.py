"""Where what sounds is, by boxes at moments: drawn over a video, of a file, or of a tracked person.

Boxes are x0, y0, x1, y1 in pixels of the 256×256 frame; times are in seconds from the video's start.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Self

import numpy as np
from numpy.typing import NDArray

from savg.detectors.tracking import Track, Who
from savg.errors import SavgError
from savg.pipelines.rows_file import read_rows

COLUMNS = "seconds,x0,y0,x1,y1"

FPS = Fraction(25)
"""Frames a second of the track of a path."""


@dataclass(frozen=True, eq=False)
class BoxPath:
    """Boxes [n, 4] at times in seconds [n] that rise; straight lines between.

    held: whether the first and the last box hold before and after, or nobody is seen then.
    ValueError for other values.
    """

    seconds: NDArray[np.float64]
    xyxy: NDArray[np.float64]
    held: bool = True

    def __post_init__(self) -> None:
        seconds, xyxy = (np.asarray(v, np.float64) for v in (self.seconds, self.xyxy))
        if seconds.ndim != 1 or xyxy.shape != (len(seconds), 4) or not seconds.size:
            raise ValueError(
                f"a path must have a box for each time, got {seconds.shape} and {xyxy.shape}"
            )
        if not np.isfinite(seconds).all() or (np.diff(seconds) <= 0).any() or seconds[0] < 0:
            raise ValueError("times of a path must be ≥ 0 and rise")
        if not np.isfinite(xyxy).all() or (xyxy[:, :2] >= xyxy[:, 2:]).any():
            raise ValueError("boxes of a path must have x0 < x1 and y0 < y1")
        object.__setattr__(self, "seconds", seconds)
        object.__setattr__(self, "xyxy", xyxy)

    @classmethod
    def of_track(cls, person: Track, fps: float | Fraction) -> Self:
        """The path of a person tracked at `fps` frames a second, from first to last frame."""
        frames, rate = person.frames, float(fps)
        edges = frames[0] / rate, (frames[-1] + 1) / rate
        seconds = np.concatenate([edges[:1], (frames + 0.5) / rate, edges[1:]])
        xyxy = np.concatenate([person.xyxy[:1], person.xyxy, person.xyxy[-1:]])
        xyxy[:, 2:] = np.maximum(xyxy[:, 2:], xyxy[:, :2] + 1e-3)  # a smoothed box may have no size
        return cls(seconds, xyxy, held=False)

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Boxes [n, 4] at times in seconds, those of the ends held."""
        columns = [np.interp(times, self.seconds, column) for column in self.xyxy.T]
        return np.stack(columns, axis=-1)

    def track(self, duration: Fraction) -> tuple[Track, Fraction]:
        """The path in a video of `duration` seconds as of a tracked person, and its frames a second."""
        frames = np.arange(max(1, ceil(duration * FPS)))
        middles = (frames + 0.5) / np.float64(FPS)
        if not self.held:
            inside = (middles >= self.seconds[0]) & (middles <= self.seconds[-1])
            if not inside.any():  # shorter than a frame
                inside[np.abs(middles - self.seconds[0]).argmin()] = True
            frames, middles = frames[inside], middles[inside]
        return Track(frames, self.at(middles), np.ones(len(frames), np.bool_)), FPS


Whom = Who | BoxPath
"""A person found in the video, as of `choose_person`, or a path in place of one."""


def read_box_path(path: str | os.PathLike[str]) -> BoxPath:
    """The path in a file.

    JSON: {"boxes": [[seconds, x0, y0, x1, y1], …]} or that list alone; any other ending: CSV rows
    `seconds,x0,y0,x1,y1` without a header. SavgError for a file that holds none.
    """
    table = read_rows(path, "boxes", COLUMNS, "a path")
    try:
        return BoxPath(table[:, 0], table[:, 1:])
    except ValueError as error:
        raise SavgError(f"{path}: {error}.") from error
