"""A furnished room built at random in Blender: walls, windows, lights and furniture.

World coordinates in metres as in `savg.data.scenes.scene`, but the floor is at height 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from room_making import catalogue, materials, pictures
from room_making.catalogue import Piece

WALLS = ("front", "left", "back", "right")
CLEAR = 1.1
"""Metres around the camera that stay free of furniture."""

Rectangle = tuple[float, float, float, float]
"""x0, y0, x1, y1 in metres."""


@dataclass(frozen=True)
class Plan:
    """What is drawn of a room before it is built. dims: front, back, left, right, height, eye (m)."""

    theme: str
    dims: tuple[float, float, float, float, float, float]
    night: bool
    wall_style: str
    floor_style: str


@dataclass
class Built:
    """A built room: its plan and the footprints of its furniture with their heights (m)."""

    plan: Plan
    furniture: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    zones: list[Rectangle] = field(default_factory=list)


THEMES: dict[str, tuple[tuple[tuple[Piece, ...], ...], tuple[tuple[Piece, ...], ...]]] = {
    "living": (
        (catalogue.SOFAS, catalogue.SHELVES, catalogue.LOW, catalogue.CHAIRS, catalogue.PLANTS,
         catalogue.FLOOR_LAMPS, catalogue.CLUTTER, catalogue.SOFAS),
        (catalogue.MIDDLE, catalogue.CHAIRS),
    ),
    "study": (
        (catalogue.DESKS, catalogue.SHELVES, catalogue.SHELVES, catalogue.CHAIRS, catalogue.PLANTS,
         catalogue.CLUTTER, catalogue.LOW, catalogue.CLUTTER),
        (catalogue.CHAIRS, catalogue.MIDDLE),
    ),
    "music": (
        (catalogue.MUSIC, catalogue.SHELVES, catalogue.SOFAS, catalogue.CHAIRS, catalogue.PLANTS,
         catalogue.LOW, catalogue.CLUTTER),
        (catalogue.MIDDLE, catalogue.DINING),
    ),
    "kitchen": (
        (catalogue.FRIDGES, catalogue.KITCHEN, catalogue.KITCHEN, catalogue.SHELVES,
         catalogue.KITCHEN, catalogue.PLANTS, catalogue.LOW),
        (catalogue.TABLES, catalogue.DINING, catalogue.DINING),
    ),
    "bedroom": (
        (catalogue.BEDS, catalogue.LOW, catalogue.SHELVES, catalogue.CHAIRS, catalogue.PLANTS,
         catalogue.CLUTTER, catalogue.DESKS),
        (catalogue.CHAIRS,),
    ),
    "meeting": (
        (catalogue.BOARDS, catalogue.SHELVES, catalogue.DESKS, catalogue.PLANTS, catalogue.LOW,
         catalogue.CLUTTER, catalogue.CHAIRS),
        (catalogue.TABLES, catalogue.DINING, catalogue.DINING),
    ),
}  # fmt: skip
PAINTS = (
    (0.72, 0.68, 0.60), (0.55, 0.48, 0.36), (0.40, 0.50, 0.56), (0.60, 0.46, 0.38),
    (0.34, 0.42, 0.34), (0.75, 0.74, 0.72), (0.62, 0.53, 0.30), (0.30, 0.34, 0.44),
    (0.56, 0.36, 0.32), (0.66, 0.62, 0.66), (0.45, 0.55, 0.42), (0.78, 0.70, 0.52),
)  # fmt: skip
BRICKS = ((0.42, 0.17, 0.10), (0.50, 0.25, 0.16)), ((0.62, 0.60, 0.56), (0.70, 0.68, 0.63))
WOODS = (
    ((0.30, 0.16, 0.075), (0.40, 0.23, 0.11)), ((0.13, 0.065, 0.03), (0.18, 0.09, 0.045)),
    ((0.50, 0.38, 0.24), (0.58, 0.45, 0.30)), ((0.36, 0.22, 0.13), (0.30, 0.18, 0.10)),
)  # fmt: skip
TILES = ((0.48, 0.44, 0.39), (0.55, 0.51, 0.46)), ((0.22, 0.23, 0.24), (0.27, 0.28, 0.29))
CARPETS = (
    ((0.18, 0.19, 0.22), (0.26, 0.27, 0.31)), ((0.28, 0.16, 0.13), (0.36, 0.22, 0.18)),
    ((0.36, 0.33, 0.27), (0.46, 0.42, 0.35)), ((0.12, 0.18, 0.17), (0.18, 0.26, 0.24)),
)  # fmt: skip


MORE = (
    catalogue.SHELVES, catalogue.PLANTS, catalogue.CHAIRS, catalogue.LOW, catalogue.CLUTTER,
    catalogue.PLANTS,
)  # fmt: skip
"""Kinds that stand in every room, where a place is left."""
FLAT = (catalogue.LOW, catalogue.DESKS, catalogue.KITCHEN, catalogue.MIDDLE, catalogue.TABLES)
"""Kinds on which ornaments stand."""


def draw_plan(rng: np.random.Generator, index: int) -> Plan:
    """The plan of room `index`: themes and styles in turn, sizes at random."""
    front, back = rng.uniform(3.3, 4.5), rng.uniform(2.5, 3.4)
    left, right = rng.uniform(2.5, 3.4), rng.uniform(2.5, 3.4)
    height, eye = rng.uniform(2.45, 2.9), rng.uniform(1.12, 1.45)
    dims = tuple(round(float(v), 2) for v in (front, back, left, right, height, eye))
    theme = tuple(THEMES)[index % len(THEMES)]
    wall_style = ("paint", "two-tone", "paint", "stripes", "brick", "pattern", "paint")[index % 7]
    floor_style = ("planks", "carpet", "planks", "tiles", "planks", "carpet", "tiles")[index % 7]
    return Plan(theme, dims, index % 4 == 3, wall_style, floor_style)  # type: ignore[arg-type]


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


class Builder:
    """Builds one room; `libraries` holds the unpacked furniture."""

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

    def build(self) -> Built:
        """The whole room."""
        self._shell()
        self._door()
        around, middle = THEMES[self.plan.theme]
        for kinds in (*around, *MORE):
            self._against_a_wall(self._choose(kinds), flat=kinds in FLAT)
        for number, kinds in enumerate(middle):
            self._in_the_middle(self._choose(kinds), rug=number == 0, flat=kinds in FLAT)
        self._pictures()
        self._small_things()
        self._lamps()
        _plain_where_missing()
        return self.built

    def _choose(self, kinds: tuple[Piece, ...]) -> Piece:
        return kinds[int(self.rng.integers(len(kinds)))]

    def _shell(self) -> None:
        rng, plan = self.rng, self.plan
        first, second = (PAINTS[i] for i in rng.choice(len(PAINTS), 2, replace=False))
        if plan.wall_style in ("stripes", "pattern"):
            second = tuple(float(np.clip(c * rng.choice((0.8, 1.15)), 0, 0.85)) for c in first)
        paint = materials.wall(
            "paint" if plan.wall_style == "brick" else plan.wall_style, first, second
        )
        brick = materials.wall("brick", *BRICKS[int(rng.integers(2))])
        accent = str(rng.choice(WALLS))
        accents = rng.random() < 0.5
        other = materials.wall("paint", second, second)
        styles = {"planks": WOODS, "tiles": TILES, "carpet": CARPETS}[plan.floor_style]
        ground = materials.floor(plan.floor_style, *styles[int(rng.integers(len(styles)))])
        ceiling = materials.plain("ceiling", (0.80, 0.79, 0.77), 0.95)
        front, back, left, right, height, _ = plan.dims
        base = [(-back, -right), (front, -right), (front, left), (-back, left)]
        quad("floor", [(*p, 0.0) for p in base], ground)
        quad("ceiling", [(*p, height) for p in base[::-1]], ceiling)
        skirting = materials.plain("skirting", tuple(rng.uniform(0.3, 0.75) * np.ones(3)), 0.5)
        windows = set(rng.permutation(WALLS)[: int(rng.choice((1, 2), p=(0.55, 0.45)))].tolist())
        for name in WALLS:
            wall = self.walls[name]
            material = paint
            if name == accent and plan.wall_style == "brick":
                material = brick
            elif name == accent and accents:
                material = other
            if name in windows:
                self._window(name, material)
            else:
                wall.panel(name, (0, 0, wall.length, height), material)
            wall.panel("skirting", (0, 0, wall.length, 0.09), skirting, 0.015)
            wall.panel("cornice", (0, height - 0.05, wall.length, height), ceiling, 0.02)
        if rng.random() < 0.3:
            wood = materials.floor("planks", *WOODS[int(rng.integers(len(WOODS)))])
            for y in np.arange(-right + 0.5, left, 1.1):
                block("beam", (-back, y, height - 0.18), (front, y + 0.14, height), wood)

    def _window(self, name: str, material: Any) -> None:
        rng, wall, height = self.rng, self.walls[name], self.height
        width = float(rng.uniform(1.3, 2.4))
        low, high = (
            float(rng.choice((0.85, 0.85, 0.35))),
            float(min(height - 0.2, rng.uniform(2.1, 2.3))),
        )
        u0 = float(rng.uniform(0.7, wall.length - width - 0.7))
        u1 = u0 + width
        self.taken[name].append((u0 - 0.3, u1 + 0.3))
        for box in (
            (0, 0, u0, height), (u1, 0, wall.length, height), (u0, 0, u1, low), (u0, high, u1, height)
        ):  # fmt: skip
            wall.panel(name, box, material)
        frame = materials.plain(
            "frame", tuple(rng.choice((0.75, 0.12, 0.35)) * np.array([1, 0.9, 0.78])), 0.4
        )
        sill = materials.plain("sill", (0.7, 0.7, 0.68), 0.3)
        reveal = 0.16
        rim = (u0, low), (u0, high), (u1, high), (u1, low), (u0, low)
        for a, b in pairwise(rim):
            quad(
                "reveal",
                [wall.at(*a, 0), wall.at(*b, 0), wall.at(*b, -reveal), wall.at(*a, -reveal)],
                sill,
            )
        count = int(rng.choice((2, 2, 3)))
        for k in range(count + 1):
            u = u0 + (u1 - u0 - 0.06) * k / count
            wall.panel("frame", (u, low, u + 0.06, high), frame, -reveal + 0.03)
        bars = [low, high - 0.06] + ([low + 0.68 * (high - low)] if rng.random() < 0.5 else [])
        for z in bars:
            wall.panel("frame", (u0, z, u1, z + 0.06), frame, -reveal + 0.03)
        view = pictures.outdoors(rng, self.plan.night)
        scenery = materials.image(
            "outdoors", view, 0.6 if self.plan.night else float(rng.uniform(2.2, 3.5))
        )
        far = 5.0
        plane = wall.panel("outdoors", (u0 - 9, -3.5, u1 + 9, 7.0), scenery, -far)
        plane.visible_shadow = plane.visible_diffuse = False
        if not self.plan.night:
            self._daylight(wall, (u0, low, u1, high))
        self._curtains(wall, u0, u1, float(min(high + 0.12, height - 0.05)))
        if rng.random() < 0.6 and low > 0.8:
            self._put(self._choose(catalogue.RADIATORS), wall, (u0 + u1) / 2, gap=0.02)

    def _daylight(self, wall: Wall, box: Rectangle) -> None:
        rng = self.rng
        u0, low, u1, high = box
        light = bpy.data.lights.new("sky", "AREA")
        light.energy, light.color = float(rng.uniform(110, 260)), (0.84, 0.91, 1.0)
        light.shape, light.size, light.size_y = "RECTANGLE", u1 - u0, high - low
        made = bpy.data.objects.new("sky", light)
        made.location = wall.at((u0 + u1) / 2, (low + high) / 2, -0.3)
        made.rotation_euler = wall.inward.to_track_quat("-Z", "Y").to_euler()
        made.visible_camera = False
        bpy.context.collection.objects.link(made)
        if rng.random() < 0.5:
            sun = bpy.data.lights.new("sun", "SUN")
            sun.energy, sun.color, sun.angle = float(rng.uniform(3, 7)), (1.0, 0.92, 0.8), 0.02
            made = bpy.data.objects.new("sun", sun)
            aim = (
                wall.inward
                + wall.along * float(rng.uniform(-0.7, 0.7))
                - Vector((0, 0, rng.uniform(0.5, 1.0)))
            )
            made.rotation_euler = aim.to_track_quat("-Z", "Y").to_euler()
            bpy.context.collection.objects.link(made)

    def _curtains(self, wall: Wall, u0: float, u1: float, top: float) -> None:
        rng = self.rng
        if rng.random() < 0.2:
            return
        colour = rng.uniform(0.1, 0.7, 3)
        second = np.clip(colour * rng.uniform(0.6, 1.3), 0, 0.8)
        fabric = materials.cloth(tuple(colour), tuple(second), float(rng.uniform(4, 60)))
        rod = materials.plain("rod", (0.12, 0.1, 0.08), 0.4)
        wall.panel("rod", (u0 - 0.35, top - 0.02, u1 + 0.35, top + 0.02), rod, 0.09)
        for begin in (u0 - 0.3, u1 - 0.1):
            points = []
            for step in range(49):
                out = 0.07 + 0.03 * math.sin(step * 0.95)
                u = begin + 0.4 * step / 48
                points += [wall.at(u, 0.06, out), wall.at(u, top, out)]
            mesh = bpy.data.meshes.new("curtain")
            faces = [(2 * k, 2 * k + 2, 2 * k + 3, 2 * k + 1) for k in range(48)]
            mesh.from_pydata([tuple(p) for p in points], [], faces)
            mesh.materials.append(fabric)
            for polygon in mesh.polygons:
                polygon.use_smooth = True
            bpy.context.collection.objects.link(bpy.data.objects.new("curtain", mesh))

    def _door(self) -> None:
        rng = self.rng
        piece = self._choose(catalogue.DOORS)
        width = catalogue.model_of(self.libraries, piece).size[0]
        for _ in range(60):
            name = str(rng.choice(WALLS))
            wall = self.walls[name]
            u = float(rng.uniform(0.3 + width / 2, wall.length - 0.3 - width / 2))
            span = (u - width / 2 - 0.1, u + width / 2 + 0.1)
            if self._free(name, span):
                self._put(piece, wall, u, gap=-0.09, takes_floor=False)
                self.taken[name].append(span)
                near, far = wall.at(span[0], 0), wall.at(span[1], 0, 0.8)
                self.built.zones.append(_rectangle(near, far))
                switch = self._choose(catalogue.SWITCHES)
                self._put(switch, wall, u + width / 2 + 0.2, gap=0.002, z=1.05, takes_floor=False)
                return

    def _free(self, wall: str, span: tuple[float, float]) -> bool:
        return all(span[1] < a or span[0] > b for a, b in self.taken[wall])

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
                _rectangle(*corners)
            ):
                continue
            self._put(piece, wall, u, gap=0.04)
            self.taken[name].append(span)
            if flat:
                self._upon(_rectangle(*corners), int(rng.integers(1, 5)))
            return

    def _vacant(self, box: Rectangle, margin: float = 0.04) -> bool:
        x0, y0, x1, y1 = box
        nearest = math.hypot(max(x0, -x1, 0.0), max(y0, -y1, 0.0))
        others = [r[:4] for r in self.built.furniture] + self.built.zones
        apart = all(
            x1 + margin < a or x0 - margin > c or y1 + margin < b or y0 - margin > d
            for a, b, c, d in others
        )
        return apart and nearest > CLEAR

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

    def _pictures(self) -> None:
        rng = self.rng
        for name in WALLS:
            wall = self.walls[name]
            hung: list[tuple[float, float]] = []
            wanted = int(rng.integers(1, 4))
            for _ in range(12):
                w = float(rng.uniform(0.3, 1.1))
                h = w * float(rng.uniform(0.6, 1.3))
                u = float(rng.uniform(0.2 + w / 2, wall.length - w / 2 - 0.2))
                z = 1.55 + float(rng.uniform(-0.05, 0.2))
                span = (u - w / 2 - 0.05, u + w / 2 + 0.05)
                apart = all(span[1] < a or span[0] > b for a, b in hung)
                if len(hung) == wanted or h > 1.0 or not apart:
                    continue
                if not self._above_is_free(name, span):
                    continue
                hung.append(span)
                frame = materials.plain(
                    "frame", tuple(rng.choice((0.04, 0.2, 0.6)) * np.array([1, 0.8, 0.6])), 0.3
                )
                edge = 0.03
                wall.panel(
                    "frame",
                    (u - w / 2 - edge, z - h / 2 - edge, u + w / 2 + edge, z + h / 2 + edge),
                    frame,
                    0.02,
                )
                canvas = materials.image("painting", pictures.painting(rng))
                wall.panel("painting", (u - w / 2, z - h / 2, u + w / 2, z + h / 2), canvas, 0.026)
                self.taken[name].append(span)

    def _above_is_free(self, name: str, span: tuple[float, float]) -> bool:
        """Whether neither a window, a door nor anything as high as a picture is there."""
        if not self._free(name, span):
            wall = self.walls[name]
            a, b = wall.at(span[0], 0), wall.at(span[1], 0, 0.4)
            box = _rectangle(a, b)
            low = [r for r in self.built.furniture if r[4] < 1.05 and _cross(r[:4], box)]
            high = [r for r in self.built.furniture if r[4] >= 1.05 and _cross(r[:4], box)]
            return (
                bool(low) and not high and self.rng.random() < 0.6 and self._no_opening(name, span)
            )
        return True

    def _no_opening(self, name: str, span: tuple[float, float]) -> bool:
        first = self.taken[name][:2] if self.taken[name] else []
        return all(span[1] < a or span[0] > b for a, b in first)

    def _small_things(self) -> None:
        rng = self.rng
        for name in WALLS:
            wall = self.walls[name]
            for _ in range(2):
                u = float(rng.uniform(0.3, wall.length - 0.3))
                if self._free(name, (u - 0.1, u + 0.1)):
                    socket = self._choose(catalogue.SOCKETS)
                    self._put(socket, wall, u, gap=0.002, z=0.28, takes_floor=False)
        if rng.random() < 0.5:
            for name in rng.permutation(WALLS).tolist():
                wall = self.walls[name]
                u = float(rng.uniform(0.8, wall.length - 0.8))
                if self._free(name, (u - 0.6, u + 0.6)):
                    self._put(catalogue.SCREENS[0], wall, u, gap=0.01, z=1.1, takes_floor=False)
                    self.taken[name].append((u - 0.6, u + 0.6))
                    break

    def _lamps(self) -> None:
        rng, height = self.rng, self.height
        night = self.plan.night
        lit = night or rng.random() < 0.7
        for x in (float(rng.uniform(0.9, 1.6)), float(rng.uniform(-1.4, -0.7))):
            y = float(rng.uniform(-0.8, 0.8))
            piece = self._choose(catalogue.PENDANTS)
            size = catalogue.model_of(self.libraries, piece).size
            self._stand(
                piece,
                (x, y, height - min(size[2], 0.75)),
                0.0,
                False,
                scale_z=min(1.0, 0.75 / size[2]),
            )
            if not lit:
                continue
            light = bpy.data.lights.new("lamp", "AREA")
            light.shape, light.size = "DISK", float(rng.uniform(0.3, 0.9))
            light.energy = float(rng.uniform(45, 90) if night else rng.uniform(20, 55))
            light.color = (1.0, float(rng.uniform(0.78, 0.95)), float(rng.uniform(0.55, 0.88)))
            made = bpy.data.objects.new("lamp", light)
            made.location = (x, y, height - 0.06)
            made.visible_camera = False
            bpy.context.collection.objects.link(made)
        glow = bpy.data.lights.new("glow", "POINT")
        glow.energy, glow.color, glow.shadow_soft_size = (
            float(rng.uniform(15, 40) if night else 8),
            (1.0, 0.82, 0.6),
            0.15,
        )
        made = bpy.data.objects.new("glow", glow)
        corner = self.walls[str(rng.choice(WALLS))]
        made.location = corner.at(0.5, 1.6, 0.5)
        made.visible_camera = False
        bpy.context.collection.objects.link(made)

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


def _rectangle(a: Vector, b: Vector) -> Rectangle:
    return min(a.x, b.x), min(a.y, b.y), max(a.x, b.x), max(a.y, b.y)


def _cross(a: Any, b: Any) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _plain_where_missing() -> None:
    """Materials whose image file is missing become plain."""
    for material in bpy.data.materials:
        if not material.node_tree:
            continue
        for node in list(material.node_tree.nodes):
            if node.type == "TEX_IMAGE":
                data = node.image
                path = Path(bpy.path.abspath(data.filepath)) if data and data.filepath else None
                if data is None or (
                    path is not None and not data.packed_file and not path.exists()
                ):
                    material.node_tree.nodes.remove(node)
