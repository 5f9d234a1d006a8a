"""Pictures, sockets and a screen on the walls, and lamps."""

from __future__ import annotations

import bpy
import numpy as np

from room_making import catalogue, materials, pictures
from room_making.placing import WALLS, Site
from room_making.shapes import cross, rectangle


class Decoration(Site):
    """What hangs in a room."""

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
            box = rectangle(a, b)
            low = [r for r in self.built.furniture if r[4] < 1.05 and cross(r[:4], box)]
            high = [r for r in self.built.furniture if r[4] >= 1.05 and cross(r[:4], box)]
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
