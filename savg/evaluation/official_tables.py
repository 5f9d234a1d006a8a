"""Tables that the official networks wrote, in place of running ours: a file NAME.csv for each clip.

Rows of SELD: `frame,category,x` at 10 frames a second; of the person detector:
`frame,category,x0,y0,x1,y1` at the clip's frame rate; pixels of a frame 256 wide; no header [S1, code].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes, SoundEvents
from savg.errors import SavgError
from savg.evaluation.observe import Failure
from savg.folders import by_stem
from savg.format import SAVGBENCH, ClipFormat
from savg.metrics.base import Item, Observation, Truth
from savg.metrics.spatial import FrameError, spatial_av_align
from savg.paths import existing

Array = NDArray[np.float64]
Table = TypeVar("Table", SoundEvents, Boxes)

SUFFIX = ".csv"

NEAR, FAR = 16, 128
"""Pixels beyond the sides of the picture that a few rows may have, as SELD's do, and that none has."""

RIGHT_ANGLE, MANY, SEVERAL = 90, 10, 2
"""Largest angle of a view, and the rows and tables from which x that never exceeds it is doubtful."""

MOST_OFF, MOST_FAR = 0.1, 0.01
"""Shares of all rows beyond which they are not of this picture."""


@dataclass(frozen=True)
class OfficialTables:
    """Folders of tables; None where our own detector is run.

    sounds: of SELD; persons: of the person detector.
    """

    sounds: Path | None = None
    persons: Path | None = None

    @classmethod
    def of(cls, sounds: Path | None, persons: Path | None) -> OfficialTables:
        """The tables of these folders; SavgError for one that is not there or is no folder."""
        for option, folder in (("--seld-csv", sounds), ("--detection-csv", persons)):
            if folder is not None and not existing(folder, "folder").is_dir():
                raise SavgError(f"{option} must be a folder of tables NAME.csv, got {folder}.")
        return cls(sounds, persons)

    def __bool__(self) -> bool:
        return self.sounds is not None or self.persons is not None

    @property
    def complete(self) -> bool:
        """Whether no detector of ours is run."""
        return self.sounds is not None and self.persons is not None

    def names(self) -> list[str]:
        """The clips that have tables, in order; SavgError where there are none."""
        names = sorted(self._files[self.sounds or self.persons])
        if not names:
            raise SavgError(f"{self.sounds or self.persons} holds no tables NAME.csv.")
        return names

    @cached_property
    def _files(self) -> dict[Path | None, dict[str, Path]]:
        """Tables by name in each folder."""
        return {f: by_stem(f, (SUFFIX,)) if f else {} for f in (self.sounds, self.persons)}

    def check(self, names: list[str]) -> None:
        """SavgError, which names the first clip, where one has no table."""
        for option, folder in (("--seld-csv", self.sounds), ("--detection-csv", self.persons)):
            missing = [name for name in names if folder and name not in self._files[folder]]
            if missing:
                others = f" and {len(missing) - 1} other tables" if len(missing) > 1 else ""
                raise SavgError(f"{option}: {folder} has no {missing[0]}{SUFFIX}{others}.")

    def check_positions(self) -> list[str]:
        """SavgError where the tables' positions are not pixels of a frame 256 wide: degrees, shares of
        the frame or pixels of a larger one. Tables that cannot be read are passed over.

        Returns: sentences about positions that may be degrees as well as pixels.
        """
        sounds = _read(SoundEvents, self._files[self.sounds]) if self.sounds else []
        _refuse("--seld-csv", self.sounds, "x", [table.x for table in sounds])
        x = np.concatenate([*(table.x for table in sounds), np.zeros(0)])
        if len(x) >= MANY and np.abs(x).max() <= 1:
            raise SavgError(_sentence("--seld-csv", self.sounds, "x", x))
        persons = _read(Boxes, self._files[self.persons]) if self.persons else []
        xyxy = [table.xyxy for table in persons]
        _refuse("--detection-csv", self.persons, "x", [boxes[:, [0, 2]].ravel() for boxes in xyxy])
        _refuse("--detection-csv", self.persons, "y", [boxes[:, [1, 3]].ravel() for boxes in xyxy])
        corners = np.concatenate([boxes.ravel() for boxes in xyxy] or [np.zeros(0)])
        if len(corners) and np.abs(corners).max() <= 1:
            raise SavgError(_sentence("--detection-csv", self.persons, "corners", corners))
        heard = sum(len(table) > 0 for table in sounds)
        if heard >= SEVERAL and len(x) >= MANY and x.min() >= 0 and x.max() <= RIGHT_ANGLE:
            return [
                f"--seld-csv: x of all {len(x)} rows in {self.sounds} is {x.min():g} … {x.max():g}: as "
                "pixels all sounds lie in the left third of the frame, as degrees anywhere on one "
                f"side. They must be pixels of a frame {SAVGBENCH.size} wide."
            ]
        return []

    def events(self, name: str) -> SoundEvents:
        """The sound events of a clip."""
        return SoundEvents.read_csv(self._files[self.sounds][name])

    def boxes(self, name: str) -> Boxes:
        """The boxes of a clip."""
        return Boxes.read_csv(self._files[self.persons][name])

    def put_into(self, item: Item) -> Item | Failure:
        """An item with these tables in place of detections; a Failure for a table that is none, or
        that goes beyond the clip's end."""
        try:
            observation = item.observation
            if self.sounds is not None:
                observation = replace(observation, events=self.events(item.name))
            if self.persons is not None:
                boxes = self.boxes(item.name)
                observation = replace(observation, boxes=boxes, candidates=boxes)
            spatial_av_align(observation.events, observation.boxes, observation.format)
        except FrameError as error:
            return Failure(item.name, f"The tables of {item.name} do not fit the clip: {error}")
        except SavgError as error:
            return Failure(item.name, str(error))
        return replace(item, observation=observation)

    def items(
        self,
        format: ClipFormat = SAVGBENCH,
        truth: Callable[[str], Truth] | None = None,
    ) -> Iterator[Item | Failure]:
        """An item for each clip that has tables, without a clip.

        format: of all of them; truth: ground truth of a clip by name, where it is known.
        """
        for name in self.names():
            empty = Observation(SoundEvents.empty(), Boxes.empty(), format)
            try:
                labels = truth(name) if truth else None
            except SavgError as error:
                yield Failure(name, str(error))
            else:
                yield self.put_into(Item(name, empty, truth=labels))


def _read(kind: type[Table], files: Mapping[str, Path]) -> list[Table]:
    tables = []
    for path in files.values():
        with suppress(SavgError):
            tables.append(kind.read_csv(path))
    return tables


def _refuse(option: str, folder: Path | None, what: str, values: Sequence[Array]) -> None:
    """SavgError where many of these coordinates are off the picture, or some are far from it."""
    pixels = np.concatenate([*values, np.zeros(0)])
    off = np.maximum(-pixels, pixels - SAVGBENCH.size)
    if len(off) and ((off > NEAR).mean() > MOST_OFF or (off > FAR).mean() > MOST_FAR):
        raise SavgError(_sentence(option, folder, what, pixels))


def _sentence(option: str, folder: Path | None, what: str, values: Array) -> str:
    return (
        f"{option}: {folder} must have {what} in pixels of a frame {SAVGBENCH.size} wide, not degrees, "
        f"shares of it or pixels of a larger one: got {values.min():g} … {values.max():g}."
    )
