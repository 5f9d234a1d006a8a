"""Tables that go with a clip: persons' boxes, sound events, labels, and their alignment.

Frame numbers of boxes are those of the video (4 a second in the published data); those of sound events
and labels are tenths of a second. x and y are pixels: x in the 256-wide picture, growing to the right,
y of labels in the 256×144 picture, y of boxes in the 256×256 frame. CSV files have no header, and an
empty file is an empty table [S1, S2].
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError
from savg.format import SAVGBENCH
from savg.tables import numbers, read_cells, write_cells

SPEECH, INSTRUMENT = 0, 1
"""Categories of sound events."""

PERSON = 0
"""Category of boxes of persons, as in COCO."""

MARGIN = 40
"""Pixels to either side of a sound event within which a person counts [S1]."""

CATEGORY_NAMES = ("speech", "instrument")

LABEL_CLASSES = {0: SPEECH, 1: SPEECH, 9: INSTRUMENT}
"""STARSS23 classes of clip labels (0 female speech, 1 male speech, 9 instrument) → category."""


class _Table(ABC):
    """Columns of equal length in the published CSV format; subclasses are frozen dataclasses."""

    _columns: ClassVar[str]
    _distinct: ClassVar[bool] = False
    """Whether rows of a file that are repeated exactly count once."""

    @abstractmethod
    def _rows(self) -> Iterable[Sequence[object]]: ...

    @classmethod
    @abstractmethod
    def _from_rows(cls, rows: NDArray[np.float64]) -> Self: ...

    def __len__(self) -> int:
        return len(self.frames)  # type: ignore[attr-defined]

    @classmethod
    def read_csv(cls, path: str | os.PathLike[str]) -> Self:
        """The table in a CSV file without header.

        Raises:
            SavgError: the file cannot be read; the sentence names the file and the wrong line.

        Example:
            boxes = Boxes.read_csv("clip.csv")
        """
        width = cls._columns.count(",") + 1
        rows = [_numbers(row, cls._columns, where) for where, row in read_cells(path, cls._columns)]
        if cls._distinct:
            rows = [list(row) for row in dict.fromkeys(map(tuple, rows))]
        try:
            return cls._from_rows(np.array(rows, np.float64).reshape(-1, width))
        except ValueError as error:
            raise SavgError(f"{path}: {error}") from error

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table in its published format, whole or not at all.

        Raises:
            SavgError: the file cannot be written.

        Example:
            boxes.write_csv("clip.csv")
        """
        write_cells(path, self._rows())


def _numbers(row: Sequence[str], columns: str, where: str) -> list[float]:
    width = columns.count(",") + 1
    if len(row) != width:
        raise SavgError(f"{where}: expected {width} columns ({columns}), found {len(row)}.")
    return numbers(row, columns, where)


def _column(table: object, name: str, dtype: type, shape: tuple[int, ...] = ()) -> None:
    """Replace one column by an immutable array of `dtype`; ValueError where that is not possible."""
    raw = np.asarray(getattr(table, name))
    value: NDArray[Any] = raw.astype(dtype) if raw.size else np.zeros((0, *shape), dtype)
    kind = type(table).__name__
    if value.ndim != 1 + len(shape) or value.shape[1:] != shape:
        expected = ", ".join(["N", *map(str, shape)])
        raise ValueError(f"{kind}.{name} must have shape ({expected}), got {value.shape}.")
    if not np.isfinite(value).all():
        raise ValueError(f"{kind}.{name} must be finite, got NaN or infinity.")
    if dtype is np.int64 and (value != raw.reshape(value.shape)).any():
        raise ValueError(f"{kind}.{name} must be whole numbers, got {raw.ravel()[:3]} ….")
    value = value.copy() if value is raw or value.base is not None else value
    value.flags.writeable = False
    object.__setattr__(table, name, value)


def _check_lengths(table: object) -> None:
    lengths = {
        field.name: len(getattr(table, field.name))
        for field in fields(table)  # type: ignore[arg-type]
        if getattr(table, field.name) is not None
    }
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{type(table).__name__} must have columns of one length, got {lengths}.")
    frames = table.frames  # type: ignore[attr-defined]
    if len(frames) and frames.min() < 0:
        raise ValueError(f"{type(table).__name__}.frames must be ≥ 0, got {frames.min()}.")


def _plain(value: float) -> int | float:
    """A whole number without its decimal point, anything else with all its digits."""
    value = float(value)
    return int(value) if value.is_integer() else value


@dataclass(frozen=True, eq=False)
class Boxes(_Table):
    """Boxes of detected persons (category 0): corners x0, y0, x1, y1 in pixels, N rows.

    scores: a detector's confidence in 0..1; not in the published CSV.
    """

    frames: NDArray[np.int64]
    categories: NDArray[np.int64]
    xyxy: NDArray[np.float64]
    scores: NDArray[np.float64] | None = None

    _columns: ClassVar[str] = "frame,category,x0,y0,x1,y1"

    def __post_init__(self) -> None:
        _column(self, "frames", np.int64)
        _column(self, "categories", np.int64)
        _column(self, "xyxy", np.float64, (4,))
        if self.scores is not None:
            _column(self, "scores", np.float64)
        _check_lengths(self)
        wrong = (self.xyxy[:, 2:] < self.xyxy[:, :2]).any(axis=1)
        if wrong.any():
            raise ValueError(
                f"Boxes must have x0 ≤ x1 and y0 ≤ y1, got {self.xyxy[wrong][0].tolist()}."
            )

    @classmethod
    def empty(cls) -> Self:
        """No box."""
        return cls(np.zeros(0), np.zeros(0), np.zeros((0, 4)))  # type: ignore[arg-type]

    @classmethod
    def _from_rows(cls, rows: NDArray[np.float64]) -> Self:
        return cls(rows[:, 0], rows[:, 1], rows[:, 2:6])  # type: ignore[arg-type]

    def _rows(self) -> Iterable[Sequence[object]]:
        for frame, category, box in zip(self.frames, self.categories, self.xyxy, strict=True):
            yield [frame, category, *map(_plain, box)]

    def select(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Boxes:
        """The rows chosen by a mask or by indices."""
        scores = None if self.scores is None else self.scores[keep]
        return Boxes(self.frames[keep], self.categories[keep], self.xyxy[keep], scores)

    def mirrored(self, width: float = SAVGBENCH.size) -> Boxes:
        """The boxes of the video flipped left to right."""
        flipped = self.xyxy.copy()
        flipped[:, [0, 2]] = width - self.xyxy[:, [2, 0]]
        return Boxes(self.frames, self.categories, flipped, self.scores)


@dataclass(frozen=True, eq=False)
class SoundEvents(_Table):
    """Sound events, as SELD detects them, N rows at 10 frames a second.

    Categories: 0 speech, 1 instrument; x in pixels.
    """

    frames: NDArray[np.int64]
    categories: NDArray[np.int64]
    x: NDArray[np.float64]

    _columns: ClassVar[str] = "frame,category,x"

    def __post_init__(self) -> None:
        _column(self, "frames", np.int64)
        _column(self, "categories", np.int64)
        _column(self, "x", np.float64)
        _check_lengths(self)

    @classmethod
    def empty(cls) -> Self:
        """No event."""
        return cls(np.zeros(0), np.zeros(0), np.zeros(0))  # type: ignore[arg-type]

    @classmethod
    def _from_rows(cls, rows: NDArray[np.float64]) -> Self:
        return cls(rows[:, 0], rows[:, 1], rows[:, 2])  # type: ignore[arg-type]

    def _rows(self) -> Iterable[Sequence[object]]:
        for frame, category, x in zip(self.frames, self.categories, self.x, strict=True):
            yield [frame, category, _plain(x)]

    def with_x(self, x: NDArray[np.float64]) -> SoundEvents:
        """The same events at other positions."""
        return SoundEvents(self.frames, self.categories, x)

    def select(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> SoundEvents:
        """The rows chosen by a mask or by indices."""
        return SoundEvents(self.frames[keep], self.categories[keep], self.x[keep])

    def mirrored(self, width: float = SAVGBENCH.size) -> SoundEvents:
        """The events of the audio with its channels swapped."""
        return self.with_x(width - self.x)


@dataclass(frozen=True, eq=False)
class ClipLabels(_Table):
    """Positions of the sounding event in the 256×144 picture, N rows at 10 frames a second.

    Rows of a file that are repeated exactly count once. Classes: 0, 1 (speech), 9 (instrument); x, y
    in pixels.
    """

    frames: NDArray[np.int64]
    classes: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]

    _columns: ClassVar[str] = "frame,class,x,y"
    _distinct: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _column(self, "frames", np.int64)
        _column(self, "classes", np.int64)
        _column(self, "x", np.float64)
        _column(self, "y", np.float64)
        _check_lengths(self)
        unknown = sorted(set(self.classes.tolist()) - set(LABEL_CLASSES))
        if unknown:
            raise ValueError(f"ClipLabels.classes must be 0, 1 or 9, got {unknown}.")

    @classmethod
    def _from_rows(cls, rows: NDArray[np.float64]) -> Self:
        return cls(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3])  # type: ignore[arg-type]

    def _rows(self) -> Iterable[Sequence[object]]:
        for frame, label, x, y in zip(self.frames, self.classes, self.x, self.y, strict=True):
            yield [frame, label, _plain(x), _plain(y)]

    @property
    def categories(self) -> NDArray[np.int64]:
        """Speech (0) or instrument (1) for each row."""
        return np.array([LABEL_CLASSES[c] for c in self.classes.tolist()], np.int64)

    def mirrored(self, width: float = SAVGBENCH.size) -> ClipLabels:
        """The labels of the clip flipped left to right."""
        return ClipLabels(self.frames, self.classes, width - self.x, self.y)

    def events(self) -> SoundEvents:
        """The labels as the events that a perfect SELD would detect."""
        return SoundEvents(self.frames, self.categories, self.x)


@dataclass(frozen=True, eq=False)
class Alignment:
    """The sound events judged in order: `matched` bool [N], True where a person is near (TP).

    margin: pixels to either side of an event within which a person counts.
    """

    matched: NDArray[np.bool_]
    margin: float = MARGIN

    def __post_init__(self) -> None:
        matched = np.array(self.matched, bool)
        if matched.ndim != 1:
            raise ValueError(f"Alignment.matched must have shape (N,), got {matched.shape}.")
        if not self.margin >= 0:
            raise ValueError(f"Alignment.margin must be ≥ 0, got {self.margin}.")
        matched.flags.writeable = False
        object.__setattr__(self, "matched", matched)

    @property
    def tp(self) -> int:
        """Number of sound events with a person near."""
        return int(self.matched.sum())

    @property
    def fn(self) -> int:
        """Number of sound events without a person near."""
        return int((~self.matched).sum())

    @property
    def score(self) -> float | None:
        """TP / (TP + FN), or None without sound events."""
        return self.tp / len(self.matched) if len(self.matched) else None
