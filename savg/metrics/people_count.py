"""How many people a clip shows, and whether as many as there should be.

The count of a clip is the number of people seen in most of its frames (the smaller of equally frequent
numbers), so that one frame with a doubled box does not make two people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from savg.annotation import PERSON, Boxes
from savg.metrics.base import MetricResult
from savg.metrics.statistics import other_pairs, share_interval

WRONG_PEOPLE = "clips_with_duplicate_or_missing_people"
"""Name of the result."""

Expected = tuple[int, int]
"""Least and most people that a clip should show."""


def people_in_frames(boxes: Boxes, frames: int) -> NDArray[np.int64]:
    """Number of people in each of `frames` frames."""
    own = boxes.frames[(boxes.categories == PERSON) & (boxes.frames < frames)]
    return np.bincount(own, minlength=frames)


def people_count(boxes: Boxes, frames: int) -> int:
    """The number of people seen in most of a clip's frames."""
    return int(np.bincount(people_in_frames(boxes, frames)).argmax())


def wrong_people(
    counts: Sequence[int], expected: Sequence[Expected], seed: int = 0
) -> MetricResult:
    """Share of clips that show fewer people than they should (missing) or more (duplicate).

    Args:
        counts: of the clips, by `people_count`.
        expected: of the clips; equal numbers where one number was asked for.
        seed: of the bootstrap over clips.

    Returns:
        Notes: shares missing and duplicate, and the number of clips by count. Null "shuffled": the same
        counts judged by what other clips should show; None where all should show the same.

    Raises:
        ValueError: counts and expected are of different lengths.
    """
    if len(counts) != len(expected):
        raise ValueError(
            f"expected must have {len(counts)} entries, as counts, got {len(expected)}."
        )
    if not counts:
        return MetricResult(WRONG_PEOPLE, None, notes={"reason": "There is no clip."})
    own = np.array(counts)
    least, most = np.array(expected).T
    missing, duplicate = own < least, own > most
    wrong = missing | duplicate
    low, high = share_interval(np.column_stack([wrong, ~wrong]).astype(np.int64), seed)
    others = [
        not expected[j][0] <= counts[i] <= expected[j][1]
        for i, j in other_pairs(len(counts), seed)
        if expected[i] != expected[j]
    ]
    notes = {
        "missing": float(missing.mean()),
        "duplicate": float(duplicate.mean()),
        "clips_by_people": {str(n): int((own == n).sum()) for n in sorted(set(own.tolist()))},
    }
    nulls = {"shuffled": float(np.mean(others)) if others else None}
    return MetricResult(WRONG_PEOPLE, float(wrong.mean()), low, high, len(counts), nulls, notes)
