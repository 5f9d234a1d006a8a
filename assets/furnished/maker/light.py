"""Soft light without direction, with the shadows that a body throws on itself."""

from __future__ import annotations

import numpy as np

from maker.gl import Renderer, orthographic

RAYS = 24


def sky() -> tuple[np.ndarray, np.ndarray]:
    """Directions [RAYS, 3] spread evenly over the ball, and how much light comes from each."""
    k = np.arange(RAYS) + 0.5
    up = 1 - 2 * k / RAYS
    around = np.pi * (1 + 5**0.5) * k
    side = np.sqrt(1 - up**2)
    directions = np.stack([side * np.cos(around), up, side * np.sin(around)], axis=1)
    return directions, np.where(up > 0, 0.72 + 0.5 * up, 0.62 + 0.25 * up)


def irradiance(renderer: Renderer, points, normals, faces) -> np.ndarray:
    """Light at each point [N], 1 for a free surface that faces the sky above.

    faces: of all that throws shadows, in `points`.
    """
    directions, strength = sky()
    centre = (points.min(0) + points.max(0)) / 2
    radius = float(np.linalg.norm(points - centre, axis=1).max()) + 0.02
    total = np.zeros(len(points))
    for direction, light in zip(directions, strength, strict=True):
        camera = orthographic(direction, centre, radius)
        depth = renderer.depth_map(points, faces, camera)
        size = depth.shape[0]
        seen = (points + 0.012 * normals + 0.004 * direction) @ camera[:3, :3].T + camera[:3, 3]
        column = np.clip(((seen[:, 0] + 1) / 2 * size).astype(int), 0, size - 1)
        row = np.clip(((seen[:, 1] + 1) / 2 * size).astype(int), 0, size - 1)
        lit = (seen[:, 2] + 1) / 2 <= depth[row, column] + 0.004
        facing = np.clip(normals @ direction, 0, None)
        total += light * facing * lit
    above = np.clip(directions[:, 1], 0, None)
    reference = float((strength * above).sum())
    return total / reference
