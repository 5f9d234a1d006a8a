"""Columns of sound events in the table of label frames: one row a frame, a column for each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES, SoundEvents
from savg.metrics.base import Cells


def event_rows(events: SoundEvents, columns: Mapping[str, NDArray[Any]]) -> list[Cells]:
    """A row for each label frame with an event, in order.

    Of each column NAME [N] of the events a row has speech_NAME and instrument_NAME, None where the
    class has no event in the frame or the value is NaN; of several events of a class in a frame the
    first counts.
    """
    names = [f"{kind}_{name}" for kind in CATEGORY_NAMES for name in columns]
    rows: dict[int, dict[str, float | int | None]] = {
        frame: {"frame": frame, **dict.fromkeys(names)}
        for frame in np.unique(events.frames).tolist()
    }
    for category, kind in enumerate(CATEGORY_NAMES):
        indices = np.flatnonzero(events.categories == category)
        _, first = np.unique(events.frames[indices], return_index=True)
        for index in indices[first].tolist():
            row = rows[int(events.frames[index])]
            for name, values in columns.items():
                value = values[index].item()
                row[f"{kind}_{name}"] = None if value != value else value
    return list(rows.values())
