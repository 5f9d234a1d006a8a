"""Wavefront models of Sweet Home 3D's furniture libraries as arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class Part:
    """Triangles of one material.

    vertices [N, 3], faces [M, 3], uv [N, 2] (zeros without a texture), colour: red, green, blue in
    0..1; texture: its file or None; ids [N]: number of each vertex in the file; opacity 0..1.
    """

    name: str
    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    colour: tuple[float, float, float]
    texture: Path | None
    ids: np.ndarray
    opacity: float = 1.0

    def moved(self, vertices: np.ndarray) -> Part:
        """The same part with other positions."""
        return replace(self, vertices=vertices)


def catalogue(library: Path) -> dict[int, dict[str, str]]:
    """Entries of a library's catalogue by number."""
    text = (library / "PluginFurnitureCatalog.properties").read_text("latin-1")
    entries: dict[int, dict[str, str]] = {}
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*)$", text, re.MULTILINE):
        entries.setdefault(int(number), {})[key] = value.strip()
    return entries


def load(path: Path) -> list[Part]:
    """The parts of an OBJ file, as they stand in it; parts whose texture is missing have none."""
    points: list[list[float]] = []
    coordinates: list[list[float]] = []
    materials: dict[str, dict] = {}
    groups: dict[str, list[tuple]] = {}
    current = ""
    for line in path.read_text("latin-1").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "v":
            points.append([float(x) for x in rest.split()[:3]])
        elif word == "vt":
            coordinates.append([float(x) for x in rest.split()[:2]])
        elif word == "mtllib":
            materials |= _materials(path.parent / rest.strip())
        elif word == "usemtl":
            current = rest.strip()
        elif word == "f":
            corners = [_corner(c, len(points), len(coordinates)) for c in rest.split()]
            group = groups.setdefault(current, [])
            for k in range(1, len(corners) - 1):
                group.append((corners[0], corners[k], corners[k + 1]))
    positions = np.array(points)
    texture_points = np.array([*coordinates, [0.0, 0.0]])
    parts = []
    for name, triangles in groups.items():
        corners = np.array(triangles).reshape(-1, 2)
        unique, inverse = np.unique(corners, axis=0, return_inverse=True)
        material = materials.get(name, {})
        parts.append(
            Part(
                name,
                positions[unique[:, 0]],
                inverse.reshape(-1, 3),
                texture_points[unique[:, 1]],
                material.get("colour", (0.7, 0.7, 0.7)),
                material.get("texture"),
                unique[:, 0],
                material.get("opacity", 1.0),
            )
        )
    return parts


def _corner(text: str, points: int, coordinates: int) -> tuple[int, int]:
    fields = text.split("/")
    point = int(fields[0])
    uv = int(fields[1]) if len(fields) > 1 and fields[1] else 0
    return (
        point - 1 if point > 0 else points + point,
        uv - 1 if uv > 0 else (coordinates + uv if uv else -1),
    )


def _materials(path: Path) -> dict[str, dict]:
    materials: dict[str, dict] = {}
    current: dict = {}
    if not path.is_file():
        return materials
    for line in path.read_text("latin-1").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "newmtl":
            current = materials.setdefault(rest.strip(), {})
        elif word == "Kd":
            current["colour"] = tuple(float(x) for x in rest.split()[:3])
        elif word == "d":
            current["opacity"] = float(rest.split()[0])
        elif word == "map_Kd":
            texture = path.parent / rest.split()[-1]
            current["texture"] = texture if texture.is_file() else None
    return materials
