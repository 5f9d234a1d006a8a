"""A measure of sound events by where and by what they are, each group with its own interval."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES, SoundEvents
from savg.format import SAVGBENCH
from savg.metrics.statistics import ratio_interval

BINS = 5
"""Equal parts of the frame's width."""

Judged = tuple[SoundEvents, NDArray[Any]]
"""Events of a clip, and of each whether it is matched, or another value [N]; NaN does not count."""


def by_position(
    clips: Sequence[Judged], bins: int = BINS, width: float = SAVGBENCH.size, seed: int = 0
) -> list[dict[str, Any]]:
    """A row {label, value, low, high, n} for each of `bins` equal parts of the frame, left to right.

    n counts sound events; those outside the frame count in the outer parts. value is their mean, None
    for a part without events.
    """
    edges = np.linspace(0, width, bins + 1)
    inner = edges[1:-1]
    parts = [np.searchsorted(inner, events.x, side="right") for events, _ in clips]
    labels = [f"{low:.0f}–{high:.0f} px" for low, high in pairwise(edges)]
    return [_group(label, clips, parts, index, seed) for index, label in enumerate(labels)]


def by_class(clips: Sequence[Judged], seed: int = 0) -> list[dict[str, Any]]:
    """A row {label, value, low, high, n} for speech and for instruments; n counts sound events."""
    parts = [events.categories for events, _ in clips]
    return [_group(name, clips, parts, i, seed) for i, name in enumerate(CATEGORY_NAMES)]


def _group(
    label: str, clips: Sequence[Judged], parts: Sequence[NDArray[np.int64]], part: int, seed: int
) -> dict[str, Any]:
    groups = [values[part_of == part] for (_, values), part_of in zip(clips, parts, strict=True)]
    sums = [float(np.nansum(group)) for group in groups]
    counts = [int(np.isfinite(group).sum()) for group in groups]
    low, high = ratio_interval(sums, counts, seed)
    n = sum(counts)
    return {"label": label, "value": sum(sums) / n if n else None, "low": low, "high": high, "n": n}
