"""The layout of packed clips, and their arrays as they are opened, checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from savg.arrays import open_array
from savg.checksums import check_sums
from savg.errors import SavgError, brief
from savg.fields import Between, Side, check, from_json
from savg.format import ClipFormat
from savg.json_files import read_object

VERSION = 1

RESIZES = ("area", "published")
"""Ways to reduce frames: averaging, or the published loader's resize."""

META = "meta.json"

Row = Annotated[int, Between(0, 8192)]


@dataclass(frozen=True)
class PackLayout:
    """Shapes of a pack: clips of `format`, frames `size` wide.

    rows: first and last + 1 of the packed rows of the size×size frame, by default those of the
    picture; frames: number of frames packed of each clip, by default all; resize: how larger frames
    are reduced, one of RESIZES; origin: where the clips come from, for meta.json. Raises ValueError
    for impossible values.
    """

    count: Annotated[int, Between(1, 100_000_000)]
    format: ClipFormat = field(default_factory=ClipFormat)
    size: Side = 64
    rows: tuple[Row, Row] | None = None
    frames: int | None = None
    audio: bool = True
    origin: dict[str, Any] = field(default_factory=dict)
    resize: str = "area"

    def __post_init__(self) -> None:
        check(self, "PackLayout.{}")
        if self.resize not in RESIZES:
            raise ValueError(f"PackLayout.resize must be one of {RESIZES}, got {self.resize!r}.")
        if self.frames is not None and not 1 <= self.frames <= self.format.frames:
            raise ValueError(
                f"PackLayout.frames must be in 1…{self.format.frames}, got {self.frames}."
            )
        if self.rows is not None and not 0 <= self.rows[0] < self.rows[1] <= self.size:
            raise ValueError(f"PackLayout.rows must be in 0…{self.size}, got {self.rows}.")

    @property
    def row_range(self) -> tuple[int, int]:
        """First and last + 1 of the packed rows."""
        small = self.format.with_size(self.size)
        return self.rows or (small.top, small.bottom)

    def arrays(self) -> dict[str, tuple[type, tuple[int, ...]]]:
        """Type and shape of each array."""
        n, format = self.count, self.format
        frames = self.frames or format.frames
        first, last = self.row_range
        table: dict[str, tuple[type, tuple[int, ...]]] = {
            "video": (np.uint8, (n, frames, last - first, self.size, 3)),
            "frame_index": (np.int16, (n, frames)),
            "labels": (np.float32, (n, 2 * format.label_frames, 4)),
            "label_counts": (np.int32, (n,)),
            "boxes": (np.float32, (n, 8 * format.frames, 5)),
            "box_counts": (np.int32, (n,)),
            "keys": (np.int64, (n,)),
        }
        if self.audio:
            table["audio"] = (np.int16, (n, 2, format.samples))
        return table

    def meta(self) -> dict[str, Any]:
        """Content of meta.json."""
        return {"version": VERSION, **asdict(self), "rows": list(self.row_range)}

    def frame_numbers(self, index: int) -> NDArray[np.int64]:
        """Numbers [F] of the packed frames of clip `index`: evenly spaced, from a start that varies."""
        total = self.format.frames
        count = self.frames or total
        start = (index * 7919) % total if count < total else 0
        return np.sort((start + np.arange(count) * total // count) % total)


def open_pack(folder: Path, verify: bool = True) -> tuple[PackLayout, dict[str, NDArray[Any]]]:
    """The layout of a folder of packed clips and its arrays as memory maps, by name.

    verify: compare all files with their checksums, where the folder has them. SavgError where it is not
    a complete pack, or its files do not fit each other.
    """
    meta = read_object(folder / META)
    if meta.get("version") != VERSION:
        raise SavgError(
            f"{folder}: version of the pack must be {VERSION}, got {brief(meta.get('version'))}."
        )
    values = {key: value for key, value in meta.items() if key != "version"}
    layout = from_json(PackLayout, values, str(folder / META))
    if verify:
        check_sums(folder, [META, *(f"{name}.npy" for name in layout.arrays())])
    arrays = {
        name: _open(folder / f"{name}.npy", dtype, shape)
        for name, (dtype, shape) in layout.arrays().items()
    }
    _check(folder, layout, arrays)
    return layout, arrays


def _open(path: Path, dtype: type, shape: tuple[int, ...]) -> NDArray[Any]:
    """The array of a file, which must be exactly this one."""
    array = open_array(path)
    stored = f"{brief(array.dtype)} {brief(array.shape)}"
    if (array.shape, array.dtype) != (shape, np.dtype(dtype)) or not array.flags.c_contiguous:
        raise SavgError(f"{path.name} must be {np.dtype(dtype)} {shape}, got {stored}.")
    size = path.stat().st_size
    if getattr(array, "offset", size) + array.nbytes != size:
        raise SavgError(f"{path.name} must hold {array.nbytes} bytes of numbers, got more.")
    return array


def _check(folder: Path, layout: PackLayout, arrays: Mapping[str, NDArray[Any]]) -> None:
    """SavgError for counts, frames and rows that no clip of the layout can have."""
    for kind, name in (("label", "labels"), ("box", "boxes")):
        counts, rows = arrays[f"{kind}_counts"], arrays[name]
        if counts.min() < 0 or counts.max() > rows.shape[1]:
            raise SavgError(
                f"{folder}: {kind}_counts must be in 0..{rows.shape[1]}, "
                f"got {counts.min()}..{counts.max()}."
            )
        if not np.isfinite(rows).all():
            raise SavgError(f"{folder}: {name} must be finite, got NaN or infinity.")
    frames = arrays["frame_index"]
    if frames.min() < 0 or frames.max() >= layout.format.frames or (np.diff(frames) <= 0).any():
        raise SavgError(
            f"{folder}: frame_index must rise within 0..{layout.format.frames - 1} in each clip."
        )
