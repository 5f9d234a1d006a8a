"""The view of a clip drawn into the panorama that it was cut from.

Panoramas are equirectangular: azimuth 0 is in the middle and grows to the left up to 180 at the left
edge, where it continues as -180 at the right edge; elevation grows upwards. Columns and rows are
counted in pixels from the image's left and upper edge. A clip's pixels are those of its picture
without the black padding (256×144), x growing to the right and y downwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from savg.annotation import ClipLabels
from savg.format import SAVGBENCH
from savg.geometry import FIELD_OF_VIEW, focal_length, wrap_degrees
from savg.viz import palette

Array = NDArray[np.floating]
Image = NDArray[np.uint8]

WIDTH, HEIGHT = 640, 320
"""Size of a drawn panorama in pixels."""

STRIP_ELEVATION = 45.0
"""Elevation in degrees, up and down, of the strip that replaces a missing panorama."""

_SHIFT = 4
"""Fractional bits of the drawn coordinates."""

_INK, _CASING = (255, 255, 255), (16, 20, 24)
_STRIP_GROUND, _STRIP_LINE, _STRIP_INK = (38, 43, 51), (74, 83, 98), (190, 197, 208)


@dataclass(frozen=True)
class View:
    """A clip's view: azimuth and horizontal field of view in degrees, picture size in pixels."""

    azimuth: float
    width: float = SAVGBENCH.size
    height: float = SAVGBENCH.picture_height
    field_of_view: float = FIELD_OF_VIEW


def signed_azimuth(view: int) -> str:
    """An azimuth 0…359 as text between −179° and 180°, positive to the left."""
    return f"{view if view <= 180 else view - 360}°".replace("-", "−")


def directions(view: View, x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Azimuth (not wrapped, so that neighbours stay neighbours) and elevation in degrees of a clip's
    pixels (x, y)."""
    focal = focal_length(view.width, view.field_of_view)
    right = (np.asarray(x, float) - view.width / 2.0) / focal
    down = (np.asarray(y, float) - view.height / 2.0) / focal
    azimuth = wrap_degrees(view.azimuth) - np.rad2deg(np.arctan(right))
    return azimuth, -np.rad2deg(np.arctan2(down, np.hypot(1.0, right)))


def outline(view: View, points: int = 32) -> tuple[Array, Array]:
    """Directions along the picture's edge, clockwise from the upper left corner, `points` per side."""
    along = np.arange(points) / points
    x = np.concatenate([along, np.ones(points), 1.0 - along, np.zeros(points)]) * view.width
    y = np.concatenate([np.zeros(points), along, np.ones(points), 1.0 - along]) * view.height
    return directions(view, x, y)


def panorama_position(
    azimuth: ArrayLike, elevation: ArrayLike, width: float = WIDTH, height: float = HEIGHT
) -> tuple[Array, Array]:
    """Column and row of directions (degrees) in a panorama; beyond ±180 columns lie outside of it."""
    column = width * (0.5 - np.asarray(azimuth, float) / 360.0)
    return column, height * (0.5 - np.asarray(elevation, float) / 180.0)


def draw_view(
    panorama: Image | None,
    view: View,
    labels: ClipLabels | None = None,
    frame: int | None = None,
) -> Image:
    """The panorama uint8 [320, 640, 3] RGB, dimmed outside of the view, with its outline and labels.

    labels: each is a mark in its category's colour; frame: the label frame whose mark is larger.
    Without a panorama, a strip of all directions up to ±45° of elevation, [160, 640, 3]. Raises
    ValueError for a panorama that is not [height, width, 3].
    """
    canvas = _strip() if panorama is None else _fitted(panorama)
    edge = _pixels(*panorama_position(*outline(view)))
    image = canvas // 3 if panorama is not None else canvas.copy()
    inside = np.zeros((HEIGHT, WIDTH), np.uint8)
    for shifted in _around(edge):
        cv2.fillPoly(inside, [shifted], 255, cv2.LINE_AA, _SHIFT)
    weight = inside[..., None] / 255.0
    lit = canvas if panorama is not None else np.minimum(canvas.astype(int) + 34, 255)
    image = (image * (1.0 - weight) + lit * weight).round().astype(np.uint8)
    for colour, thickness in ((_CASING, 5), (_INK, 2)):
        for shifted in _around(edge):
            cv2.polylines(image, [shifted], True, colour, thickness, cv2.LINE_AA, _SHIFT)
    if labels is not None:
        _marks(image, view, labels, frame)
    if panorama is None:
        rows = round(HEIGHT * STRIP_ELEVATION / 180.0)
        image = image[HEIGHT // 2 - rows : HEIGHT // 2 + rows]
        _degrees(image)
    return np.ascontiguousarray(image)


def _fitted(panorama: Image) -> Image:
    if panorama.ndim != 3 or panorama.shape[2] != 3:
        raise ValueError(f"panorama must have shape (height, width, 3), got {panorama.shape}.")
    if panorama.shape[:2] == (HEIGHT, WIDTH):
        return panorama
    return np.asarray(cv2.resize(panorama, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _strip() -> Image:
    """A grid of all directions: a line each 30°, stronger ones in front and at the sides."""
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:] = _STRIP_GROUND
    for azimuth in range(-180, 181, 30):
        column = min(round(float(panorama_position(azimuth, 0.0)[0])), WIDTH - 1)
        cv2.line(image, (column, 0), (column, HEIGHT), _STRIP_LINE, 2 if azimuth % 90 == 0 else 1)
    cv2.line(image, (0, HEIGHT // 2), (WIDTH, HEIGHT // 2), _STRIP_LINE, 1)
    return image


def _degrees(strip: Image) -> None:
    """Write azimuths, positive to the left, below the strip's lines."""
    for azimuth in (180, 90, 0, -90):
        text = str(azimuth)
        column = float(panorama_position(azimuth, 0.0)[0])
        (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
        left = int(np.clip(column - wide / 2, 6, WIDTH - wide - 6))
        spot = (left, len(strip) - 8)
        cv2.putText(strip, text, spot, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _CASING, 4, cv2.LINE_AA)
        cv2.putText(strip, text, spot, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _STRIP_INK, 1, cv2.LINE_AA)


def _pixels(columns: Array, rows: Array) -> NDArray[np.int32]:
    """Points [N, 2] in OpenCV's fixed-point coordinates, from the middle of the first pixel."""
    points = np.stack([columns - 0.5, rows - 0.5], axis=-1)
    return np.round(points * 2**_SHIFT).astype(np.int32)


def _around(points: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    """The points, and their copies one panorama to the left and to the right."""
    turn = np.array([WIDTH << _SHIFT, 0], np.int32)
    return [points - turn, points, points + turn]


def _marks(image: Image, view: View, labels: ClipLabels, frame: int | None) -> None:
    """A dot at each label, a larger one at that of one frame."""
    columns, rows = panorama_position(*directions(view, labels.x, labels.y))
    spots = _pixels(columns % WIDTH, rows)
    order = np.argsort(labels.frames == frame, kind="stable")
    for row in order.tolist():
        now = frame is not None and int(labels.frames[row]) == frame
        colour = palette.rgb(palette.category_colour(int(labels.categories[row])))
        radius = 7 if now else 3
        for spot in _around(spots[row : row + 1]):
            centre = (int(spot[0, 0]), int(spot[0, 1]))
            for ink, grow in ((_CASING, 2), (colour, 0)):
                size = (radius + grow) << _SHIFT
                cv2.circle(image, centre, size, ink, -1, cv2.LINE_AA, _SHIFT)
            if now:
                cv2.circle(image, centre, 2 << _SHIFT, _INK, -1, cv2.LINE_AA, _SHIFT)
