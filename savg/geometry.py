"""Directions, Ambisonics and the perspective projection.

Conventions: azimuth in degrees, 0 in front, positive to the left; elevation positive upwards.
First-order Ambisonics (FOA) is ACN/SN3D: channels W, Y, Z, X, where Y points left, Z up, X front.
Stereo channel 0 is left. Image x grows to the right, so left of the centre is a smaller x.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savg.format import SAVGBENCH

Array = NDArray[np.floating]

FIELD_OF_VIEW = 100.0
"""Horizontal field of view of a clip in degrees [S1]."""


def on_path(
    points: Sequence[float], times: NDArray[np.float64], duration: float
) -> NDArray[np.float64]:
    """A path at times [N] in seconds, straight between points spread evenly over `duration` seconds.

    Its ends hold before and after; a single point is everywhere.
    """
    return np.interp(times, np.linspace(0, duration, len(points)), points)


def wrap_degrees(angle: ArrayLike) -> Array:
    """`angle` in degrees, wrapped to -180 (included) … 180 (excluded)."""
    return (np.asarray(angle, float) + 180.0) % 360.0 - 180.0


def foa_rotation(yaw: float) -> Array:
    """The 4×4 matrix that rotates FOA so that azimuth `yaw` degrees comes to the front.

    A rotation about the vertical axis mixes only Y and X.
    """
    a = np.deg2rad(yaw)
    matrix = np.eye(4)
    matrix[1, 1] = matrix[3, 3] = np.cos(a)
    matrix[1, 3] = -np.sin(a)
    matrix[3, 1] = np.sin(a)
    return matrix


def rotate_foa(foa: Array, yaw: float) -> Array:
    """FOA audio [4, T] for a listener rotated `yaw` degrees to the left.

    Raises ValueError for other shapes.
    """
    if foa.ndim != 2 or foa.shape[0] != 4:
        raise ValueError(f"FOA audio must have shape (4, samples), got {foa.shape}.")
    return (foa_rotation(yaw) @ foa).astype(foa.dtype, copy=False)


def foa_to_stereo(foa: Array) -> Array:
    """Stereo [2, T] from FOA [4, T]: left = W + Y, right = W − Y (two opposed cardioids) [S1].

    Raises ValueError for other shapes.
    """
    if foa.ndim != 2 or foa.shape[0] != 4:
        raise ValueError(f"FOA audio must have shape (4, samples), got {foa.shape}.")
    w, y = foa[0], foa[1]
    return np.stack([w + y, w - y])


def foa_gains(azimuth: ArrayLike, elevation: ArrayLike = 0.0) -> Array:
    """FOA gains [4, …] (W, Y, Z, X) of a plane wave from a direction in degrees."""
    az, el = np.deg2rad(np.asarray(azimuth, float)), np.deg2rad(np.asarray(elevation, float))
    az, el = np.broadcast_arrays(az, el)
    return np.stack(
        [np.ones_like(az), np.sin(az) * np.cos(el), np.sin(el), np.cos(az) * np.cos(el)]
    )


def stereo_gains(azimuth: ArrayLike, elevation: ArrayLike = 0.0) -> Array:
    """Gains [2, …] (left, right) of a plane wave after `foa_to_stereo`."""
    w, y, _, _ = foa_gains(azimuth, elevation)
    return np.stack([w + y, w - y])


def focal_length(width: float, field_of_view: float = FIELD_OF_VIEW) -> float:
    """Focal length in pixels of a perspective image `width` pixels wide."""
    return width / 2.0 / np.tan(np.deg2rad(field_of_view) / 2.0)


def azimuth_to_x(
    azimuth: ArrayLike, width: float = SAVGBENCH.size, field_of_view: float = FIELD_OF_VIEW
) -> Array:
    """Horizontal position in pixels (0 left edge, `width` right edge) of a horizontal direction.

    The tangent law of a perspective image; NaN where the direction is not in front of the camera.
    """
    az = wrap_degrees(azimuth)
    front = np.abs(az) < 90.0
    tangent = np.tan(np.deg2rad(np.where(front, az, 0.0)))
    return np.where(front, width / 2.0 - focal_length(width, field_of_view) * tangent, np.nan)


def x_to_azimuth(
    x: ArrayLike, width: float = SAVGBENCH.size, field_of_view: float = FIELD_OF_VIEW
) -> Array:
    """Azimuth in degrees of horizontal position `x` in pixels; the inverse of `azimuth_to_x`."""
    offset = width / 2.0 - np.asarray(x, float)
    return np.rad2deg(np.arctan2(offset, focal_length(width, field_of_view)))


def project(
    azimuth: ArrayLike,
    elevation: ArrayLike,
    width: float = SAVGBENCH.size,
    height: float = 144.0,
    field_of_view: float = FIELD_OF_VIEW,
) -> tuple[Array, Array]:
    """Pixel (x, y) of a direction in a perspective view at azimuth 0, elevation 0.

    Pixels are square; y grows downwards from the upper edge. NaN where not in front of the camera.
    """
    az, el = np.broadcast_arrays(wrap_degrees(azimuth), np.asarray(elevation, float))
    focal = focal_length(width, field_of_view)
    front = np.abs(az) < 90.0
    safe = np.deg2rad(np.where(front, az, 0.0))
    x = np.where(front, width / 2.0 - focal * np.tan(safe), np.nan)
    rise = np.tan(np.deg2rad(np.clip(el, -89.9, 89.9))) / np.cos(safe)
    return x, np.where(front, height / 2.0 - focal * rise, np.nan)
