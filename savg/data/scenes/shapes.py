"""Shapes of figures and props: polygons in the image, one for each frame.

A figure is built from capsules, balls and flat polygons placed in the world; each becomes a `Part`
with corners [frames, corners, 2] in pixels. Parts are painted in order, the nearest last.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.data.scenes.camera import Camera
from savg.data.scenes.world import Colour

Array = NDArray[np.floating]
SHIFT = 4


@dataclass(frozen=True, eq=False)
class Part:
    """A painted polygon, corners [F, N, 2] in pixels. body: whether it counts for the person's box."""

    corners: Array
    colour: tuple[float, float, float]
    convex: bool = True
    body: bool = True


def shade(colour: Colour | tuple[float, ...], factor: float) -> tuple[float, float, float]:
    """A darker (factor below 1) or lighter (above 1) colour, clipped to 0..255."""
    r, g, b = (min(255.0, max(0.0, c * factor)) for c in colour)
    return r, g, b


@dataclass(frozen=True, eq=False)
class _Limb:
    """A limb: index of its first of two points, radii in metres, and colour."""

    first: int
    radii: tuple[float, float]
    lit: bool
    colour: tuple[float, ...]
    body: bool


@dataclass(frozen=True, eq=False)
class _Ball:
    first: int
    radii: Array
    arc: tuple[float, float]
    slant: float
    colour: tuple[float, ...]
    body: bool


@dataclass(frozen=True, eq=False)
class _Polygon:
    first: int
    count: int
    colour: tuple[float, ...]
    convex: bool
    body: bool


class Stage:
    """Collects shapes in a person's own coordinates and projects them to parts, all at once.

    Own coordinates in metres: u to the viewer's right, v up from the floor, w towards the camera,
    for a person who faces the camera; `turn` [F] rotates u, v, w towards the viewer's right (degrees).
    feet: floor positions [F, 2]; floor: height of the floor below the camera (negative).
    """

    def __init__(self, camera: Camera, feet: Array, floor: float, turn: Array) -> None:
        self.camera, self.floor, self.feet = camera, floor, feet
        away = feet / np.linalg.norm(feet, axis=1, keepdims=True)
        right = np.stack([away[:, 1], -away[:, 0]], axis=1)
        c, s = np.cos(np.deg2rad(turn))[:, None], np.sin(np.deg2rad(turn))[:, None]
        self._u = c * right + s * away
        self._w = s * right - c * away
        self._points: list[Array] = []
        self._count = 0
        self._shapes: list[_Limb | _Ball | _Polygon] = []

    def _append(self, points: Array) -> int:
        """Store points [F, N, 3]; returns the index of the first one."""
        first = self._count
        self._points.append(points)
        self._count += points.shape[1]
        return first

    def polygon(
        self, points: Array, colour: tuple[float, ...], convex: bool = True, body: bool = True
    ) -> None:
        """A flat polygon with corners [F, N, 3]."""
        first = self._append(points)
        self._shapes.append(_Polygon(first, points.shape[1], colour, convex, body))

    def capsule(
        self,
        a: Array,
        b: Array,
        radius_a: float,
        radius_b: float,
        colour: tuple[float, ...],
        body: bool = True,
        light: bool = True,
    ) -> None:
        """A rounded, tapered limb from a to b [F, 3], with a lighter stripe on its lit side."""
        first, radii = self._append(np.stack([a, b], axis=1)), (radius_a, radius_b)
        dark = shade(colour, 0.84) if light else colour
        self._shapes.append(_Limb(first, radii, False, dark, body))
        if light:
            self._shapes.append(_Limb(first, radii, True, colour, body))

    def ball(
        self,
        centre: Array,
        radius_u: Array | float,
        radius_v: Array | float,
        colour: tuple[float, ...],
        body: bool = True,
        arc: tuple[float, float] = (0.0, 360.0),
        slant: float = 0.0,
    ) -> None:
        """An ellipse that faces the camera; arc in degrees from the viewer's right, clockwise."""
        radii = np.empty((len(self.feet), 2))
        radii[:, 0], radii[:, 1] = radius_u, radius_v
        first = self._append(centre[:, None])
        self._shapes.append(_Ball(first, radii, arc, slant, colour, body))

    def parts(self) -> list[Part]:
        """Parts of all shapes so far, in the order of painting."""
        points = np.concatenate(self._points, axis=1)
        floor = self.feet[:, None] + points[..., :1] * self._u[:, None]
        floor += points[..., 2:] * self._w[:, None]
        world = np.concatenate([floor, points[..., 1:2] + self.floor], axis=-1)
        pixels, scale = self.camera.project(world)
        limbs = [shape for shape in self._shapes if isinstance(shape, _Limb)]
        outlines = iter(np.moveaxis(_outlines(limbs, pixels, scale), 1, 0))
        parts = []
        for shape in self._shapes:
            if isinstance(shape, _Limb):
                corners = next(outlines)
            elif isinstance(shape, _Ball):
                corners = _ellipse(shape, pixels[:, shape.first], scale[:, shape.first])
            else:
                corners = pixels[:, shape.first : shape.first + shape.count]
            r, g, b = shape.colour
            convex = shape.convex if isinstance(shape, _Polygon) else True
            parts.append(Part(corners, (r, g, b), convex, shape.body))
        return parts


_HALF = np.linspace(-np.pi / 2, np.pi / 2, 6)
_RING = np.linspace(0, 2 * np.pi, 16, endpoint=False)


def _outlines(limbs: list[_Limb], pixels: Array, scale: Array) -> Array:
    """Outlines [F, K, 12, 2] of K limbs: two circles and the area between them."""
    first = np.array([limb.first for limb in limbs], int)
    ends = np.stack([pixels[:, first], pixels[:, first + 1]], axis=2)
    radii = np.stack([scale[:, first], scale[:, first + 1]], axis=2)
    radii = radii * np.array([limb.radii for limb in limbs]).reshape(-1, 2)
    lit = np.array([limb.lit for limb in limbs], bool)[:, None]
    ends = ends + np.where(lit, 1.0, 0.0)[..., None] * np.array([-0.22, -0.18]) * radii[..., None]
    radii = radii * np.where(lit, 0.68, 1.0)
    axis = ends[:, :, 1] - ends[:, :, 0]
    angle = np.arctan2(axis[..., 1], axis[..., 0])[..., None] + _HALF
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    near = ends[:, :, :1] - circle * radii[:, :, 0, None, None]
    far = ends[:, :, 1:] + circle * radii[:, :, 1, None, None]
    return np.concatenate([near, far], axis=2)


def _ellipse(shape: _Ball, pixel: Array, scale: Array) -> Array:
    """Outline [F, N, 2] of an ellipse or an arc of it."""
    if shape.arc == (0.0, 360.0):
        angles = _RING
    else:
        angles = np.deg2rad(np.linspace(*shape.arc, 10))
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    ring = ring * (shape.radii * scale[:, None])[:, None]
    if shape.slant:
        c, s = np.cos(np.deg2rad(shape.slant)), np.sin(np.deg2rad(shape.slant))
        ring = ring @ np.array([[c, s], [-s, c]])
    return pixel[:, None] + ring


def bounds(parts: list[Part], body_only: bool = False) -> Array:
    """Extent [F, 4] (x0, y0, x1, y1) in pixels of parts."""
    chosen = [p.corners for p in parts if p.body or not body_only]
    corners = np.ascontiguousarray(np.concatenate(chosen, axis=1).swapaxes(1, 2))
    return np.concatenate([corners.min(axis=2), corners.max(axis=2)], axis=1)


def paint(canvas: NDArray[np.uint8], corners: NDArray[np.int32], part: Part, smooth: bool) -> None:
    """Paint a polygon with corners [N, 2] in pixels times 2 ** SHIFT, on an RGB image."""
    line = cv2.LINE_AA if smooth else cv2.LINE_8
    if part.convex:
        cv2.fillConvexPoly(canvas, corners, part.colour, line, SHIFT)
    else:
        cv2.fillPoly(canvas, [corners], part.colour, line, SHIFT)


def reach(
    shoulder: Array, hand: Array, upper: float, lower: float, pole: Array
) -> tuple[Array, Array]:
    """Elbow (or knee) and hand for a limb of two bones [F, 3]; the joint bends towards `pole`.

    A hand out of reach is pulled in along the line to it.
    """
    line = hand - shoulder
    distance = np.linalg.norm(line, axis=-1, keepdims=True)
    direction = line / np.maximum(distance, 1e-6)
    distance = np.clip(distance, abs(upper - lower) + 1e-3, (upper + lower) * 0.999)
    along = (upper**2 - lower**2 + distance**2) / (2 * distance)
    out = np.sqrt(np.maximum(upper**2 - along**2, 0))
    side = pole - (pole * direction).sum(-1, keepdims=True) * direction
    side /= np.maximum(np.linalg.norm(side, axis=-1, keepdims=True), 1e-6)
    return shoulder + along * direction + out * side, shoulder + distance * direction
