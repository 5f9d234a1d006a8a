"""Furniture against the walls and in the middle, and ornaments upon it."""

from __future__ import annotations

import math

import bpy
import numpy as np
from mathutils import Vector

from room_making import catalogue, materials, pictures
from room_making.catalogue import Piece
from room_making.placing import WALLS, Site
from room_making.plans import Rectangle
from room_making.shapes import quad, rectangle


class Furnishing(Site):
    """What stands in a room."""

    def _against_a_wall(self, piece: Piece, flat: bool) -> None:
        rng = self.rng
        width, depth, height = catalogue.model_of(self.libraries, piece).size
        for attempt in range(40):
            name = str(rng.choice(WALLS))
            wall = self.walls[name]
            if width + 0.2 > wall.length:
                continue
            u = float(rng.uniform(width / 2 + 0.08, wall.length - width / 2 - 0.08))
            span = (u - width / 2, u + width / 2)
            corners = wall.at(span[0], 0, 0.02), wall.at(span[1], 0, depth + 0.05)
            blocks_view = height > 0.8 or attempt < 10
            if (blocks_view and not self._free(name, span)) or not self._vacant(
                rectangle(*corners)
            ):
                continue
            self._put(piece, wall, u, gap=0.04)
            self.taken[name].append(span)
            if flat:
                self._upon(rectangle(*corners), int(rng.integers(1, 5)))
            return

    def _in_the_middle(self, piece: Piece, rug: bool, flat: bool) -> None:
        rng = self.rng
        width, depth, _ = catalogue.model_of(self.libraries, piece).size
        front, back, left, right, *_ = self.plan.dims
        for _ in range(80):
            turn = int(rng.integers(4))
            w, d = (width, depth) if turn % 2 == 0 else (depth, width)
            reach = float(rng.uniform(1.2, 2.6))
            azimuth = float(rng.uniform(-np.pi, np.pi))
            x, y = reach * math.cos(azimuth), reach * math.sin(azimuth)
            box = (x - w / 2, y - d / 2, x + w / 2, y + d / 2)
            inside = box[0] > 0.7 - back and box[2] < front - 0.7
            inside &= box[1] > 0.7 - right and box[3] < left - 0.7
            if inside and self._vacant(box, 0.25):
                # A person passes between it and the wall.
                self._stand(piece, (x, y, 0.0), turn * math.pi / 2)
                if flat:
                    self._upon(box, int(rng.integers(1, 4)))
                if rug and rng.random() < 0.75:
                    self._rug(x, y)
                return

    def _rug(self, x: float, y: float) -> None:
        rng = self.rng
        w, d = rng.uniform(0.8, 1.4, 2)
        fabric = materials.image("rug", pictures.rug(rng))
        front, back, left, right, *_ = self.plan.dims
        x0, x1 = max(x - w, 0.2 - back), min(x + w, front - 0.2)
        y0, y1 = max(y - d, 0.2 - right), min(y + d, left - 0.2)
        quad("rug", [(x0, y0, 0.008), (x1, y0, 0.008), (x1, y1, 0.008), (x0, y1, 0.008)], fabric)

    def _upon(self, box: Rectangle, count: int) -> None:
        """Ornaments on whatever has a flat top in `box`."""
        rng = self.rng
        x0, y0, x1, y1 = box
        placed: list[tuple[float, float]] = []
        bpy.context.view_layer.update()
        for _ in range(count * 4):
            x = float(rng.uniform(x0 + 0.12, x1 - 0.12)) if x1 - x0 > 0.3 else (x0 + x1) / 2
            y = float(rng.uniform(y0 + 0.12, y1 - 0.12)) if y1 - y0 > 0.3 else (y0 + y1) / 2
            hit, point, normal, *_ = bpy.context.scene.ray_cast(
                bpy.context.evaluated_depsgraph_get(), Vector((x, y, 2.0)), Vector((0, 0, -1))
            )
            apart = all(math.hypot(x - a, y - b) > 0.3 for a, b in placed)
            if hit and 0.35 < point.z < 1.3 and normal.z > 0.95 and apart and len(placed) < count:
                piece = self._choose(catalogue.ORNAMENTS + catalogue.TABLE_LAMPS)
                self._stand(piece, (x, y, point.z), float(rng.uniform(0, 2 * math.pi)), False)
                placed.append((x, y))
