"""A room that is being built: what is taken, and how a piece of furniture is put somewhere."""

from __future__ import annotations

import math
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

from room_making import catalogue
from room_making.catalogue import Piece
from room_making.plans import Built, Plan, Rectangle
from room_making.shapes import Wall

WALLS = ("front", "left", "back", "right")
CLEAR = 1.1
"""Metres around the camera that stay free of furniture."""


class Site:
    """One room in the making; `libraries` holds the unpacked furniture."""

    def __init__(self, rng: np.random.Generator, plan: Plan, libraries: Path) -> None:
        self.rng, self.plan, self.libraries = rng, plan, libraries
        self.built = Built(plan)
        front, back, left, right, self.height, self.eye = plan.dims
        v = lambda x, y: Vector((x, y, 0.0))  # noqa: E731
        self.walls = {
            "front": Wall(v(front, left), v(0, -1), v(-1, 0), left + right),
            "right": Wall(v(front, -right), v(-1, 0), v(0, 1), front + back),
            "back": Wall(v(-back, -right), v(0, 1), v(1, 0), left + right),
            "left": Wall(v(-back, left), v(1, 0), v(0, -1), front + back),
        }
        self.taken: dict[str, list[tuple[float, float]]] = {name: [] for name in WALLS}

    def _choose(self, kinds: tuple[Piece, ...]) -> Piece:
        return kinds[int(self.rng.integers(len(kinds)))]

    def _free(self, wall: str, span: tuple[float, float]) -> bool:
        return all(span[1] < a or span[0] > b for a, b in self.taken[wall])

    def _vacant(self, box: Rectangle, margin: float = 0.04) -> bool:
        x0, y0, x1, y1 = box
        nearest = math.hypot(max(x0, -x1, 0.0), max(y0, -y1, 0.0))
        others = [r[:4] for r in self.built.furniture] + self.built.zones
        apart = all(
            x1 + margin < a or x0 - margin > c or y1 + margin < b or y0 - margin > d
            for a, b, c, d in others
        )
        return apart and nearest > CLEAR

    def _put(
        self, piece: Piece, wall: Wall, u: float, gap: float = 0.04, z: float = 0.0,
        takes_floor: bool = True,
    ) -> None:  # fmt: skip
        """A piece with its back to a wall, `gap` m from it."""
        depth = catalogue.model_of(self.libraries, piece).size[1]
        place = wall.at(u, z, depth / 2 + gap)
        turn = math.atan2(wall.inward.x, -wall.inward.y)
        self._stand(piece, tuple(place), turn, takes_floor)

    def _stand(
        self, piece: Piece, place: tuple[float, float, float], turn: float,
        takes_floor: bool = True, scale_z: float = 1.0,
    ) -> None:  # fmt: skip
        """A piece at a place, its front turned from −y by `turn` radians."""
        model = catalogue.model_of(self.libraries, piece)
        before = set(bpy.data.objects)
        bpy.ops.wm.obj_import(filepath=str(model.path), forward_axis="NEGATIVE_Z", up_axis="Y")
        parts = [o for o in bpy.data.objects if o not in before and o.type == "MESH"]
        points = np.array([tuple(o.matrix_world @ v.co) for o in parts for v in o.data.vertices])
        upright = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
        rotation = upright @ model.rotation @ upright.T
        turned = points @ rotation.T
        low, high = turned.min(0), turned.max(0)
        scale = np.array(model.size) * (1, 1, scale_z) / np.maximum(high - low, 1e-6)
        middle = (low + high) / 2
        middle[2] = low[2]
        matrix = (
            Matrix.Translation(Vector(place))
            @ Matrix.Rotation(turn, 4, "Z")
            @ Matrix.Diagonal((*scale, 1))
            @ Matrix.Translation(Vector(-middle))
            @ Matrix(rotation.tolist()).to_4x4()
        )
        for part in parts:
            part.matrix_world = matrix @ part.matrix_world
        if takes_floor:
            w, d, h = model.size
            if abs(math.sin(turn)) > 0.5:
                w, d = d, w
            x, y, _ = place
            box = (x - w / 2, y - d / 2, x + w / 2, y + d / 2, h)
            self.built.furniture.append(tuple(round(float(v), 2) for v in box))  # type: ignore[arg-type]
