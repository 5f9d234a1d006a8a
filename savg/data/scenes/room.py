"""Rooms: a box around the camera with fixtures on its walls and furniture behind the people.

World coordinates in metres as in `savg.data.scenes.scene`; the camera is at the origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from savg.data.scenes.furnished import index as furnished
from savg.data.scenes.world import Colour


@dataclass(frozen=True)
class Fixture:
    """A flat object on a wall. kind: window, door or picture; wall: front, left, right or back;
    u: metres along the wall from its left end as seen from inside; v: metres above the floor to the
    lower edge."""

    kind: str
    wall: str
    u: float
    v: float
    width: float
    height: float
    colour: Colour


@dataclass(frozen=True)
class Furniture:
    """A box on the floor: lower and upper corner (x, y, z above the floor) in metres."""

    kind: str
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    colour: Colour


@dataclass(frozen=True)
class Room:
    """A room. front, back, left, right: distance of the walls; eye: height of the camera (m).

    lamps: positions (m); reverberation: seconds for a decay of 60 dB; reflection: share of the
    amplitude that a wall reflects (0..1).
    """

    key: tuple[int, int]
    front: float
    back: float
    left: float
    right: float
    height: float
    eye: float
    wall: Colour
    accent: Colour
    floor: Colour
    floor_kind: str
    fixtures: tuple[Fixture, ...]
    furniture: tuple[Furniture, ...]
    lamps: tuple[tuple[float, float, float], ...]
    daylight: float
    reverberation: float
    reflection: float

    def wall_width(self, wall: str) -> float:
        """Length of a wall in metres."""
        return self.left + self.right if wall in ("front", "back") else self.front + self.back


WALLS: tuple[Colour, ...] = (
    (226, 214, 190),
    (168, 192, 204),
    (204, 214, 190),
    (214, 186, 176),
    (190, 188, 206),
    (232, 228, 222),
    (150, 160, 160),
    (222, 204, 150),
)
FLOORS: tuple[tuple[str, Colour], ...] = (
    ("planks", (150, 104, 66)),
    ("carpet", (104, 112, 130)),
    ("tiles", (190, 182, 172)),
    ("planks", (112, 76, 52)),
    ("carpet", (140, 96, 92)),
    ("planks", (186, 152, 110)),
)
PAINTS: tuple[Colour, ...] = (
    (196, 84, 60),
    (60, 110, 150),
    (210, 170, 70),
    (90, 140, 100),
    (130, 80, 130),
)


@lru_cache(maxsize=256)
def make_room(room_seed: int, index: int) -> Room:
    """Room `index` of a world; the same numbers always give the same room."""
    if furnished.is_furnished(room_seed):
        return _furnished_room(room_seed, index)
    rng = np.random.default_rng([room_seed, index, 5])
    front = float(rng.uniform(3.4, 4.6) if room_seed == 0 else rng.uniform(4.0, 6.0))
    left, right = float(rng.uniform(2.5, 3.6)), float(rng.uniform(2.5, 3.6))
    wall = WALLS[index % len(WALLS)] if room_seed == 0 else WALLS[rng.integers(len(WALLS))]
    kind, floor = (
        FLOORS[index % len(FLOORS)] if room_seed == 0 else FLOORS[rng.integers(len(FLOORS))]
    )
    if room_seed:
        wall = _vary(rng, wall, 18)
        floor = _vary(rng, floor, 18)
    height = float(rng.uniform(2.5, 3.0))
    accent = PAINTS[int(rng.integers(len(PAINTS)))]
    fixtures = _fixtures(rng, front, left, right, height)
    back = float(rng.uniform(2.0, 3.5))
    fixtures += _rear_fixtures((room_seed, index), front, back, left, right)
    return Room(
        key=(room_seed, index),
        front=front,
        back=back,
        left=left,
        right=right,
        height=height,
        eye=float(rng.uniform(1.12, 1.22) if room_seed == 0 else rng.uniform(1.1, 1.5)),
        wall=wall,
        accent=accent,
        floor=floor,
        floor_kind=kind,
        fixtures=tuple(fixtures),
        furniture=tuple(_furniture(rng, front, left, right)),
        lamps=((float(rng.uniform(0.8, 2.0)), float(rng.uniform(-0.8, 0.8)), height - 0.15),),
        daylight=float(rng.choice((-1.0, 1.0)) * rng.uniform(0.25, 0.6)),
        reverberation=float(rng.uniform(0.25, 0.5)),
        reflection=float(rng.uniform(0.45, 0.65)),
    )


def _furnished_room(room_seed: int, index: int) -> Room:
    """A room of the furnished worlds: sizes and furniture as it was rendered, acoustics drawn."""
    seen = furnished.turned(*furnished.room_of(room_seed, index))
    rng = np.random.default_rng([room_seed, index // furnished.TURNS, 5])
    pieces = [
        Furniture("furnished", (x0, y0, 0.0), (x1, y1, top), (128, 128, 128))
        for x0, y0, x1, y1, top in seen.furniture
    ]
    return Room(
        key=(room_seed, index),
        front=seen.front,
        back=seen.back,
        left=seen.left,
        right=seen.right,
        height=seen.height,
        eye=seen.eye,
        wall=WALLS[0],
        accent=PAINTS[0],
        floor=FLOORS[0][1],
        floor_kind=FLOORS[0][0],
        fixtures=(),
        furniture=tuple(pieces),
        lamps=(),
        daylight=0.4,
        reverberation=float(rng.uniform(0.25, 0.5)),
        reflection=float(rng.uniform(0.45, 0.65)),
    )


def _vary(rng: np.random.Generator, colour: Colour, amount: int) -> Colour:
    r, g, b = (int(np.clip(c + rng.integers(-amount, amount + 1), 20, 245)) for c in colour)
    return r, g, b


def _fixtures(
    rng: np.random.Generator, front: float, left: float, right: float, height: float
) -> list[Fixture]:
    """Windows, doors and pictures side by side along the front wall, some on the side walls."""
    fixtures: list[Fixture] = []
    width = left + right
    u = float(rng.uniform(0.25, 0.6))
    kinds = list(rng.permutation(["window", "door", "picture", "picture", "window"]))
    if kinds.index("door") > 3:
        kinds.remove("door")
        kinds.insert(int(rng.integers(0, 3)), "door")
    for kind in kinds:
        w, h, v = {
            "window": (rng.uniform(1.0, 1.5), 1.25, 0.95),
            "door": (0.92, 2.08, 0.0),
            "picture": (rng.uniform(0.5, 0.9), rng.uniform(0.45, 0.75), 1.3),
        }[str(kind)]
        if u + w > width - 0.2:
            continue
        colour = PAINTS[int(rng.integers(len(PAINTS)))]
        fixtures.append(Fixture(str(kind), "front", u, float(v), float(w), float(h), colour))
        u += float(w) + float(rng.uniform(0.25, 0.6))
    for wall in ("left", "right"):
        kind = str(rng.choice(["window", "picture", "door"]))
        near = float(rng.uniform(0.5, 1.2))
        colour = PAINTS[int(rng.integers(len(PAINTS)))]
        w, h, v = {
            "window": (1.4, 1.25, 0.95),
            "door": (0.9, 2.05, 0.0),
            "picture": (0.8, 0.6, 1.3),
        }[kind]
        # u runs from the left end as seen from inside: the front end of the right wall, the back
        # end of the left one; measured from the front here.
        place = near if wall == "right" else -near - w
        fixtures.append(Fixture(kind, wall, place, v, w, h, colour))
    return fixtures


def _rear_fixtures(
    key: tuple[int, int], front: float, back: float, left: float, right: float
) -> list[Fixture]:
    """Fixtures that only a rotated view shows: on the back wall, and beside and behind the camera."""
    rng = np.random.default_rng([*key, 11])
    fixtures: list[Fixture] = []

    def hang(wall: str, kind: str, u: float, width: float) -> None:
        h, v = {"window": (1.25, 0.95), "door": (2.05, 0.0), "picture": (0.6, 1.3)}[kind]
        colour = PAINTS[int(rng.integers(len(PAINTS)))]
        fixtures.append(Fixture(kind, wall, u, v, width, h, colour))

    sizes = {"window": (1.0, 1.4), "door": (0.9, 0.95), "picture": (0.5, 0.95)}
    u = float(rng.uniform(0.4, 0.9))
    for kind in rng.permutation(["window", "door", "picture", "picture"]).tolist():
        width = float(rng.uniform(*sizes[kind]))
        if u + width < left + right - 0.4:
            hang("back", kind, u, width)
        u += width + float(rng.uniform(0.5, 0.9))
    for wall in ("left", "right"):
        kind = str(rng.choice(["window", "picture", "picture"]))
        width = float(rng.uniform(0.7, 1.1))
        x = float(rng.uniform(-back + 0.4, 0.2 - width))
        hang(wall, kind, x - front if wall == "left" else front - x - width, width)
    return fixtures


def _furniture(
    rng: np.random.Generator, front: float, left: float, right: float
) -> list[Furniture]:
    """Furniture along the front wall, clear of the places of people."""
    items: list[Furniture] = []
    kinds = list(rng.permutation(["shelf", "sofa", "cabinet", "table"]))[: int(rng.integers(2, 4))]
    y = left - float(rng.uniform(0.1, 0.5))
    for kind in kinds:
        w, d, h = {
            "shelf": (rng.uniform(0.8, 1.2), 0.32, rng.uniform(1.5, 2.0)),
            "sofa": (1.7, 0.75, 0.42),
            "cabinet": (rng.uniform(0.9, 1.4), 0.42, rng.uniform(0.7, 0.95)),
            "table": (1.2, 0.6, 0.74),
        }[str(kind)]
        w, d, h = float(w), float(d), float(h)
        if y - w < -right + 0.05:
            break
        colour = _vary(rng, ((136, 92, 58), (96, 66, 48), (206, 200, 190))[rng.integers(3)], 14)
        x0, x1, y0 = front - d - 0.02, front - 0.02, y - w
        if kind == "sofa":
            cloth = PAINTS[int(rng.integers(len(PAINTS)))]
            items.append(Furniture("cloth", (x0, y0, 0.06), (x1, y, 0.42), cloth))
            items.append(Furniture("cloth", (x1 - 0.22, y0, 0.42), (x1, y, 0.85), cloth))
            for a in (y0, y - 0.18):
                items.append(Furniture("cloth", (x0, a, 0.06), (x1 - 0.2, a + 0.18, 0.6), cloth))
        elif kind == "table":
            items.append(Furniture("plain", (x0, y0, h - 0.05), (x1, y, h), colour))
            for a in (y0 + 0.02, y - 0.08):
                for b in (x0 + 0.02, x1 - 0.08):
                    items.append(Furniture("plain", (b, a, 0.0), (b + 0.06, a + 0.06, h), colour))
            vase = PAINTS[int(rng.integers(len(PAINTS)))]
            middle = (y0 + y) / 2
            items.append(
                Furniture(
                    "plain", (x0 + 0.2, middle, h), (x0 + 0.36, middle + 0.16, h + 0.28), vase
                )
            )
        else:
            items.append(Furniture(str(kind), (x0, y0, 0.0), (x1, y, h), colour))
        y = y0 - float(rng.uniform(0.15, 0.7))
    return items
