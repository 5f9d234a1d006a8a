"""Shapes that figures and props are made of: polygons in the picture, one for each frame.

A figure is built from capsules, balls and flat polygons placed in the world; each becomes a `Part`,
whose corners are pixels [frames, corners, 2]. Parts are painted in order, the nearest last.
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
    """One painted polygon. body: whether it counts for the person's box."""

    corners: Array
    colour: tuple[float, float, float]
    convex: bool = True
    body: bool = True


def shade(colour: Colour | tuple[float, ...], factor: float) -> tuple[float, float, float]:
    """A colour made darker (below 1) or lighter (above 1)."""
    r, g, b = (min(255.0, max(0.0, c * factor)) for c in colour)
    return r, g, b


class Stage:
    """Places shapes given in a person's own coordinates and collects them as parts.

    Own coordinates in metres: u to the viewer's right, v up from the floor, w towards the camera,
    for a person who faces the camera; `turn` [F] degrees turns u, v, w towards the viewer's right.
    feet: floor positions [F, 2]; floor: height of the floor below the camera (negative).
    """

    def __init__(self, camera: Camera, feet: Array, floor: float, turn: Array) -> None:
        self.camera, self.floor, self.parts = camera, floor, list[Part]()
        self.feet = feet
        away = feet / np.linalg.norm(feet, axis=1, keepdims=True)
        right = np.stack([away[:, 1], -away[:, 0]], axis=1)
        c, s = np.cos(np.deg2rad(turn))[:, None], np.sin(np.deg2rad(turn))[:, None]
        self._u = c * right + s * away
        self._w = s * right - c * away

    def place(self, points: Array) -> Array:
        """Own coordinates [F, ..., 3] → world points [F, ..., 3]."""
        extra = (1,) * (points.ndim - 2)
        frames = len(self.feet)
        u, w, feet = (a.reshape(frames, *extra, 2) for a in (self._u, self._w, self.feet))
        floor = feet + points[..., :1] * u + points[..., 2:] * w
        return np.concatenate([floor, points[..., 1:2] + self.floor], axis=-1)

    def add(self, corners: Array, colour: tuple[float, ...], convex: bool, body: bool) -> None:
        """Paint pixels [F, N, 2] next."""
        r, g, b = colour
        self.parts.append(Part(corners, (r, g, b), convex, body))

    def polygon(
        self, points: Array, colour: tuple[float, ...], convex: bool = True, body: bool = True
    ) -> None:
        """A flat polygon with corners [F, N, 3]."""
        self.add(self.camera.project(self.place(points))[0], colour, convex, body)

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
        ends, scale = self.camera.project(self.place(np.stack([a, b], axis=1)))
        radii = scale * np.array([radius_a, radius_b])
        if light:
            self.add(_capsule(ends, radii), shade(colour, 0.84), True, body)
            lit = ends + np.array([-0.22, -0.18]) * radii[..., None]
            self.add(_capsule(lit, radii * 0.68), colour, True, body)
        else:
            self.add(_capsule(ends, radii), colour, True, body)

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
        pixel, scale = self.camera.project(self.place(centre))
        count = 16 if arc[1] - arc[0] > 200 else 10
        angles = np.deg2rad(np.linspace(*arc, count, endpoint=arc != (0.0, 360.0)))
        du = np.broadcast_to(radius_u, scale.shape) * scale
        dv = np.broadcast_to(radius_v, scale.shape) * scale
        ring = np.stack([np.cos(angles) * du[:, None], np.sin(angles) * dv[:, None]], axis=-1)
        if slant:
            c, s = np.cos(np.deg2rad(slant)), np.sin(np.deg2rad(slant))
            ring = ring @ np.array([[c, s], [-s, c]])
        self.add(pixel[:, None] + ring, colour, True, body)


def _capsule(ends: Array, radii: Array) -> Array:
    """Outline [F, 12, 2] of two circles [F, 2, 2] with radii [F, 2] and what lies between them."""
    axis = ends[:, 1] - ends[:, 0]
    angle = np.arctan2(axis[:, 1], axis[:, 0])[:, None]
    half = np.linspace(-np.pi / 2, np.pi / 2, 6)
    outline = []
    for end, turned in ((0, np.pi), (1, 0.0)):
        a = angle + turned + half
        circle = np.stack([np.cos(a), np.sin(a)], axis=-1) * radii[:, end, None, None]
        outline.append(ends[:, end, None] + circle)
    return np.concatenate(outline, axis=1)


def bounds(parts: list[Part], body_only: bool = False) -> Array:
    """Extent [F, 4] (x0, y0, x1, y1) in pixels of parts."""
    chosen = [p.corners for p in parts if p.body or not body_only]
    corners = np.concatenate(chosen, axis=1)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def paint(canvas: NDArray[np.uint8], corners: NDArray[np.int32], part: Part, smooth: bool) -> None:
    """Paint one polygon, corners in pixels times 2 ** SHIFT, on an RGB picture."""
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
