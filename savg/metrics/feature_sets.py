"""Sets of clips by their features, for distances between two sets.

A backbone gives each clip windows of features, [W, D] or [V, W, D] with the views of its audio (left,
right, mid, side; or one). A set pools all windows of all its clips; what is resampled is the clip,
so that the windows of a clip stay together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError

Floats = NDArray[np.float64]

LARGEST = 1e30
"""Size of features above which their cubes and squares would be infinite."""

MOST_NAMED = 3
"""Clips that a message lists by name."""


class FeatureError(SavgError, ValueError):
    """Features of which no distance can be computed."""


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Windows of features of a set of clips.

    rows: [N, D], the windows of all clips, clip by clip; windows: [clips], how many each clip has,
    at least one.

    Raises: FeatureError for other shapes or values that are not finite.
    """

    rows: Floats
    windows: NDArray[np.int64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", np.asarray(self.rows, np.float64))
        object.__setattr__(self, "windows", np.asarray(self.windows, np.int64))
        if self.rows.ndim != 2 or not self.rows.shape[1]:
            raise FeatureError(f"rows must be [windows, dimensions], got {self.rows.shape}.")
        if self.windows.ndim != 1 or (self.windows < 1).any():
            raise FeatureError("Each clip must have at least one window of features.")
        if self.windows.sum() != len(self.rows):
            raise FeatureError(
                f"rows must be the {self.windows.sum()} windows of the clips, got {len(self.rows)}."
            )
        if not np.isfinite(self.rows).all():
            raise FeatureError("Features must be finite.")

    @classmethod
    def of_clips(cls, clips: Sequence[NDArray[np.floating]]) -> FeatureSet:
        """The set of clips with windows [W, D] each."""
        rows = np.concatenate(clips).astype(np.float64)
        return cls(rows, np.array([len(clip) for clip in clips]))

    @classmethod
    def of_rows(cls, rows: NDArray[np.floating]) -> FeatureSet:
        """The set of clips with one window each, rows [clips, D]."""
        return cls(np.asarray(rows, np.float64), np.ones(len(rows), np.int64))

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.windows)

    @property
    def dimensions(self) -> int:
        return self.rows.shape[1]

    @property
    def starts(self) -> NDArray[np.int64]:
        """The first row of each clip."""
        return np.cumsum(self.windows) - self.windows

    @property
    def clip_of_row(self) -> NDArray[np.int64]:
        """The clip of each row."""
        return np.repeat(np.arange(len(self)), self.windows)

    def take(self, clips: NDArray[np.int64]) -> FeatureSet:
        """The set of chosen clips, in that order."""
        chosen = np.split(self.rows, self.starts[1:])
        return FeatureSet.of_clips([chosen[clip] for clip in clips])

    def joined(self, other: FeatureSet) -> FeatureSet:
        """The clips of this set and then those of another one."""
        rows = np.concatenate([self.rows, other.rows])
        return FeatureSet(rows, np.concatenate([self.windows, other.windows]))


def view_sets(
    name: str, whose: str, clips: Iterable[tuple[str, NDArray[np.floating]]]
) -> list[FeatureSet]:
    """The set of each view of clips' features; clips without a window are left out.

    Args:
        name: of the features, for messages.
        whose: "generated" or "reference", for messages.
        clips: names and features, [W, D] or [V, W, D], of one D and V.

    Raises:
        FeatureError: there are fewer than two clips with windows; shapes differ; a value is not finite;
            the sentence names the clips.
    """
    named = [(clip, a[None] if a.ndim == 2 else a) for clip, a in clips]
    for clip, array in named:
        shape, first = array.shape, named[0][1].shape
        if len(shape) != 3 or 0 in (shape[0], shape[-1]) or shape[::2] != first[::2]:
            raise FeatureError(
                f"Features {name} of all {whose} clips must have one form: {list(first)} of "
                f"{named[0][0]!r}, got {list(shape)} of {clip!r}."
            )
    broken = [clip for clip, array in named if not (np.abs(array) < LARGEST).all()]
    if broken:
        more = f" and {len(broken) - MOST_NAMED} more" if len(broken) > MOST_NAMED else ""
        names = ", ".join(map(repr, broken[:MOST_NAMED])) + more
        raise FeatureError(
            f"Features {name} must be finite, got NaN, infinity or more than {LARGEST:g} in {names}."
        )
    present = [array for _, array in named if array.shape[1]]
    if len(present) < 2:
        raise FeatureError(f"Features {name} need at least 2 {whose} clips, got {len(present)}.")
    return [FeatureSet.of_clips([a[view] for a in present]) for view in range(len(present[0]))]


def rotated(x: FeatureSet, y: FeatureSet) -> tuple[FeatureSet, FeatureSet]:
    """Both sets in coordinates along their rows where these are fewer than the dimensions.

    Lengths, angles and so all distances stay as they are, up to rounding.
    """
    rows = np.concatenate([x.rows, y.rows])
    if len(rows) >= x.dimensions:
        return x, y
    coordinates = np.transpose(np.linalg.qr(rows.T, mode="r"))
    return (
        FeatureSet(coordinates[: len(x.rows)], x.windows),
        FeatureSet(coordinates[len(x.rows) :], y.windows),
    )


def identical_clips(clips: FeatureSet) -> int:
    """Clips whose features are exactly those of an earlier clip of the set."""
    pieces = _pieces(clips)
    return len(pieces) - len(set(pieces))


def shared_clips(x: FeatureSet, y: FeatureSet) -> int:
    """Clips of x whose features are exactly those of a clip of y."""
    known = set(_pieces(y))
    return sum(piece in known for piece in _pieces(x))


def _pieces(clips: FeatureSet) -> list[bytes]:
    return [piece.tobytes() for piece in np.split(clips.rows, clips.starts[1:])]
