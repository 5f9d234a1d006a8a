"""What is drawn of a furnished room before it is built: theme, size, styles.

World coordinates in metres as in `savg.data.scenes.scene`, but the floor is at height 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from room_making import catalogue
from room_making.catalogue import Piece

Rectangle = tuple[float, float, float, float]
"""x0, y0, x1, y1 in metres."""
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
MORE = (
    catalogue.SHELVES, catalogue.PLANTS, catalogue.CHAIRS, catalogue.LOW, catalogue.CLUTTER,
    catalogue.PLANTS,
)  # fmt: skip
"""Kinds that stand in every room, where a place is left."""
FLAT = (catalogue.LOW, catalogue.DESKS, catalogue.KITCHEN, catalogue.MIDDLE, catalogue.TABLES)
"""Kinds on which ornaments stand."""


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
