"""Cameras: the projection of world points into an image.

Clips use the perspective camera; 360° recordings the equirectangular one, which has the same methods.
World coordinates as in `savg.data.scenes.scene`; pixels with y growing downwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from savg.geometry import FIELD_OF_VIEW, focal_length

Points = NDArray[np.floating]


class Camera(Protocol):
    """The interface of a camera that the renderer uses."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    def project(self, points: Points) -> tuple[Points, NDArray[np.floating]]:
        """World points [..., 3] → pixels [..., 2] and pixels for each metre there [...]."""
        ...

    def rays(self) -> Points:
        """Direction [height, width, 3] through the centre of each pixel."""
        ...

    def ahead(self, floor: Points) -> Points:
        """Unit vectors [..., 2] in which depth grows at floor positions (x, y) [..., 2]."""
        ...

    def towards(self, azimuth: float) -> Camera:
        """The camera for a figure around `azimuth` degrees, whose pixels must hang together."""
        ...


@dataclass(frozen=True)
class Perspective:
    """An image `width`×`height` pixels of a view at azimuth `view` degrees, elevation 0."""

    width: int
    height: int
    view: float = 0.0
    field_of_view: float = FIELD_OF_VIEW

    @property
    def _focal(self) -> float:
        return float(focal_length(self.width, self.field_of_view))

    def project(self, points: Points) -> tuple[Points, NDArray[np.floating]]:
        """World points [..., 3] → pixels [..., 2] and pixels for each metre there [...]."""
        a = np.deg2rad(self.view)
        x = np.cos(a) * points[..., 0] + np.sin(a) * points[..., 1]
        y = np.cos(a) * points[..., 1] - np.sin(a) * points[..., 0]
        scale = self._focal / np.maximum(x, 0.05)
        pixels = np.stack(
            [self.width / 2 - y * scale, self.height / 2 - points[..., 2] * scale], axis=-1
        )
        return pixels, scale

    def rays(self) -> Points:
        """Direction [height, width, 3] through the centre of each pixel."""
        y = (self.width / 2 - np.arange(self.width) - 0.5) / self._focal
        z = (self.height / 2 - np.arange(self.height) - 0.5) / self._focal
        grid_z, grid_y = np.meshgrid(z, y, indexing="ij")
        a = np.deg2rad(self.view)
        return np.stack(
            [np.cos(a) - np.sin(a) * grid_y, np.sin(a) + np.cos(a) * grid_y, grid_z], axis=-1
        )

    def ahead(self, floor: Points) -> Points:
        """The viewing direction [..., 2], the same for every point."""
        a = np.deg2rad(self.view)
        return np.broadcast_to(np.array([np.cos(a), np.sin(a)]), np.shape(floor))

    def towards(self, azimuth: float) -> Camera:
        """This camera."""
        return self


@dataclass(frozen=True)
class Equirectangular:
    """A panorama `width`×`height`: azimuth 180 at the left edge, 0 in the middle, -180 at the right.

    Points are projected to columns up to half a turn from that of azimuth `centre`, also beyond the
    edges, where the panorama goes on from its other side.
    """

    width: int
    height: int
    centre: float = 0.0

    def project(self, points: Points) -> tuple[Points, NDArray[np.floating]]:
        """World points [..., 3] → pixels [..., 2] and pixels for each metre there [...]."""
        x, y, z = np.moveaxis(np.asarray(points, float), -1, 0)
        distance = np.sqrt(x * x + y * y + z * z) + 1e-9
        middle = np.deg2rad(self.centre)
        azimuth = middle + (np.arctan2(y, x) - middle + np.pi) % (2 * np.pi) - np.pi
        elevation = np.arcsin(z / distance)
        pixels = np.stack(
            [
                self.width * (0.5 - azimuth / (2 * np.pi)),
                self.height * (0.5 - elevation / np.pi),
            ],
            axis=-1,
        )
        return pixels, self.width / (2 * np.pi) / distance

    def rays(self) -> Points:
        """Direction [height, width, 3] through the centre of each pixel."""
        azimuth = (0.5 - (np.arange(self.width) + 0.5) / self.width) * 2 * np.pi
        elevation = (0.5 - (np.arange(self.height) + 0.5) / self.height) * np.pi
        el, az = np.meshgrid(elevation, azimuth, indexing="ij")
        return np.stack([np.cos(el) * np.cos(az), np.cos(el) * np.sin(az), np.sin(el)], axis=-1)

    def ahead(self, floor: Points) -> Points:
        """Unit vectors [..., 2] away from the camera."""
        floor = np.asarray(floor, float)
        return floor / np.maximum(np.linalg.norm(floor, axis=-1, keepdims=True), 1e-9)

    def towards(self, azimuth: float) -> Camera:
        """The same panorama, continued beyond its edges around `azimuth`."""
        return replace(self, centre=azimuth)
