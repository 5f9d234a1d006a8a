"""The 360° video of a furnished scene, as `savg.data.scenes.panorama` makes that of a drawn one."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.camera import Equirectangular
from savg.data.scenes.furnished.effects import draw_exposure
from savg.data.scenes.furnished.painter import cast_of, light_on, lit, paste, shadow
from savg.data.scenes.furnished.stamps import Stamp, stamp
from savg.data.scenes.furnished.views import View, equirectangular_of
from savg.data.scenes.room import make_room
from savg.data.scenes.scene import Scene

Image = NDArray[np.uint8]
Patch = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, all even; columns may lie beyond the edges."""
SPREAD = 0.75
"""Metres to both sides of a person that their shadow may reach."""


def panoramas(
    scene: Scene,
    times: NDArray[np.floating],
    voices: NDArray[np.floating],
    width: int,
    height: int,
) -> Iterator[tuple[Image, list[Patch]]]:
    """The panorama at each of `times`, and the patches in which it differs from the one before.

    As `scenes.panorama.panoramas`: RGB [height, width, 3], one array that is overwritten.
    """
    camera = Equirectangular(width, height)
    room = equirectangular_of(scene.room_seed, scene.room, width, height)
    table = draw_exposure(scene.seed, scene.light).table()
    canvas, image = room.image.copy(), np.empty_like(room.image)
    eye = make_room(scene.room_seed, scene.room).eye
    order, cast = cast_of(scene, times, voices)
    floors = [scene.people[person].track.at(times) for person in order]
    old: list[Patch] = [(0, 0, width, height)]
    for frame in range(len(times)):
        new: list[Patch] = []
        painted: list[tuple[Stamp, NDArray[np.floating], Patch]] = []
        for patch in old:
            canvas[_area(patch, width)] = room.image[_area(patch, width)]
        for person, track in zip(order, floors, strict=True):
            made = stamp(camera, cast[person][frame], track[frame], eye)
            patch = _patch(made, track[frame], camera, eye)
            painted.append((made, track[frame], patch))
            new.append(patch)
        for only_shadows in (True, False):
            for made, floor, patch in painted:
                _paint(canvas, room, camera, made, floor, patch, scene, only_shadows)
        for patch in old + new:
            area = _area(patch, width)
            image[area] = cv2.LUT(np.ascontiguousarray(canvas[area]), table)
        yield image, old + new
        old = new


def person_boxes(
    scene: Scene, times: NDArray[np.floating], width: int, height: int
) -> NDArray[np.floating]:
    """Boxes [P, T, 4] of the people (x0, y0, x1, y1 in pixels; x0 lies within the panorama)."""
    camera = Equirectangular(width, height)
    eye = make_room(scene.room_seed, scene.room).eye
    silent = np.zeros((len(scene.people), len(times)))
    _, cast = cast_of(scene, times, silent)
    boxes = np.zeros((len(scene.people), len(times), 4))
    for index, person in enumerate(scene.people):
        for frame, floor in enumerate(person.track.at(times)):
            boxes[index, frame] = stamp(camera, cast[index][frame], floor, eye).box
    boxes[..., [0, 2]] -= np.floor(boxes[..., :1] / width) * width
    return boxes


def _paint(
    canvas: Image, room: View, camera: Equirectangular, made: Stamp, floor: NDArray[np.floating],
    patch: Patch, scene: Scene, only_shadow: bool,
) -> None:  # fmt: skip
    """A person's shadow, or the person, on the canvas."""
    area = _area(patch, camera.width)
    part = np.ascontiguousarray(canvas[area])
    behind = View(room.image[area], room.cover[area], room.near[area], room.depth[area])
    light = light_on(scene, float(np.rad2deg(np.arctan2(floor[1], floor[0]))))
    corner = patch[:2]
    if only_shadow:
        eye = make_room(scene.room_seed, scene.room).eye
        shadow(part, camera, floor, eye, light, behind, corner)
    else:
        x0, y0 = made.x0 - corner[0], made.y0 - corner[1]
        moved = Stamp(x0, y0, made.rgba, made.relief, made.box, made.depth)
        paste(part, lit(moved, light, behind))
    canvas[area] = part


def _patch(made: Stamp, floor: NDArray[np.floating], camera: Equirectangular, eye: float) -> Patch:
    """The even area that a person and their shadow can change, its rows inside the panorama."""
    azimuth = float(np.rad2deg(np.arctan2(floor[1], floor[0])))
    centre, scale = camera.towards(azimuth).project(np.array([[*floor, -eye]]))
    reach, (x, y) = SPREAD * float(scale[0]), centre[0]
    height, width = made.rgba.shape[:2]
    low = np.floor([min(made.x0, x - reach) / 2, min(made.y0, y - reach) / 2]) * 2
    high = np.ceil([max(made.x0 + width, x + reach) / 2, max(made.y0 + height, y + reach) / 2]) * 2
    x1 = min(int(high[0]), int(low[0]) + camera.width)
    return int(low[0]), max(int(low[1]), 0), x1, min(int(high[1]), camera.height)


def _area(patch: Patch, width: int) -> tuple[slice, NDArray[np.int64] | slice]:
    """Rows and columns of a patch, around the edge where it crosses it."""
    x0, y0, x1, y1 = patch
    if x0 >= 0 and x1 <= width:
        return slice(y0, y1), slice(x0, x1)
    return slice(y0, y1), np.arange(x0, x1) % width
