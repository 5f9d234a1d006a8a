"""The empty room as an image: flat textures of its faces, projected by the camera and lit."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.camera import Camera
from savg.data.scenes.room import Fixture, Furniture, Room, make_room
from savg.data.scenes.shapes import shade

Image = NDArray[np.uint8]
Array = NDArray[np.floating]
DENSITY = 100
"""Pixels per metre of the flat textures."""


@lru_cache(maxsize=160)
def backdrop(room_seed: int, index: int, camera: Camera) -> Image:
    """The room without people, RGB [height, width, 3]; cached and read-only."""
    image = backdrop_of(make_room(room_seed, index), camera)
    image.flags.writeable = False
    return image


def backdrop_of(room: Room, camera: Camera) -> Image:
    """The room without people, RGB [height, width, 3]; each pixel depends on its own ray alone."""
    rays = camera.rays()
    low = np.array([-room.back, -room.right, -room.eye])
    high = np.array([room.front, room.left, room.height - room.eye])
    hit, normal = _inside_box(rays, low, high)
    colour = _shell_colour(room, hit, normal)
    shadow = np.ones(hit.shape[:2])
    ground, wall = normal[..., 2] > 0, np.abs(hit[..., 0] - room.front) < 1e-6
    on_ground, on_wall = hit[ground], hit[wall]
    nearest = _length(hit)
    corners = [
        (np.array(item.low) - [0, 0, room.eye], np.array(item.high) - [0, 0, room.eye])
        for item in room.furniture
    ]
    for item, (a, b) in zip(room.furniture, corners, strict=True):
        soft = 0.5 if item.low[2] < 0.1 else 0.25
        shadow[ground] *= 1 - soft * np.exp(-_outside(on_ground, a, b, 0, 1) / 0.14)
        shadow[wall] *= 1 - 0.35 * np.exp(-_outside(on_wall, a, b, 1, 2) / 0.1)
    for item, (a, b) in zip(room.furniture, corners, strict=True):
        visible, enter, axis = _outside_box(rays, a, b)
        visible &= enter * _length(rays) < nearest
        point = rays[visible] * enter[visible][:, None]
        face = np.zeros_like(point)
        columns = axis[visible][:, None]
        signs = -np.sign(np.take_along_axis(rays[visible], columns, axis=-1))
        np.put_along_axis(face, columns, signs, axis=-1)
        nearest[visible] = _length(point)
        colour[visible] = _item_colour(item, point, a, b, face)
        hit[visible], normal[visible], shadow[visible] = point, face, 1.0
    lit = colour * (_light(room, hit, normal) * shadow)[..., None]
    glow = np.clip(lit, 0, 255)
    return np.ascontiguousarray(np.round(glow).astype(np.uint8))


def _inside_box(rays: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Where rays from the origin leave a box around it, and the face's inward normal."""
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.where(rays > 0, high / rays, low / rays)
    far = np.where(np.isfinite(far), far, np.inf)
    axis = far.argmin(axis=-1)
    hit = rays * far.min(axis=-1)[..., None]
    normal = np.zeros_like(rays)
    sign = -np.sign(np.take_along_axis(rays, axis[..., None], axis=-1))
    np.put_along_axis(normal, axis[..., None], sign, axis=-1)
    bound = np.where(rays > 0, high, low)
    exact = np.take_along_axis(bound, axis[..., None], axis=-1)
    np.put_along_axis(hit, axis[..., None], exact, axis=-1)
    return hit, normal


def _outside_box(
    rays: Array, low: Array, high: Array
) -> tuple[NDArray[np.bool_], Array, NDArray[np.intp]]:
    """Whether rays from the origin meet a box, at which multiple of their length, and across which
    axis they enter."""
    enter = np.full(rays.shape[:2], -np.inf)
    leave = np.full(rays.shape[:2], np.inf)
    axis = np.zeros(rays.shape[:2], np.intp)
    for k in range(3):
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = low[k] / rays[..., k], high[k] / rays[..., k]
        near = np.fmin(a, b)
        axis[near > enter] = k
        enter = np.fmax(enter, near)
        leave = np.fmin(leave, np.fmax(a, b))
    return (enter > 0) & (enter <= leave), enter, axis


def _length(vectors: Array) -> Array:
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.sqrt(x * x + y * y + z * z)


def _outside(hit: Array, low: Array, high: Array, first: int, second: int) -> Array:
    """Distance of points from a box, along two axes."""
    a, b = (
        np.maximum(np.maximum(low[k] - hit[:, k], hit[:, k] - high[k]), 0) for k in (first, second)
    )
    return np.hypot(a, b)


def _light(room: Room, hit: Array, normal: Array) -> Array:
    """Brightness of points: lamps, daylight from one side, darker corners."""
    total = np.full(hit.shape[:2], 0.64)
    for lamp in room.lamps:
        toward = np.array([lamp[0], lamp[1], lamp[2] - room.eye]) - hit
        distance = _length(toward)
        facing = np.clip((toward * normal).sum(-1) / np.maximum(distance, 1e-6), 0, 1)
        total += 1.25 * (0.25 + 0.75 * facing) / (1 + 0.45 * distance**2)
    total += 0.09 * room.daylight * np.clip(hit[..., 1] / 3, -1, 1)
    total -= 0.05 * np.abs(normal[..., 1])
    gaps = []
    for axis, (a, b) in enumerate(
        ((-room.back, room.front), (-room.right, room.left), (-room.eye, room.height - room.eye))
    ):
        gap = np.minimum(hit[..., axis] - a, b - hit[..., axis])
        gaps.append(np.where(np.abs(normal[..., axis]) > 0.5, 9.0, gap))
    return total * np.prod([1 - 0.16 * np.exp(-np.maximum(g, 0) / 0.18) for g in gaps], axis=0)


def _sample(painting: Image, u: Array, v: Array) -> Array:
    """Colours [N, 3] of a texture at metres [N] (u from its left, v down from its top), bilinear."""
    rows, row = -(-len(u) // 1024), 1024  # remap takes no side longer than 32767
    x, y = np.zeros((2, rows * row), np.float32)
    x[: len(u)], y[: len(u)] = u * DENSITY - 0.5, v * DENSITY - 0.5
    grid = (x.reshape(rows, row), y.reshape(rows, row))
    colours = cv2.remap(painting, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return colours.reshape(-1, 3)[: len(u)].astype(float)


def _shell_colour(room: Room, hit: Array, normal: Array) -> Array:
    """Colours of walls, floor and ceiling where rays hit them."""
    down = room.height - room.eye - hit[..., 2]
    faces = (
        (normal[..., 0] < 0, "front", room.left - hit[..., 1], down),
        (normal[..., 0] > 0, "back", hit[..., 1] + room.right, down),
        (normal[..., 1] < 0, "left", hit[..., 0] + room.back, down),
        (normal[..., 1] > 0, "right", room.front - hit[..., 0], down),
    )
    colour = np.zeros((*hit.shape[:2], 3))
    for mask, name, u, v in faces:
        if mask.any():
            colour[mask] = _sample(_paint_wall(room, name), u[mask], v[mask])
    ground = normal[..., 2] > 0
    if ground.any():
        u, v = room.left - hit[ground, 1], room.front - hit[ground, 0]
        colour[ground] = _sample(_paint_floor(room), u, v)
    colour[normal[..., 2] < 0] = (236, 234, 228)
    return colour


def _rect(canvas: Image, u: float, v: float, w: float, h: float, colour: tuple[float, ...]) -> None:
    a = (round(u * DENSITY), round(v * DENSITY))
    b = (round((u + w) * DENSITY) - 1, round((v + h) * DENSITY) - 1)
    cv2.rectangle(canvas, a, b, colour, -1)


def _paint_wall(room: Room, name: str) -> Image:
    """The texture of a wall as seen from inside, its upper left corner first."""
    width = room.wall_width(name)
    canvas = np.full((round(room.height * DENSITY), round(width * DENSITY), 3), room.wall, np.uint8)
    if room.key[1] % 3 == 1:
        for u in np.arange(0.0, width, 0.5):
            _rect(canvas, float(u), 0, 0.25, room.height, shade(room.wall, 0.965))
    elif room.key[1] % 3 == 2:
        _rect(canvas, 0, room.height - 0.95, width, 0.95, shade(room.wall, 0.86))
        _rect(canvas, 0, room.height - 0.98, width, 0.05, shade(room.wall, 1.08))
    _rect(canvas, 0, room.height - 0.11, width, 0.11, (238, 234, 226))
    _rect(canvas, 0, room.height - 0.12, width, 0.015, (190, 184, 172))
    painters = {"window": _paint_window, "door": _paint_door, "picture": _paint_picture}
    for item in room.fixtures:
        if item.wall == name:
            u = item.u + (room.front + room.back if name == "left" else 0.0)
            painters[item.kind](canvas, room, item, u, room.height - item.v - item.height)
    return canvas


def _paint_window(canvas: Image, room: Room, item: Fixture, u: float, v: float) -> None:
    w, h = item.width, item.height
    _rect(canvas, u - 0.09, v - 0.09, w + 0.18, h + 0.18, (214, 210, 200))
    _rect(canvas, u - 0.06, v - 0.06, w + 0.12, h + 0.12, (250, 248, 242))
    rows = round(h * DENSITY)
    top, low = np.array([150, 196, 240]), np.array([236, 244, 250])
    for row in range(rows):
        share = row / rows
        _rect(canvas, u, v + row / DENSITY, w, 0.02, tuple(map(float, top + share * (low - top))))
    _rect(canvas, u, v + 0.78 * h, w, 0.22 * h, (126, 160, 104))
    for k, x in enumerate((0.2, 0.45, 0.8)):
        centre = (round((u + x * w) * DENSITY), round((v + 0.76 * h) * DENSITY))
        cv2.ellipse(
            canvas, centre, (22 + 5 * k, 16), 0, 0, 360, (96, 136 - 8 * k, 84), -1, cv2.LINE_AA
        )
    for x in (0.0, 0.5, 1.0):
        _rect(canvas, u + x * (w - 0.05), v, 0.05, h, (250, 248, 242))
    _rect(canvas, u, v + 0.42 * h, w, 0.04, (250, 248, 242))
    for x in (u - 0.2, u + w - 0.08):
        for k in range(7):
            _rect(
                canvas,
                x + 0.04 * k,
                v - 0.12,
                0.04,
                h + 0.5,
                shade(item.colour, 1.2 - 0.12 * (k % 3)),
            )
    _rect(canvas, u - 0.26, v - 0.16, w + 0.52, 0.045, (110, 84, 60))


def _paint_door(canvas: Image, room: Room, item: Fixture, u: float, v: float) -> None:
    w, h = item.width, item.height
    wood = (172, 120, 76) if room.key[1] % 2 else (228, 222, 210)
    _rect(canvas, u - 0.09, v - 0.09, w + 0.18, h + 0.09, shade(wood, 0.8))
    _rect(canvas, u, v, w, h, wood)
    for a, b in ((0.12, 0.36), (0.55, 0.33)):
        for x in (0.12, 0.54):
            _rect(canvas, u + x * w, v + a * h, 0.34 * w, b * h, shade(wood, 0.78))
            _rect(
                canvas,
                u + (x + 0.03) * w,
                v + (a + 0.012) * h,
                0.3 * w,
                (b - 0.02) * h,
                shade(wood, 0.93),
            )
    centre = (round((u + 0.9 * w) * DENSITY), round((v + 0.52 * h) * DENSITY))
    cv2.circle(canvas, centre, 5, (206, 178, 90), -1, cv2.LINE_AA)


def _paint_picture(canvas: Image, room: Room, item: Fixture, u: float, v: float) -> None:
    w, h = item.width, item.height
    _rect(canvas, u + 0.03, v + 0.04, w, h, shade(room.wall, 0.75))
    _rect(canvas, u, v, w, h, (66, 46, 34))
    _rect(canvas, u + 0.04, v + 0.04, w - 0.08, h - 0.08, (240, 236, 226))
    _rect(canvas, u + 0.1, v + 0.1, w - 0.2, h - 0.2, shade(item.colour, 1.35))
    _rect(canvas, u + 0.1, v + 0.55 * h, w - 0.2, 0.45 * h - 0.1, shade(item.colour, 0.75))
    centre = (round((u + 0.62 * w) * DENSITY), round((v + 0.42 * h) * DENSITY))
    cv2.circle(canvas, centre, round(0.12 * h * DENSITY), (250, 226, 160), -1, cv2.LINE_AA)


def _paint_floor(room: Room) -> Image:
    """The texture of the floor: left wall at the left edge, front wall at the upper edge."""
    width, depth = room.left + room.right, room.front + room.back
    rows, columns = round(depth * DENSITY), round(width * DENSITY)
    rng = np.random.default_rng([*room.key, 9])
    canvas = np.full((rows, columns, 3), room.floor, np.uint8)
    if room.floor_kind == "planks":
        for k, u in enumerate(np.arange(0, width, 0.16)):
            for v in np.arange(-float(rng.uniform(0, 1.6)), depth, 1.6):
                tone = float(rng.uniform(0.88, 1.1))
                _rect(canvas, float(u), float(max(v, 0)), 0.16, 1.6, shade(room.floor, tone))
                _rect(canvas, float(u), float(max(v, 0)), 0.16, 0.015, shade(room.floor, 0.62))
            _rect(canvas, float(u), 0, 0.012, depth, shade(room.floor, 0.66 + 0.04 * (k % 2)))
    elif room.floor_kind == "tiles":
        for i, u in enumerate(np.arange(0, width, 0.4)):
            for j, v in enumerate(np.arange(0, depth, 0.4)):
                tone = 1.0 if (i + j) % 2 else 0.86
                _rect(canvas, float(u), float(v), 0.39, 0.39, shade(room.floor, tone))
    else:
        grain = rng.normal(0, 9, (rows, columns, 1))
        canvas = np.clip(canvas + grain, 0, 255).astype(np.uint8)
    if room.key[1] % 2 == 0:
        centre = (round(room.left * DENSITY), round((room.front - 2.0) * DENSITY))
        for size, tone in ((1.0, 0.62), (0.93, 1.1), (0.82, 0.8), (0.4, 1.05)):
            axes = (round(150 * size), round(85 * size))
            cv2.ellipse(canvas, centre, axes, 0, 0, 360, shade(room.accent, tone), -1, cv2.LINE_AA)
    return canvas


def _item_colour(item: Furniture, point: Array, low: Array, high: Array, normal: Array) -> Array:
    """Colours of a piece of furniture; the face towards the camera carries the detail."""
    base = np.array(item.colour, float)
    colour = np.tile(base, (len(point), 1))
    colour *= np.where(
        normal[..., 2:3] > 0.5, 1.14, np.where(np.abs(normal[..., 1:2]) > 0.5, 0.82, 1.0)
    )
    front = normal[..., 0] < -0.5
    u, v = high[1] - point[..., 1], high[2] - point[..., 2]
    if item.kind in ("shelf", "cabinet"):
        painting = _paint_front(item, float(high[1] - low[1]), float(high[2] - low[2]))
        if front.any():
            colour[front] = _sample(painting, u[front], v[front])
    elif item.kind == "cloth":
        seam = np.exp(-(((u % 0.55) - 0.275) ** 2) / 0.0006)
        colour *= 1 - 0.22 * (seam * front)[..., None]
    return colour


def _paint_front(item: Furniture, width: float, height: float) -> Image:
    canvas = np.full((round(height * DENSITY), round(width * DENSITY), 3), item.colour, np.uint8)
    rng = np.random.default_rng(round(width * 1000))
    if item.kind == "cabinet":
        columns = 2 if width < 1.2 else 3
        w = width / columns
        for k in range(columns):
            _rect(canvas, k * w + 0.03, 0.06, w - 0.06, height - 0.16, shade(item.colour, 0.84))
            _rect(canvas, k * w + 0.05, 0.08, w - 0.1, height - 0.2, shade(item.colour, 1.04))
            _rect(canvas, k * w + 0.08, 0.45 * height, 0.025, 0.1, (60, 54, 50))
        return canvas
    shelves = max(3, round(height / 0.36))
    h = height / shelves
    for k in range(shelves):
        _rect(canvas, 0.03, k * h + 0.03, width - 0.06, h - 0.03, shade(item.colour, 0.42))
        u = 0.04
        while u < width - 0.1:
            thick, tall = float(rng.uniform(0.03, 0.07)), float(rng.uniform(0.6, 0.85)) * h
            if rng.random() < 0.86:
                r, g, b = rng.integers(50, 210, 3)
                _rect(canvas, u, (k + 1) * h - tall, thick, tall, (float(r), float(g), float(b)))
            u += thick + 0.004
    return canvas
