"""Meshes made by hand: tubes, boxes, extruded outlines; each is (points [N, 3], faces [M, 3])."""

from __future__ import annotations

import numpy as np

Mesh = tuple[np.ndarray, np.ndarray]


def tube(start, end, radius: float, radius_end: float | None = None, sides: int = 12) -> Mesh:
    """A closed cylinder or cone."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    axis = (end - start) / np.linalg.norm(end - start)
    aside = np.cross(axis, [0, 0, 1.0] if abs(axis[2]) < 0.9 else [1.0, 0, 0])
    aside /= np.linalg.norm(aside)
    angles = 2 * np.pi * np.arange(sides) / sides
    ring = np.cos(angles)[:, None] * aside + np.sin(angles)[:, None] * np.cross(axis, aside)
    last = radius if radius_end is None else radius_end
    wall = np.concatenate([start + radius * ring, end + last * ring])
    points = np.concatenate([wall, wall, [start, end]])
    faces = []
    for k in range(sides):
        n = (k + 1) % sides
        faces += [(k, n, sides + n), (k, sides + n, sides + k)]
        faces += [(4 * sides, 2 * sides + n, 2 * sides + k)]
        faces += [(4 * sides + 1, 3 * sides + k, 3 * sides + n)]
    return points, np.array(faces)


def box(low, high) -> Mesh:
    """A box between two corners, each side with points of its own."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    points, faces = [], []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for end in (0, 1):
            first = len(points)
            for a, b in ((0, 0), (1, 0), (1, 1), (0, 1)):
                point = np.empty(3)
                point[axis] = (low, high)[end][axis]
                point[u], point[v] = (low, high)[a][u], (low, high)[b][v]
                points.append(point)
            quad = [(0, 1, 2), (0, 2, 3)] if end else [(0, 2, 1), (0, 3, 2)]
            faces += [tuple(first + k for k in triangle) for triangle in quad]
    return np.array(points), np.array(faces)


def slab(outline: np.ndarray, low: float, high: float) -> Mesh:
    """An outline [N, 2] that is a star around its mean, extruded from z = low to high."""
    n = len(outline)
    middle = outline.mean(0)
    flat = np.concatenate([outline, [middle]])
    levels = [np.c_[flat, np.full(n + 1, z)] for z in (low, high)]
    ribs = [np.c_[outline, np.full(n, z)] for z in (low, high)]
    points = np.concatenate([*levels, *ribs])
    faces = []
    for k in range(n):
        m = (k + 1) % n
        a, b = 2 * (n + 1) + k, 2 * (n + 1) + m
        faces += [(n, m, k), (n + 1 + n, n + 1 + k, n + 1 + m), (a, b, b + n), (a, b + n, a + n)]
    return points, np.array(faces)


def placed(mesh: Mesh, matrix: np.ndarray, origin) -> Mesh:
    """The mesh turned by a matrix [3, 3] (columns are its new axes) and moved."""
    return mesh[0] @ np.asarray(matrix).T + np.asarray(origin), mesh[1]


def joined(meshes: list[Mesh]) -> Mesh:
    """One mesh of several."""
    starts = np.cumsum([0] + [len(points) for points, _ in meshes])
    points = np.concatenate([points for points, _ in meshes])
    faces = np.concatenate([f + s for (_, f), s in zip(meshes, starts, strict=False)])
    return points, faces
