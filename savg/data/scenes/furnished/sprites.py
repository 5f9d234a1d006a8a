"""Sprites of textured people (assets/furnished/people.*; see its README for origin and licences).

A sprite is a person in one phase of an action, seen from the front of the camera at its own height as
by a camera `CAMERA_HEIGHT` above the floor and `CAMERA_DISTANCE` away, in soft light without direction.
Turns are in degrees to the viewer's right: 0 faces the camera, 90 looks right, 180 away from it.

The index `people.json` says who and what there is; `people.npz` holds the pictures as WebP, data only.
They are decoded when first asked for, and the latest are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from savg.arrays import read_arrays
from savg.data.scenes.furnished.recolour import Recolour, recolour
from savg.errors import SavgError, brief
from savg.json_files import read_json
from savg.paths import assets_dir, checked_file

CAMERA_HEIGHT = 1.2
CAMERA_DISTANCE = 3.0
MOUTHS = ("closed", "half", "open")
CACHED_BYTES = 192 * 2**20

Box = tuple[int, int, int, int]

COLUMNS = (
    "person", "action", "phase", "turn", "offset", "length", "anchor_x", "anchor_y",
    "body_x0", "body_y0", "body_x1", "body_y1", "mouth_x0", "mouth_y0", "mouth_x1", "mouth_y1",
    "mouth_length", "relief_length", "parts_length",
)  # fmt: skip
"""Of the table of sprites. Bytes of the colours, the mouths, the relief and the map of parts (see
`recolour`) follow one another from offset; the anchor is in sixteenths of a pixel, boxes are in
pixels, a missing mouth is −1."""


@dataclass(frozen=True)
class SpritePerson:
    """A person of the bank. height: in m; source: key of `SpriteBank.sources`.

    split: train or held_out; skin_tone: 1 (light) to 6 (dark); recolours: of hair and
    clothes, the first is as photographed.
    """

    name: str
    female: bool
    skin_tone: int
    height: float
    source: str
    split: str
    recolours: tuple[Recolour, ...] = (Recolour(),)


@dataclass(frozen=True)
class ActionInfo:
    """What phases and turns (degrees, see above) an action has.

    strokes, pitches: of instruments; phase = stroke · pitches + pitch (see `phases`). 1 otherwise.
    mirrored: whether −turn is the flipped picture of turn; `turns` lists both.
    """

    phases: int
    turns: tuple[int, ...]
    mirrored: bool
    strokes: int = 1
    pitches: int = 1

    def nearest_turn(self, degrees: float) -> int:
        """The turn that there is nearest to `degrees`, around the circle."""
        return min(self.turns, key=lambda turn: abs((degrees - turn + 180) % 360 - 180))


@dataclass(frozen=True, eq=False)
class Sprite:
    """A picture of a person. All boxes are (x0, y0, x1, y1) in pixels, the ends exclusive.

    rgba: uint8 [h, w, 4], colours multiplied by alpha; anchor: pixel position (x, y) of the floor below
    the hips; pixels_per_metre: at the person's distance; body: box of the person without instrument and
    chair; mouth: its box, None where it is not seen; relief: float32 [h, w, 2], how far the surface
    faces the viewer's right and up, −1..1.
    """

    rgba: NDArray[np.uint8]
    anchor: tuple[float, float]
    pixels_per_metre: float
    body: Box
    mouth: Box | None
    relief: NDArray[np.float32] = field(repr=False)

    def flipped(self) -> Sprite:
        """Left and right exchanged."""
        width = self.rgba.shape[1]
        relief = self.relief[:, ::-1] * np.array([-1, 1], np.float32)
        return Sprite(
            np.ascontiguousarray(self.rgba[:, ::-1]),
            (width - self.anchor[0], self.anchor[1]),
            self.pixels_per_metre,
            _flipped(self.body, width),
            self.mouth and _flipped(self.mouth, width),
            np.ascontiguousarray(relief),
        )


class SpriteBank:
    """The people, what they do, and their sprites.

    Args:
        index: content of people.json.
        arrays: content of people.npz: `bytes` uint8 [N], `table` int32 [sprites, len(COLUMNS)].

    Raises:
        SavgError: for an index or a table of another form.
    """

    def __init__(self, index: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        try:
            self.people = tuple(_person(entry) for entry in index["people"])
            self.actions = {name: _action(a) for name, a in index["actions"].items()}
            self.sources: dict[str, str] = dict(index["sources"])
            self.pixels_per_metre = float(index["pixels_per_metre"])
            self._bytes, table = arrays["bytes"], arrays["table"]
            rows = [dict(zip(COLUMNS, row, strict=True)) for row in table.tolist()]
            names = dict(enumerate(self.actions))
            keys = [(r["person"], names[r["action"]], r["phase"], r["turn"]) for r in rows]
            self._rows = dict(zip(keys, rows, strict=True))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SavgError(f"The bank of people is of another form: {brief(error)}.") from error
        self._index = {person.name: k for k, person in enumerate(self.people)}
        self._cache: LRUCache[tuple[Any, ...], Any] = LRUCache(CACHED_BYTES, getsizeof=_size)

    def sprite(
        self, person: SpritePerson | str, action: str, phase: int, turn: int, variant: int = 0
    ) -> Sprite:
        """One sprite. It is shared: do not write to its arrays.

        Args:
            person: one of `people`, or its name.
            action: one of `actions`.
            phase: 0 .. phases − 1 of the action.
            turn: one of the action's turns.
            variant: index of the person's recolours.

        Raises:
            SavgError: for one that is not in the bank.
        """
        return self._mouthed(person, action, phase, turn, variant)[0]

    def mouths(
        self, person: SpritePerson | str, action: str, phase: int, turn: int, variant: int = 0
    ) -> NDArray[np.uint8]:
        """Patches [len(MOUTHS), h, w, 4] for `mouth` of the sprite of the same name, colours × alpha.

        SavgError for a sprite without a mouth.
        """
        sprite, patches = self._mouthed(person, action, phase, turn, variant)
        if sprite.mouth is None:
            raise SavgError(f"No mouth is seen in {action} at {turn}°.")
        return patches

    def speaking(
        self, person: SpritePerson | str, action: str, phase: int, turn: int, variant: int = 0,
        mouth: float = 0.0,
    ) -> Sprite:  # fmt: skip
        """As `sprite`, with the mouth open as far as `mouth` (0..1) says, where it is seen."""
        sprite, patches = self._mouthed(person, action, phase, turn, variant)
        which = round(float(np.clip(mouth, 0, 1)) * (len(MOUTHS) - 1))
        if sprite.mouth is None or which == 0:
            return sprite
        key = (self._name(person), action, phase, turn, variant, which)
        spoken = self._cache.get(key)
        if spoken is None:
            rgba = sprite.rgba.copy()
            x0, y0, x1, y1 = sprite.mouth
            rgba[y0:y1, x0:x1] = patches[which]
            spoken = Sprite(
                rgba, sprite.anchor, sprite.pixels_per_metre, sprite.body, sprite.mouth,
                sprite.relief,
            )  # fmt: skip
            self._keep(key, spoken)
        return spoken

    def __len__(self) -> int:
        """Number of stored sprites; flipped and recoloured ones are not counted."""
        return len(self._rows)

    def _name(self, person: SpritePerson | str) -> str:
        return person if isinstance(person, str) else person.name

    def _keep(self, key: tuple[Any, ...], value: Any) -> None:
        if _size(value) <= CACHED_BYTES:
            self._cache[key] = value

    def _mouthed(
        self, person: SpritePerson | str, action: str, phase: int, turn: int, variant: int
    ) -> tuple[Sprite, NDArray[np.uint8]]:
        name = self._name(person)
        key = (name, action, phase, turn, variant)
        found = self._cache.get(key)
        if found is None:
            found = self._read(name, action, phase, turn, variant)
            self._keep(key, found)
        return found

    def _read(
        self, name: str, action: str, phase: int, turn: int, variant: int
    ) -> tuple[Sprite, NDArray[np.uint8]]:
        number = self._index.get(name)
        if number is None:
            raise SavgError(f"person must be one of {', '.join(self._index)}, got {brief(name)}.")
        if action not in self.actions:
            raise SavgError(
                f"action must be one of {', '.join(self.actions)}, got {brief(action)}."
            )
        recolours = self.people[number].recolours
        if not 0 <= variant < len(recolours):
            raise SavgError(f"variant of {name} must be in 0..{len(recolours) - 1}, got {variant}.")
        row = self._rows.get((number, action, phase, turn))
        if row is not None:
            return self._decoded(row, recolours[variant])
        mirror = self._rows.get((number, action, phase, -turn))
        if mirror is None or not self.actions[action].mirrored:
            raise SavgError(
                f"{name} has no {action} of phase {brief(phase)} at a turn of {brief(turn)}°."
            )
        sprite, patches = self._mouthed(name, action, phase, -turn, variant)
        return sprite.flipped(), np.ascontiguousarray(patches[:, :, ::-1])

    def _decoded(self, row: dict[str, int], change: Recolour) -> tuple[Sprite, NDArray[np.uint8]]:
        start = row["offset"]
        lengths = [row[f"{part}length"] for part in ("", "mouth_", "relief_", "parts_")]
        ends = np.cumsum([start, *lengths]).tolist()
        rgba = self._image(ends[0], ends[1])
        height, width = rgba.shape[:2]
        slopes = np.split(self._image(ends[2], ends[3])[..., 0], 2)
        relief = cv2.resize(np.stack(slopes, axis=-1), (width, height))
        rgba = recolour(rgba, self._image(ends[3], ends[4])[..., 0], change)
        mouth: Box | None = None
        patches = np.zeros((len(MOUTHS), 0, 0, 4), np.uint8)
        if row["mouth_length"]:
            mouth = x0, y0, x1, y1 = tuple(row[f"mouth_{c}"] for c in ("x0", "y0", "x1", "y1"))  # type: ignore[assignment]
            patches = np.repeat(rgba[None, y0:y1, x0:x1], len(MOUTHS), axis=0)
            strip = self._image(ends[1], ends[2])[..., :3]
            patches[1:, :, :, :3] = np.stack(np.split(strip, len(MOUTHS) - 1, axis=1))
            patches = _premultiplied(patches)
        sprite = Sprite(
            _premultiplied(rgba),
            (row["anchor_x"] / 16, row["anchor_y"] / 16),
            self.pixels_per_metre,
            (row["body_x0"], row["body_y0"], row["body_x1"], row["body_y1"]),
            mouth,
            (relief.astype(np.float32) - np.float32(128)) / np.float32(127),
        )
        return sprite, patches

    def _image(self, start: int, end: int) -> NDArray[np.uint8]:
        """A stored picture as RGB or RGBA."""
        data = self._bytes[start:end]
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
        if image is None or image.ndim != 3:
            raise SavgError("The bank of people holds a picture that cannot be decoded.")
        order = cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB
        return cv2.cvtColor(image, order).astype(np.uint8, copy=False)


@lru_cache(maxsize=1)
def bank() -> SpriteBank:
    """The bundled people; their file is checked against the SHA-256 in the index.

    Raises:
        SavgError: names the file that is missing or altered, and its expected SHA-256.
    """
    return read_bank(assets_dir() / "furnished")


def read_bank(folder: Path) -> SpriteBank:
    """The bank in a folder that holds people.json and people.npz; SavgError as for `bank`."""
    index = read_json(folder / "people.json")
    expected = index.get("sha256") if isinstance(index, dict) else None
    return SpriteBank(index, read_arrays(checked_file(folder / "people.npz", expected)))


def _person(entry: Mapping[str, Any]) -> SpritePerson:
    changes = tuple(
        Recolour(**{part: tuple(c) for part, c in change.items()})
        for change in entry.get("recolours", ())
    )
    return SpritePerson(
        str(entry["name"]), bool(entry["female"]), int(entry["skin_tone"]),
        float(entry["height"]), str(entry["source"]), str(entry["split"]), (Recolour(), *changes),
    )  # fmt: skip


def _action(entry: Mapping[str, Any]) -> ActionInfo:
    return ActionInfo(
        int(entry["phases"]), tuple(int(t) for t in entry["turns"]), bool(entry["mirrored"]),
        int(entry.get("strokes", 1)), int(entry.get("pitches", 1)),
    )  # fmt: skip


def _flipped(box: Box, width: int) -> Box:
    return width - box[2], box[1], width - box[0], box[3]


def _premultiplied(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    alpha = rgba[..., 3:].astype(np.uint16)
    colours = ((rgba[..., :3] * alpha + 127) // 255).astype(np.uint8)
    return np.concatenate([colours, rgba[..., 3:]], axis=-1)


def _size(value: Any) -> int:
    """Bytes of a cached sprite, or a sprite and its patches."""
    if isinstance(value, tuple):
        return sum(_size(part) for part in value)
    if isinstance(value, Sprite):
        return value.rgba.nbytes + value.relief.nbytes
    return int(value.nbytes)
