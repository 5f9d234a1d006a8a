"""The 360° video of a scene: equirectangular, azimuth 180 at the left edge, 0 in the middle.

Only what moves is repainted from one frame to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.backdrop import backdrop_of
from savg.data.scenes.camera import Camera, Equirectangular, Points
from savg.data.scenes.furnished import around
from savg.data.scenes.furnished.index import is_furnished
from savg.data.scenes.render import corners_of, draw_people, shadows
from savg.data.scenes.room import make_room
from savg.data.scenes.scene import Person, Scene
from savg.data.scenes.shapes import SHIFT, Part, bounds, paint

Image = NDArray[np.uint8]
Patch = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels; columns may lie beyond the edges, where the panorama starts again."""
CHUNK = 10
"""Frames whose figures are computed together."""
_STRIPS = 6


@dataclass(frozen=True)
class _Strip:
    """A camera for some rows of a panorama, to limit the memory that a backdrop takes."""

    camera: Equirectangular
    first: int
    last: int

    @property
    def width(self) -> int:
        return self.camera.width

    @property
    def height(self) -> int:
        return self.last - self.first

    def project(self, points: Points) -> tuple[Points, NDArray[np.floating]]:
        return self.camera.project(points)

    def rays(self) -> Points:
        return self.camera.rays()[self.first : self.last]

    def ahead(self, floor: Points) -> Points:
        return self.camera.ahead(floor)

    def towards(self, azimuth: float) -> Camera:
        return self.camera.towards(azimuth)


@lru_cache(maxsize=2)
def panorama_backdrop(room_seed: int, index: int, width: int, height: int) -> Image:
    """The panorama of the room without people [height, width, 3]; cached and read-only."""
    room, camera = make_room(room_seed, index), Equirectangular(width, height)
    edges = np.linspace(0, height, _STRIPS + 1).round().astype(int).tolist()
    strips = [
        backdrop_of(room, _Strip(camera, first, last))
        for first, last in pairwise(edges)
        if last > first
    ]
    image = np.concatenate(strips)
    image.flags.writeable = False
    return image


def panoramas(
    scene: Scene,
    times: NDArray[np.floating],
    voices: NDArray[np.floating],
    width: int,
    height: int,
) -> Iterator[tuple[Image, list[Patch]]]:
    """The panorama at each of `times`, and the patches in which it differs from the one before.

    The image, RGB [height, width, 3], is one array that is overwritten each time. voices: how loudly
    each person speaks [P, T], from `render.voices_of`.
    """
    if is_furnished(scene.room_seed):
        yield from around.panoramas(scene, times, voices, width, height)
        return
    camera = Equirectangular(width, height)
    empty = _lit(panorama_backdrop(scene.room_seed, scene.room, width, height), scene.light)
    image = empty.copy()
    old: list[Patch] = [(0, 0, width, height)]
    for begin in range(0, len(times), CHUNK):
        span = slice(begin, begin + CHUNK)
        order, figures = draw_people(scene, camera, times[span], voices[:, span])
        boxes = [_patch_bounds(parts, camera) for parts in figures]
        layers = [corners_of(parts) for parts in figures]
        for frame, time in enumerate(times[span]):
            new: list[Patch] = [tuple(box[frame].tolist()) for box in boxes]
            for patch in old:
                _restore(image, empty, patch)
            for patch, index in zip(new, order, strict=True):
                _paint_shadow(image, scene, scene.people[index], camera, float(time), patch)
            for patch, parts, (corners, ends) in zip(new, figures, layers, strict=True):
                _paint_figure(image, parts, corners[frame], ends, patch)
            yield image, old + new
            old = new


def person_boxes(
    scene: Scene, times: NDArray[np.floating], width: int, height: int
) -> NDArray[np.floating]:
    """Boxes [P, T, 4] of the people (x0, y0, x1, y1 in pixels; x0 lies within the panorama)."""
    if is_furnished(scene.room_seed):
        return around.person_boxes(scene, times, width, height)
    boxes = np.zeros((len(scene.people), len(times), 4))
    silent = np.zeros((len(scene.people), len(times)))
    order, figures = draw_people(scene, Equirectangular(width, height), times, silent)
    for index, parts in zip(order, figures, strict=True):
        boxes[index] = bounds(parts, body_only=True)
    boxes[..., [0, 2]] -= np.floor(boxes[..., :1] / width) * width
    return boxes


def pieces(patch: Patch, width: int) -> list[tuple[slice, slice, slice]]:
    """Rows and columns of the panorama that a patch covers, and the patch's own columns for each."""
    x0, y0, x1, y1 = patch
    x1 = min(x1, x0 + width)
    spans = []
    at = x0
    while at < x1:
        column = at % width
        count = min(width - column, x1 - at)
        spans.append(
            (slice(y0, y1), slice(column, column + count), slice(at - x0, at - x0 + count))
        )
        at += count
    return spans


def _lit(image: Image, light: tuple[float, float, float]) -> Image:
    table = np.clip(np.arange(256)[:, None] * np.array(light), 0, 255)
    return np.asarray(cv2.LUT(image, np.round(table).astype(np.uint8)[None]), np.uint8)


def _patch_bounds(parts: list[Part], camera: Equirectangular) -> NDArray[np.int64]:
    """Even pixel bounds [F, 4] of a figure with its shadow; rows inside the image."""
    box = bounds(parts)
    margin = 0.16 * (box[:, 3] - box[:, 1])
    grown = box + np.stack([-margin, -margin * 0.2, margin, margin * 0.6], axis=1)
    low, high = np.floor(grown[:, :2] / 2) * 2, np.ceil(grown[:, 2:] / 2) * 2
    low[:, 1], high[:, 1] = np.clip(low[:, 1], 0, None), np.clip(high[:, 1], 0, camera.height)
    return np.concatenate([low, high], axis=1).astype(np.int64)


def _restore(image: Image, empty: Image, patch: Patch) -> None:
    for rows, columns, _ in pieces(patch, image.shape[1]):
        image[rows, columns] = empty[rows, columns]


def _read_patch(image: Image, patch: Patch) -> Image:
    """A patch of the panorama as one array: a view where it does not cross the edge, else a copy."""
    spans = pieces(patch, image.shape[1])
    if len(spans) == 1:
        rows, columns, _ = spans[0]
        return image[rows, columns]
    return np.concatenate([image[rows, columns] for rows, columns, _ in spans], axis=1)


def _write_patch(image: Image, patch: Patch, painted: Image) -> None:
    spans = pieces(patch, image.shape[1])
    if len(spans) > 1:
        for rows, columns, patch_columns in spans:
            image[rows, columns] = painted[:, patch_columns]


def _paint_shadow(
    image: Image, scene: Scene, person: Person, camera: Camera, time: float, patch: Patch
) -> None:
    area = _read_patch(image, patch)
    shadows(area, scene, [person], camera, time, patch[:2])
    _write_patch(image, patch, area)


def _paint_figure(
    image: Image, parts: list[Part], corners: NDArray[np.int32], ends: list[int], patch: Patch
) -> None:
    area = np.ascontiguousarray(_read_patch(image, patch))
    shifted, begin = corners - np.array(patch[:2], np.int32) * 2**SHIFT, 0
    for part, end in zip(parts, ends, strict=True):
        paint(area, shifted[begin:end], part, smooth=True)
        begin = end
    for rows, columns, patch_columns in pieces(patch, image.shape[1]):
        image[rows, columns] = area[:, patch_columns]
