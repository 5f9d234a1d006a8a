"""Sprites as a camera sees them: scaled to their distance, moved to their place, ready to paste.

A sprite is a picture on an upright plane through the floor point of a person, square to the camera's
`ahead` there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from savg.data.scenes.camera import Camera, Perspective
from savg.data.scenes.furnished.sprites import Sprite, bank
from savg.geometry import focal_length

CACHED_BYTES = 96 * 2**20
LEVEL = 2**-0.5
"""Ratio of the sizes at which sprites are kept; the rest is done by linear interpolation."""
PAD = 2
"""Clear pixels around a kept sprite."""


@dataclass(frozen=True)
class Moment:
    """A sprite of the bank by name: person, recolour, action, phase, turn, and mouth (0, 1 or 2)."""

    figure: str
    variant: int
    action: str
    phase: int
    turn: int
    mouth: int = 0


@dataclass(frozen=True, eq=False)
class Stamp:
    """A sprite on the pixels of an image. x0, y0: of its upper left pixel; rgba: uint8 [h, w, 4],
    colours multiplied by alpha; relief: float32 [h, w, 2]; box: of the body (x0, y0, x1, y1 in
    pixels); depth: of the person in metres."""

    x0: int
    y0: int
    rgba: NDArray[np.uint8]
    relief: NDArray[np.float32]
    box: NDArray[np.float64]
    depth: float


@dataclass(frozen=True, eq=False)
class _Small:
    """A reduced sprite with a clear margin; scale: relative to the stored one."""

    rgba: NDArray[np.uint8]
    relief: NDArray[np.float32]
    scale: tuple[float, float]


_cache: LRUCache[tuple[Moment, int], _Small] = LRUCache(
    CACHED_BYTES, getsizeof=lambda s: s.rgba.nbytes + s.relief.nbytes
)


def sprite_of(moment: Moment) -> Sprite:
    """The sprite of a moment in full size."""
    return bank().speaking(
        moment.figure, moment.action, moment.phase, moment.turn, moment.variant, moment.mouth / 2
    )


def stamp(camera: Camera, moment: Moment, floor: NDArray[np.floating], eye: float) -> Stamp:
    """The sprite of `moment` standing on the floor at (x, y), seen by a camera `eye` m above it."""
    sprite = sprite_of(moment)
    if isinstance(camera, Perspective):
        return _flat(camera, moment, sprite, floor, eye)
    x, y = (float(v) for v in floor)
    local = camera.towards(float(np.rad2deg(np.arctan2(y, x))))
    ahead = camera.ahead(np.array([x, y]))
    right = np.array([ahead[1], -ahead[0]])
    depth = float(ahead @ (x, y))
    u0, v0, u1, v1 = sprite.body
    height, width = sprite.rgba.shape[:2]
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height], [width / 2, 0],
                        [width / 2, height], [u0, v0], [u1, v0], [u0, v1], [u1, v1],
                        [(u0 + u1) / 2, v0], [(u0 + u1) / 2, v1]])  # fmt: skip
    across, up = ((corners - sprite.anchor) / sprite.pixels_per_metre * (1, -1)).T
    points = np.stack([x + across * right[0], y + across * right[1], up - eye], axis=1)
    pixels, _ = local.project(points)
    low, high = pixels[:6].min(axis=0), pixels[:6].max(axis=0)
    body = np.concatenate([pixels[6:].min(axis=0), pixels[6:].max(axis=0)])
    x0, y0 = (int(v) for v in np.floor(low) - 1)
    x1, y1 = (int(v) for v in np.ceil(high) + 1)
    _, (scale,) = local.project(np.array([[x, y, -eye]]))
    small = _small(moment, sprite, float(scale) / sprite.pixels_per_metre)
    return _around(
        local, small, sprite, (x0, max(y0, 0), x1, min(y1, camera.height)), eye, depth, body, (x, y)
    )


def _flat(
    camera: Perspective, moment: Moment, sprite: Sprite, floor: NDArray[np.floating], eye: float
) -> Stamp:
    """A stamp in a perspective image, whose plane the sprite's is parallel to; cut to the image."""
    angle = np.deg2rad(camera.view)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    x, y = (float(v) for v in floor)
    depth = cos * x + sin * y
    scale = float(focal_length(camera.width, camera.field_of_view)) / max(depth, 0.05)
    centre = camera.width / 2 - (cos * y - sin * x) * scale
    ground = camera.height / 2 + eye * scale
    factor = scale / sprite.pixels_per_metre
    left, top = centre - sprite.anchor[0] * factor, ground - sprite.anchor[1] * factor
    body = np.array(sprite.body, float) * factor + (left, top, left, top)
    height, width = sprite.rgba.shape[:2]
    x0, y0 = max(int(np.floor(left)) - 1, 0), max(int(np.floor(top)) - 1, 0)
    x1 = min(int(np.ceil(left + width * factor)) + 1, camera.width)
    y1 = min(int(np.ceil(top + height * factor)) + 1, camera.height)
    size = max(x1 - x0, 0), max(y1 - y0, 0)
    if not all(size):
        nothing = np.zeros((0, 0, 4), np.uint8)
        return Stamp(0, 0, nothing, np.zeros((0, 0, 2), np.float32), body, depth)
    small = _small(moment, sprite, factor)
    across, down = factor / small.scale[0], factor / small.scale[1]
    matrix = np.array(
        [
            [across, 0.0, left - x0 + (0.5 - PAD) * across - 0.5],
            [0.0, down, top - y0 + (0.5 - PAD) * down - 0.5],
        ]
    )
    rgba = np.asarray(cv2.warpAffine(small.rgba, matrix, size), np.uint8)
    relief = np.asarray(cv2.warpAffine(small.relief, matrix, size), np.float32)
    return Stamp(x0, y0, rgba, relief, body, depth)


def _around(
    local: Camera, small: _Small, sprite: Sprite, area: tuple[int, int, int, int], eye: float,
    depth: float, body: NDArray[np.float64], floor: tuple[float, float],
) -> Stamp:  # fmt: skip
    """A stamp in a panorama, in which upright planes are bent."""
    x0, y0, x1, y1 = area
    centre = local.project(np.array([[*floor, -eye]]))[0][0, 0]
    turn = (np.arange(x0, x1) + 0.5 - centre) / local.width * 2 * np.pi
    elevation = (0.5 - (np.arange(y0, y1) + 0.5) / local.height) * np.pi
    turn = np.clip(turn, -1.2, 1.2)
    across = depth * np.tan(turn)
    up = depth / np.cos(turn)[None] * np.tan(elevation)[:, None] + eye
    ppm = sprite.pixels_per_metre
    at_x = (sprite.anchor[0] + across * ppm) * small.scale[0] + PAD - 0.5
    at_y = (sprite.anchor[1] - up * ppm) * small.scale[1] + PAD - 0.5
    at_x = np.broadcast_to(at_x[None], up.shape).astype(np.float32)
    at_y = at_y.astype(np.float32)
    rgba = np.asarray(cv2.remap(small.rgba, at_x, at_y, cv2.INTER_LINEAR), np.uint8)
    relief = np.asarray(cv2.remap(small.relief, at_x, at_y, cv2.INTER_LINEAR), np.float32)
    return Stamp(x0, y0, rgba, relief, body, depth)


def _small(moment: Moment, sprite: Sprite, scale: float) -> _Small:
    """The kept size of a sprite that is the next above `scale`."""
    level = max(0, int(np.floor(np.log(max(scale, 1e-3)) / np.log(LEVEL) + 1e-6)))
    key = (moment, level)
    found = _cache.get(key)
    if found is None:
        height, width = sprite.rgba.shape[:2]
        size = max(2, round(width * LEVEL**level)), max(2, round(height * LEVEL**level))

        def reduced(image: NDArray[Any]) -> NDArray[Any]:
            small = image if level == 0 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            return np.asarray(cv2.copyMakeBorder(small, PAD, PAD, PAD, PAD, cv2.BORDER_CONSTANT))

        relief = reduced(sprite.relief.astype(np.float32, copy=False))
        if level == 0:
            size = width, height
        found = _Small(reduced(sprite.rgba), relief, (size[0] / width, size[1] / height))
        _cache[key] = found
    return found
