"""Where people can stand in a furnished room, and be seen there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savg.data.scenes.room import Room

BESIDE, WALL = 0.28, 0.4
"""Least distances in metres of a person's middle from furniture and from walls."""
HIDING = 0.72
"""Furniture higher than this share of the camera's height hides the people behind it."""


def is_free(room: Room, floor: ArrayLike) -> bool:
    """Whether people can stand, and be seen, on all floor positions [N, 2] along a path."""
    x, y = np.asarray(floor, float).reshape(-1, 2).T
    inside = (x < room.front - WALL) & (x > WALL - room.back)
    inside &= (y < room.left - WALL) & (y > WALL - room.right)
    if not inside.all():
        return False
    if not room.furniture:
        return True
    pieces = np.array([(*p.low[:2], *p.high[:2], p.high[2]) for p in room.furniture]).T
    x0, y0, x1, y1, top = pieces[:, None]
    x, y = x[:, None], y[:, None]
    on = (x > x0 - BESIDE) & (x < x1 + BESIDE) & (y > y0 - BESIDE) & (y < y1 + BESIDE)
    if on.any():
        return False
    tall = top[0] > HIDING * room.eye
    boxes = (x0[:, tall], y0[:, tall], x1[:, tall], y1[:, tall])
    return not _cross(x, y, boxes).any()


def path_points(corners: Sequence[tuple[float, float]], step: float = 0.1) -> NDArray[np.float64]:
    """Floor positions [N, 2] along straight lines between corners, at most `step` m apart."""
    points = [np.asarray(corners[:1], float)]
    for a, b in pairwise(corners):
        count = max(1, int(np.ceil(np.hypot(b[0] - a[0], b[1] - a[1]) / step)))
        points.append(np.linspace(a, b, count + 1)[1:])
    return np.concatenate(points)


def places(room: Room, depths: tuple[float, float], slope: float) -> NDArray[np.float64]:
    """The free places [N, 2] of a 10-cm grid before the camera, |y| at most `slope` · x."""
    x, y = np.meshgrid(np.arange(*depths, 0.1), np.arange(-4.0, 4.0, 0.1), indexing="ij")
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    grid = grid[np.abs(grid[:, 1]) <= slope * grid[:, 0]]
    return grid[[is_free(room, place) for place in grid]]


def _cross(
    x: NDArray[np.float64], y: NDArray[np.float64], boxes: tuple[NDArray[np.float64], ...]
) -> NDArray[np.bool_]:
    """Whether the lines from the camera at the origin to (x, y) [N, 1] pass over rectangles [1, K]."""
    x0, y0, x1, y1 = boxes
    low, high = np.zeros_like(x * x0), np.ones_like(x * x0)
    for part, a, b in ((x, x0, x1), (y, y0, y1)):
        safe = np.where(np.abs(part) < 1e-9, 1e-9, part)
        first, second = a / safe, b / safe
        low = np.maximum(low, np.minimum(first, second))
        high = np.minimum(high, np.maximum(first, second))
    return np.asarray(low < high)
