"""The index of the furnished rooms (assets/furnished/world.json): sizes, furniture, light, files.

World coordinates in metres as in `savg.data.scenes.scene`. Nothing of the other scenes is imported
here, so that `room.make_room` can read the sizes of a furnished room.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError, brief
from savg.json_files import read_object
from savg.paths import assets_dir

TRAIN_SEED, HELD_OUT_SEED = 7001, 7002
"""The `room_seed` of the furnished worlds, by split."""
TURNS = 8
"""Appearances of a room: four headings of the camera, each as it is and mirrored."""

Rectangle = tuple[float, float, float, float, float]
"""x0, y0, x1, y1 and height in metres of a piece of furniture."""


@dataclass(frozen=True)
class FurnishedRoom:
    """A room as it was rendered, before it is turned. front … right: distance of the walls (m).

    eye: height of the camera; light: for each of the directions −180°, … in equal steps the red, green
    and blue of a white ball there (0..1), and how far its right and its upper half are brighter.
    image, depth: (file, SHA-256).
    """

    name: str
    front: float
    back: float
    left: float
    right: float
    height: float
    eye: float
    furniture: tuple[Rectangle, ...]
    light: tuple[tuple[float, ...], ...]
    image: tuple[str, str]
    depth: tuple[str, str]


def folder() -> Path:
    """The folder of the furnished world."""
    return assets_dir() / "furnished"


@lru_cache(maxsize=2)
def rooms(room_seed: int) -> tuple[FurnishedRoom, ...]:
    """The rooms of a split; SavgError where the index is missing or no index."""
    path = folder() / "world.json"
    if not path.is_file():
        raise SavgError(f"{path}: the index of the furnished world is missing.")
    split = "train" if room_seed == TRAIN_SEED else "held_out"
    try:
        return tuple(_room(r) for r in read_object(path)["rooms"] if r["split"] == split)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SavgError(f"{path} is of another form: {brief(error)}.") from error


def _room(entry: dict[str, Any]) -> FurnishedRoom:
    files = [(str(entry[k]["file"]), str(entry[k]["sha256"])) for k in ("image", "depth")]
    sizes: Any = tuple(float(entry[k]) for k in ("front", "back", "left", "right", "height", "eye"))
    furniture: Any = tuple(tuple(float(v) for v in piece) for piece in entry["furniture"])
    light = tuple(tuple(float(v) for v in probe) for probe in entry["light"])
    front, back, left, right, height, eye = sizes
    return FurnishedRoom(
        str(entry["name"]), front, back, left, right, height, eye, furniture, light, *files
    )


def room_of(room_seed: int, index: int) -> tuple[FurnishedRoom, int, bool]:
    """Room `index` of a furnished world: the rendered one, its heading (0..3) and whether mirrored.

    Heading k looks along azimuth 90·k degrees of the rendered room.
    """
    known = rooms(room_seed)
    place, turn = divmod(index, TURNS)
    if not 0 <= place < len(known):
        raise ValueError(f"index must be in 0 … {TURNS * len(known) - 1}, got {index}.")
    return known[place], turn % 4, turn >= 4


def is_furnished(room_seed: int) -> bool:
    """Whether the rooms of a seed are furnished ones."""
    return room_seed in (TRAIN_SEED, HELD_OUT_SEED)


def turned(room: FurnishedRoom, heading: int, mirrored: bool) -> FurnishedRoom:
    """The room seen along azimuth 90·heading degrees, then mirrored left to right if so."""
    walls = [room.front, room.left, room.back, room.right]
    front, left, back, right = walls[heading:] + walls[:heading]
    pieces = []
    for x0, y0, x1, y1, height in room.furniture:
        for _ in range(heading):
            x0, y0, x1, y1 = y0, -x1, y1, -x0
        if mirrored:
            y0, y1 = -y1, -y0
        pieces.append((x0, y0, x1, y1, height))
    if mirrored:
        left, right = right, left
    return FurnishedRoom(
        room.name, front, back, left, right, room.height, room.eye, tuple(pieces), room.light,
        room.image, room.depth,
    )  # fmt: skip


def empty_distance(
    width: int,
    height: int,
    *,
    front: float,
    back: float,
    left: float,
    right: float,
    **rest: float,
) -> NDArray[np.float32]:
    """Distance (m) from the camera to the walls, floor and ceiling of an empty room.

    [height, width], equirectangular, azimuth 180 at the left edge. rest: `height` is the panorama's in
    pixels, so the room's sizes in height are given as room_height and eye.
    """
    azimuth = (0.5 - (np.arange(width) + 0.5) / width) * 2 * np.pi
    elevation = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
    el, az = np.meshgrid(elevation, azimuth, indexing="ij")
    x, y, z = np.cos(el) * np.cos(az), np.cos(el) * np.sin(az), np.sin(el)
    top, eye = rest["room_height"], rest["eye"]
    distance = np.full((height, width), np.inf)
    for part, high, low in ((x, front, back), (y, left, right), (z, top - eye, eye)):
        reach = np.where(part > 0, high, low) / np.maximum(np.abs(part), 1e-9)
        distance = np.minimum(distance, reach)
    return distance.astype(np.float32)
