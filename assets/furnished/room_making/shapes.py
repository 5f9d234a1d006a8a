"""Rectangles, boxes and walls in Blender, in metres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
from mathutils import Vector

from room_making.plans import Rectangle


def quad(name: str, corners: list[Any], material: Any) -> Any:
    """A rectangle whose UV square begins at its first corner."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([tuple(c) for c in corners], [], [tuple(range(len(corners)))])
    layer = mesh.uv_layers.new()
    for item, uv in zip(layer.data, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=False):
        item.uv = uv
    mesh.materials.append(material)
    made = bpy.data.objects.new(name, mesh)
    bpy.context.collection.objects.link(made)
    return made


def block(name: str, low: Any, high: Any, material: Any) -> None:
    """An axis-aligned box."""
    (a, b, c), (d, e, f) = low, high
    corners = [(x, y, z) for x in (a, d) for y in (b, e) for z in (c, f)]
    for face in (
        (0, 1, 3, 2),
        (4, 6, 7, 5),
        (0, 4, 5, 1),
        (2, 3, 7, 6),
        (0, 2, 6, 4),
        (1, 5, 7, 3),
    ):
        quad(name, [corners[i] for i in face], material)


@dataclass(frozen=True)
class Wall:
    """A wall as seen from inside: its left end, direction to the right, inward normal, length."""

    start: Vector
    along: Vector
    inward: Vector
    length: float

    def at(self, u: float, z: float, out: float = 0.0) -> Vector:
        """The point `u` m from the left end, `z` m up and `out` m into the room."""
        point = self.start + self.along * u + self.inward * out
        return Vector((point.x, point.y, z))

    def panel(self, name: str, box: Rectangle, material: Any, out: float = 0.0) -> Any:
        """A rectangle (u0, z0, u1, z1) on the wall."""
        u0, z0, u1, z1 = box
        corners = [self.at(u, z, out) for u, z in ((u0, z0), (u1, z0), (u1, z1), (u0, z1))]
        return quad(name, corners, material)


def rectangle(a: Vector, b: Vector) -> Rectangle:
    return min(a.x, b.x), min(a.y, b.y), max(a.x, b.x), max(a.y, b.y)


def cross(a: Any, b: Any) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
