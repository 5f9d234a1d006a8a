"""A set of clips as columns: fast to filter, sort and count at any size.

The values of each clip come from the set's report.json where there is one, else from the names and
label tables; neither video nor audio is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from savg.annotation import CATEGORY_NAMES
from savg.data.savgbench import BenchItem, SavgBench
from savg.errors import SavgError
from savg.format import SAVGBENCH
from savg.geometry import stereo_gains, wrap_degrees, x_to_azimuth
from savg.json_files import read_object

Step = Callable[[int, int], object]

PROGRESS_INTERVAL = 200
"""Label tables between two reports of progress."""

_MEASURED = ("x", "active", "level_db", "difference_db", "peak")


@dataclass(frozen=True, eq=False)
class BenchTable:
    """N clips by column, arrays [N]; -1 or NaN where a value is unknown.

    views: azimuth in degrees 0…359, positive to the left; starts: label frames of 0.1 s; categories: 0
    speech, 1 instrument; x: mean label position in pixels, 0…256; active: share of label frames with
    a sound event; level_db of both channels together, difference_db left minus right; peak 0…1.
    """

    names: NDArray[np.str_]
    recordings: NDArray[np.str_]
    views: NDArray[np.int64]
    starts: NDArray[np.int64]
    categories: NDArray[np.int64]
    x: NDArray[np.float64]
    active: NDArray[np.float64]
    level_db: NDArray[np.float64]
    difference_db: NDArray[np.float64]
    peak: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.names)

    def select(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> BenchTable:
        """The clips chosen by a mask or by indices, in the order of the indices."""
        return BenchTable(*(getattr(self, f.name)[rows] for f in fields(self)))

    def count(self, category: int) -> int:
        """Number of clips of a category (0 speech, 1 instrument)."""
        return int((self.categories == category).sum())

    @property
    def disagreement_db(self) -> NDArray[np.float64]:
        """Distance [N] in dB of the level difference from the one expected at the label's x."""
        return np.abs(self.difference_db - expected_difference_db(self.x))


def expected_difference_db(x: ArrayLike) -> NDArray[np.float64]:
    """Left minus right level of a source at horizontal position x (pixels of 256), decoded as W ± Y.

    Of the direct sound, in dB; a room's reverberation brings it nearer to 0.
    """
    left, right = stereo_gains(x_to_azimuth(np.asarray(x, float), SAVGBENCH.size))
    return 20.0 * np.log10(left / right)


def bench_table(
    bench: SavgBench, report: Mapping[str, Any] | None = None, on_step: Step | None = None
) -> BenchTable:
    """The table of a set, in its order; report: the result of `read_report`.

    on_step(done, total) is called while label tables are read. Values of a table that cannot be read
    are unknown.
    """
    reported = {clip["name"]: clip for clip in (report or {}).get("clips", ())}
    items, rows = list(bench), []
    for done, item in enumerate(items):
        if on_step and item.name not in reported and done % PROGRESS_INTERVAL == 0:
            on_step(done, len(items))
        rows.append(_row(item, reported.get(item.name), bench.format.label_frames))
    columns: list[Any] = list(zip(*rows, strict=True)) or [()] * len(fields(BenchTable))
    dtypes = [str, str, np.int64, np.int64, np.int64] + [np.float64] * len(_MEASURED)
    return BenchTable(*(np.array(c, d) for c, d in zip(columns, dtypes, strict=True)))


def read_report(bench: SavgBench) -> dict[str, Any] | None:
    """The part of report.json about the set's split, or None without that file or part.

    Raises SavgError where the file is not the report of a dataset.
    """
    path = bench.root / "report.json"
    if not path.exists():
        return None
    try:
        part = read_object(path)["splits"].get(bench.split)
        if part is not None:
            for clip in part["clips"]:
                _ = [clip["name"], *(float(clip[name]) for name in _MEASURED)]
        return part
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SavgError(f"{path} is not the report of a dataset ({error}).") from error


def within(views: NDArray[np.int64], towards: float, reach: float) -> NDArray[np.bool_]:
    """Mask [N] of views within `reach` degrees of an azimuth, across 0; all of them from 180 on."""
    if reach >= 180:
        return np.ones(len(views), bool)
    return (views >= 0) & (np.abs(wrap_degrees(views - towards)) <= reach)


def _row(item: BenchItem, reported: Mapping[str, Any] | None, frames: int) -> tuple[Any, ...]:
    view = -1 if item.view is None else item.view
    start = -1 if item.start is None else item.start
    if reported is not None:
        measured = tuple(float(reported[name]) for name in _MEASURED)
        category = reported.get("category")
    else:
        try:
            labels = item.labels
            active = len(np.unique(labels.frames)) / frames
            measured = (float(labels.x.mean()) if len(labels) else np.nan, active)
            category = item.category
        except SavgError:
            measured, category = (np.nan, np.nan), None
        measured += (np.nan,) * (len(_MEASURED) - len(measured))
    code = CATEGORY_NAMES.index(category) if category in CATEGORY_NAMES else -1
    return (item.name, item.recording, view, start, code, *measured)
