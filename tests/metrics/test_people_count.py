"""How many people a clip shows, and clips with too few or too many."""

from __future__ import annotations

import numpy as np
import pytest

from savg.annotation import Boxes
from savg.metrics.people_count import people_count, people_in_frames, wrong_people


def seen(*numbers: int) -> Boxes:
    """So many people in each frame, and a bottle in the first."""
    frames = np.concatenate([[0], np.repeat(np.arange(len(numbers)), numbers)])
    categories = np.array([39] + [0] * sum(numbers))
    return Boxes(frames, categories, np.tile([10.0, 60, 30, 150], (len(frames), 1)))


def test_the_count_is_that_of_most_frames() -> None:
    assert people_in_frames(seen(1, 2, 0, 1), 5).tolist() == [1, 2, 0, 1, 0]
    assert people_count(seen(1, 2, 1, 1), 4) == 1
    assert people_count(seen(2, 1, 2, 1), 4) == 1  # of equals the smaller
    assert people_count(seen(2, 1, 0, 0, 0), 5) == 0
    assert people_count(seen(1, 1, 3, 3, 3), 5) == 3


def test_missing_and_duplicate_people_are_told_apart() -> None:
    result = wrong_people([1, 0, 2, 2, 3], [(1, 1), (1, 1), (1, 1), (2, 2), (1, 3)])
    assert result.value == pytest.approx(2 / 5) and result.n == 5
    assert result.notes["missing"] == result.notes["duplicate"] == pytest.approx(1 / 5)
    assert result.notes["clips_by_people"] == {"0": 1, "1": 1, "2": 2, "3": 1}
    counts, expected = [1, 0, 2, 2, 3], [(1, 1)] * 3 + [(2, 2), (1, 3)]
    pairs = [(c, e) for c, own in zip(counts, expected, strict=True) for e in expected if e != own]
    wrong = sum(not least <= count <= most for count, (least, most) in pairs)
    assert result.nulls["shuffled"] == pytest.approx(wrong / len(pairs))
    same = wrong_people([1, 1], [(1, 1), (1, 1)])
    assert same.value == 0 and same.nulls["shuffled"] is None
    assert wrong_people([], []).value is None
    with pytest.raises(ValueError, match="must have 1 entries, as counts, got 0"):
        wrong_people([1], [])
