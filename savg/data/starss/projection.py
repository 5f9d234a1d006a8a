"""Perspective views of panoramas.

Panoramas are equirectangular, azimuth 0 in the middle column. Views are azimuths in degrees, positive
to the left (py360convert's `u_deg` is positive to the right).
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from py360convert.utils import uv2coor, xyz2uv, xyzpers

from savg.geometry import wrap_degrees

Frame = NDArray[np.uint8]

_CACHED_VIEWS = 72
"""Sampling maps cached, of about 0.2 MB each."""


class Projector:
    """Perspective views of panoramas `panorama` = (width, height), as py360convert's e2p makes them.

    size: of the view (width, height) with square pixels; field_of_view: horizontal, in degrees. Only
    the rows `first` … `last` - 1 of the panorama are read. antialias: average the panorama over one
    pixel of the view before it is sampled (e2p does not).
    """

    def __init__(
        self,
        panorama: tuple[int, int],
        size: tuple[int, int],
        field_of_view: float,
        antialias: bool = False,
    ) -> None:
        self.panorama, self.size = panorama, size
        self._horizontal = float(np.deg2rad(field_of_view))
        tangent = np.tan(self._horizontal / 2.0) * size[1] / size[0]
        self.vertical = 2.0 * float(np.arctan(tangent))
        self._blur = self._averaged_pixels() if antialias else 1
        self._map = lru_cache(maxsize=_CACHED_VIEWS)(self._sampling_map)
        rows = self._coordinates(0)[1]
        margin = 1 + self._blur // 2
        self.first = max(0, int(np.floor(rows.min())) - margin)
        self.last = min(panorama[1], int(np.ceil(rows.max())) + margin + 1)

    def prepare(self, rows: Frame) -> Frame:
        """Rows `first` … `last` - 1 of a panorama [last - first, W, 3], padded for any number of views.

        Raises ValueError for another shape.
        """
        expected = (self.last - self.first, self.panorama[0], 3)
        if rows.shape != expected:
            raise ValueError(f"rows must have shape {expected}, got {rows.shape}.")
        if self._blur > 1:
            side = self._blur // 2
            wide = cv2.copyMakeBorder(rows, 0, 0, side, side, cv2.BORDER_WRAP)
            rows = np.asarray(cv2.blur(wide, (self._blur, self._blur)), np.uint8)[:, side:-side]
        wide = cv2.copyMakeBorder(rows, 1, 1, 1, 1, cv2.BORDER_WRAP)
        for edge, row, here in ((0, 0, self.first == 0), (-1, -1, self.last == self.panorama[1])):
            if here:
                wide[edge, 1:-1] = np.roll(rows[row], rows.shape[1] // 2, axis=0)
        return np.asarray(wide, np.uint8)

    def view(self, prepared: Frame, view: int) -> Frame:
        """The view of a camera that looks at azimuth `view`: uint8 [height, width, 3]."""
        places, fractions = self._map(view)
        return np.asarray(cv2.remap(prepared, places, fractions, cv2.INTER_LINEAR), np.uint8)

    def __call__(self, panorama: Frame, view: int) -> Frame:
        """One view of one whole panorama [H, W, 3]."""
        return self.view(self.prepare(panorama[self.first : self.last]), view)

    def _coordinates(self, view: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Column and row of the panorama seen by each pixel, in py360convert's own arithmetic."""
        right = -float(wrap_degrees(view))
        width, height = self.size
        yaw = -float(np.deg2rad(right))
        rays = xyzpers(self._horizontal, self.vertical, yaw, 0.0, (height, width), 0.0)
        return uv2coor(*xyz2uv(rays), self.panorama[1], self.panorama[0])  # type: ignore[return-value]

    def _sampling_map(self, view: int) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
        """Fixed-point map for cv2.remap into the result of `prepare`."""
        columns, rows = self._coordinates(view)
        places, fractions = cv2.convertMaps(columns + 1, rows + 1, cv2.CV_16SC2)
        places = places - np.array([0, self.first], np.int16)
        return places, fractions  # type: ignore[return-value]

    def _averaged_pixels(self) -> int:
        """Pixels of the panorama to one of the view in its middle, an odd number."""
        focal = self.size[0] / 2.0 / np.tan(self._horizontal / 2.0)
        ratio = self.panorama[0] / (2.0 * np.pi) / focal
        return max(1, 2 * round((ratio - 1.0) / 2.0) + 1)


@lru_cache(maxsize=4)
def projector(
    panorama: tuple[int, int], size: tuple[int, int], field_of_view: float, antialias: bool = False
) -> Projector:
    """A `Projector`, cached with its sampling maps for the next video of the same size."""
    return Projector(panorama, size, field_of_view, antialias)
