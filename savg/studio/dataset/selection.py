"""Which clips of a dataset a visitor wants to see, and in which order."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES
from savg.data.bench_table import BenchTable, within
from savg.format import SAVGBENCH

CATEGORIES = {"All": None, **{name.capitalize(): i for i, name in enumerate(CATEGORY_NAMES)}}

THIRD = SAVGBENCH.size / 3
PLACES = {
    "All": (-math.inf, math.inf),
    "Left": (-math.inf, THIRD),
    "Centre": (THIRD, 2 * THIRD),
    "Right": (2 * THIRD, math.inf),
}
"""Thirds of the frame, in pixels."""

ORDERS: dict[str, Callable[[BenchTable], NDArray[Any]] | None] = {
    "Name": None,
    "Left to right": lambda table: table.x,
    "Loudest first": lambda table: -table.level_db,
    "Quietest first": lambda table: table.level_db,
    "Least sound first": lambda table: table.active,
    "Sound and label disagree most": lambda table: -table.disagreement_db,
}
"""What to sort by, smallest first; clips of which it is not known come last."""


@dataclass(frozen=True)
class Selection:
    """Filters and an order; what is not one of the choices means no filter.

    search: words that the clip's name contains; recording: its name or "" for all; towards, reach:
    views within so many degrees of an azimuth, all of them from 180 on.
    """

    search: str = ""
    category: str = "All"
    place: str = "All"
    recording: str = ""
    towards: float = 0.0
    reach: float = 180.0
    order: str = "Name"

    def __post_init__(self) -> None:
        for name, kind, otherwise in (
            ("search", str, ""),
            ("category", str, "All"),
            ("place", str, "All"),
            ("recording", str, ""),
            ("order", str, "Name"),
            ("towards", int | float, 0.0),
            ("reach", int | float, 180.0),
        ):
            value = getattr(self, name)
            if not isinstance(value, kind) or (value != value):
                object.__setattr__(self, name, otherwise)

    def rows(self, table: BenchTable) -> NDArray[np.int64]:
        """Indices in the table of the clips that pass, in the requested order."""
        keep = within(table.views, self.towards, self.reach)
        category = CATEGORIES.get(self.category)
        if category is not None:
            keep &= table.categories == category
        low, high = PLACES.get(self.place, PLACES["All"])
        if low > -math.inf or high < math.inf:
            keep &= (table.x >= low) & (table.x < high)
        if self.recording:
            keep &= table.recordings == self.recording
        names = np.char.lower(table.names) if self.search.strip() and len(table) else table.names
        for word in self.search.lower().split():
            keep &= np.char.find(names, word) >= 0
        rows = np.flatnonzero(keep)
        order = ORDERS.get(self.order)
        if order is not None:
            rows = rows[np.argsort(order(table)[rows], kind="stable")]
        return rows
