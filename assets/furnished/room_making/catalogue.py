"""The furniture of Debian's package sweethome3d-furniture, by library and number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

LIBRARIES = ("BlendSwap-CC-0", "BlendSwap-CC-BY", "Scopia", "KatorLegaz")
ZERO, BY, SCOPIA, KATOR = LIBRARIES

Piece = tuple[str, int]
"""A library and the number of a piece in it."""

SOFAS: tuple[Piece, ...] = (
    (ZERO, 95), (ZERO, 132), (ZERO, 140), (SCOPIA, 32), (SCOPIA, 75), (SCOPIA, 86), (SCOPIA, 125),
    (SCOPIA, 37), (BY, 80), (BY, 119), (BY, 129), (KATOR, 57),
)  # fmt: skip
SHELVES: tuple[Piece, ...] = (
    (KATOR, 80), (KATOR, 80), (ZERO, 6), (SCOPIA, 83), (SCOPIA, 27), (ZERO, 74), (BY, 121),
    (BY, 135), (ZERO, 52), (SCOPIA, 5),
)  # fmt: skip
LOW: tuple[Piece, ...] = (
    (BY, 130), (BY, 75), (BY, 82), (SCOPIA, 28), (SCOPIA, 84), (ZERO, 75), (BY, 53), (KATOR, 50),
)  # fmt: skip
CHAIRS: tuple[Piece, ...] = (
    (ZERO, 86), (ZERO, 99), (ZERO, 139), (ZERO, 101), (ZERO, 108), (ZERO, 143), (SCOPIA, 69),
    (SCOPIA, 24), (BY, 87), (BY, 95), (BY, 120), (SCOPIA, 47), (ZERO, 26), (KATOR, 47), (BY, 24),
)  # fmt: skip
PLANTS: tuple[Piece, ...] = (
    (ZERO, 113), (ZERO, 126), (SCOPIA, 36), (SCOPIA, 157), (BY, 78), (BY, 85), (BY, 81), (ZERO, 124),
)  # fmt: skip
MIDDLE: tuple[Piece, ...] = (
    (BY, 22), (SCOPIA, 33), (SCOPIA, 91), (SCOPIA, 177), (SCOPIA, 34), (BY, 12), (ZERO, 31),
    (BY, 28), (SCOPIA, 145), (SCOPIA, 386),
)  # fmt: skip
TABLES: tuple[Piece, ...] = (
    (ZERO, 134), (ZERO, 27), (SCOPIA, 26), (SCOPIA, 39), (SCOPIA, 61), (BY, 58), (SCOPIA, 94),
    (SCOPIA, 338),
)  # fmt: skip
DESKS: tuple[Piece, ...] = ((BY, 79), (BY, 54), (ZERO, 152), (SCOPIA, 82), (BY, 7), (ZERO, 75))
DINING: tuple[Piece, ...] = (
    (ZERO, 114),
    (SCOPIA, 29),
    (SCOPIA, 31),
    (BY, 13),
    (ZERO, 31),
    (ZERO, 79),
)
MUSIC: tuple[Piece, ...] = ((BY, 50), (ZERO, 30), (BY, 50))
KITCHEN: tuple[Piece, ...] = ((ZERO, 153), (ZERO, 144), (ZERO, 165), (BY, 36), (SCOPIA, 131))
FRIDGES: tuple[Piece, ...] = ((ZERO, 128), (ZERO, 151), (KATOR, 29))
BEDS: tuple[Piece, ...] = ((ZERO, 2), (SCOPIA, 4), (SCOPIA, 367), (SCOPIA, 344))
DOORS: tuple[Piece, ...] = ((SCOPIA, 216), (SCOPIA, 52), (KATOR, 9), (SCOPIA, 217), (KATOR, 11))
RADIATORS: tuple[Piece, ...] = ((ZERO, 36), (ZERO, 34), (BY, 114))
PENDANTS: tuple[Piece, ...] = ((KATOR, 40), (BY, 29), (SCOPIA, 213))
FLOOR_LAMPS: tuple[Piece, ...] = ((SCOPIA, 87), (KATOR, 42))
TABLE_LAMPS: tuple[Piece, ...] = ((SCOPIA, 55), (SCOPIA, 57), (SCOPIA, 65), (BY, 98))
ORNAMENTS: tuple[Piece, ...] = (
    (SCOPIA, 41), (SCOPIA, 43), (SCOPIA, 44), (SCOPIA, 355), (BY, 52), (SCOPIA, 100), (BY, 99),
    (BY, 92), (SCOPIA, 192), (SCOPIA, 113), (BY, 125), (ZERO, 77), (SCOPIA, 123), (BY, 98),
    (ZERO, 43), (SCOPIA, 98), (BY, 99), (KATOR, 28), (BY, 9), (SCOPIA, 22),
)  # fmt: skip
CLUTTER: tuple[Piece, ...] = (
    (SCOPIA, 174), (ZERO, 115), (BY, 2), (ZERO, 106), (KATOR, 68), (ZERO, 44), (ZERO, 78),
    (SCOPIA, 194), (ZERO, 82),
)  # fmt: skip
SOCKETS: tuple[Piece, ...] = ((SCOPIA, 310), (SCOPIA, 330), (BY, 61), (SCOPIA, 319))
SWITCHES: tuple[Piece, ...] = ((SCOPIA, 333), (SCOPIA, 306), (SCOPIA, 326))
SCREENS: tuple[Piece, ...] = ((SCOPIA, 210),)
BOARDS: tuple[Piece, ...] = ((ZERO, 63),)


@dataclass(frozen=True, eq=False)
class Model:
    """A piece's OBJ file, its size (width, depth, height in m) and the turn of its model [3, 3]."""

    path: Path
    size: tuple[float, float, float]
    rotation: np.ndarray


@lru_cache(maxsize=8)
def _properties(folder: Path) -> dict[int, dict[str, str]]:
    text = (folder / "PluginFurnitureCatalog.properties").read_text(encoding="latin-1")
    found: dict[int, dict[str, str]] = {}
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*)$", text, re.M):
        found.setdefault(int(number), {})[key] = value.strip()
    return found


def model_of(libraries: Path, piece: Piece) -> Model:
    """The model of a piece; `libraries` holds the unpacked libraries."""
    library, number = piece
    entry = _properties(libraries / library)[number]
    width, depth, height = (float(entry[k]) / 100 for k in ("width", "depth", "height"))
    turn = np.array([float(v) for v in entry.get("modelRotation", "1 0 0 0 1 0 0 0 1").split()])
    path = libraries / library / entry["model"].lstrip("/")
    return Model(path, (width, depth, height), turn.reshape(3, 3))
