"""Which way round a player shows a decoded frame, and how wide its pixels are.

A display matrix comes with a stream (mp4, mov, mkv), with coded frames (H.264, HEVC) or as EXIF
data of a JPEG. A player flips, then rotates. Source of the rule: what FFmpeg's command line shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]

_UNNAMED_SIDE_DATA = range(28, 48)
"""Types of FFmpeg's side data that PyAV has no name for and raises at, such as EXIF (31)."""


@dataclass(frozen=True)
class Orientation:
    """The steps from stored to shown pixels, in this order.

    transposed: rows become columns; flipped_rows: upside down; flipped_columns: left to right; degrees:
    rotated clockwise within the frame's own rectangle, for angles between quarter turns.
    """

    transposed: bool = False
    flipped_rows: bool = False
    flipped_columns: bool = False
    degrees: float = 0.0

    def __bool__(self) -> bool:
        """Whether stored and shown pixels differ."""
        return self != UPRIGHT

    def apply(self, image: Frame) -> Frame:
        """The image [height, width, 3] as shown."""
        if self.transposed:
            image = image.swapaxes(0, 1)
        if self.flipped_rows:
            image = image[::-1]
        if self.flipped_columns:
            image = image[:, ::-1]
        image = np.ascontiguousarray(image)
        return _rotated(image, self.degrees) if self.degrees else image

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height as shown."""
        return (height, width) if self.transposed else (width, height)


UPRIGHT = Orientation()


class StreamOrientation:
    """The orientation of a stream's decoded frames, in the order in which they are shown.

    Coded frames may carry it at key frames alone: it then holds until the next one, as ITU-T H.264 says
    (FFmpeg drops it after a frame).
    """

    def __init__(self) -> None:
        self._current = UPRIGHT

    def of(self, frame: Any) -> Orientation:
        """That of the next frame of PyAV's."""
        matrix = _display_matrix(frame)
        if matrix is not None:
            self._current = matrix_orientation(matrix)
        elif frame.key_frame:
            self._current = UPRIGHT
        return self._current


def matrix_orientation(matrix: Sequence[int]) -> Orientation:
    """The orientation of a display matrix, its nine numbers by rows; a degenerate one does nothing."""
    return _orientation(*(int(matrix[i]) for i in (0, 1, 3, 4)))


@lru_cache(maxsize=64)
def _orientation(a: int, b: int, c: int, d: int) -> Orientation:
    """That of the matrix [[a, b], [c, d]], by which rows (x, y) are multiplied from the left."""
    columns = math.hypot(a, c), math.hypot(b, d)
    if not all(columns):
        return UPRIGHT
    degrees = round(math.degrees(math.atan2(b / columns[1], a / columns[0]))) % 360
    if degrees == 0:
        return Orientation(flipped_rows=d < 0)
    if degrees == 90:
        return Orientation(transposed=True, flipped_columns=c <= 0)
    if degrees == 180:
        return Orientation(flipped_rows=d < 0, flipped_columns=a < 0)
    if degrees == 270:
        return Orientation(transposed=True, flipped_rows=True, flipped_columns=c < 0)
    return Orientation(degrees=float(degrees))


def square_pixels(image: Frame, aspect: float | Fraction) -> Frame:
    """An image [height, width, 3] whose pixels are `aspect` times as wide as high, made as wide as
    players show it."""
    if abs(float(aspect) - 1.0) <= 1e-3:
        return image
    import cv2

    size = shown_width(image.shape[1], aspect), image.shape[0]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def shown_width(width: int, aspect: float | Fraction) -> int:
    """The width in square pixels of `width` pixels that are `aspect` times as wide as high."""
    return width if abs(float(aspect) - 1.0) <= 1e-3 else max(1, round(width * float(aspect)))


def _display_matrix(frame: Any) -> list[int] | None:
    try:
        data = frame.side_data
    except ValueError:
        data = _with_named_side_data(frame).side_data
    for part in data:
        if part.type.name == "DISPLAYMATRIX":
            return np.frombuffer(bytes(part), np.int32).tolist()
    return None


def _with_named_side_data(frame: Any) -> Any:
    """The frame without the side data that PyAV cannot name."""
    import av

    graph = av.filter.Graph()
    chain = [
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format.name,
            time_base=Fraction(1, 1000),
        )
    ]
    chain += [graph.add("sidedata", f"mode=delete:type={kind}") for kind in _UNNAMED_SIDE_DATA]
    chain.append(graph.add("buffersink"))
    graph.link_nodes(*chain).configure()
    chain[0].push(frame)
    return chain[-1].pull()


def _rotated(image: Frame, degrees: float) -> Frame:
    import cv2

    height, width = image.shape[:2]
    centre = (width - 1) / 2, (height - 1) / 2
    return np.asarray(
        cv2.warpAffine(image, cv2.getRotationMatrix2D(centre, -degrees, 1.0), (width, height)),
        np.uint8,
    )
