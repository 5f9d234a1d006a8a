"""Walls, floor, ceiling, windows with their light and curtains, and the door."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from room_making import catalogue, materials, pictures
from room_making.placing import WALLS, Site
from room_making.plans import Rectangle
from room_making.shapes import Wall, block, quad, rectangle

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


class Shell(Site):
    """What encloses a room."""

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
                self.built.zones.append(rectangle(near, far))
                switch = self._choose(catalogue.SWITCHES)
                self._put(switch, wall, u + width / 2 + 0.2, gap=0.002, z=1.05, takes_floor=False)
                return
