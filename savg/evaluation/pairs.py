"""Clips of two runs that belong together: of one name, or made of one seed by two models."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from savg.evaluation.score import Row

SEED = re.compile(r"seed\d+_\d+$")
"""End of the names that `savg generate` gives: what follows the model's name."""


def paired_rows(first: Sequence[Row], second: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Rows of the same clip in two runs, in the order of the first one.

    Clips belong together by equal names; where no two names are equal, by the end seedS_NNNN of
    their names, if it is in each run once.

    Example:
        >>> paired_rows([{"clip": "joint_seed0_0003"}], [{"clip": "two_stage_seed0_0003"}])
        [({'clip': 'joint_seed0_0003'}, {'clip': 'two_stage_seed0_0003'})]
    """
    names = ({str(row["clip"]): row for row in rows} for rows in (first, second))
    pairs = _pairs(*names)
    return pairs or _pairs(_by_seed(first), _by_seed(second))


def _pairs(first: Mapping[str, Row], second: Mapping[str, Row]) -> list[tuple[Row, Row]]:
    return [(row, second[name]) for name, row in first.items() if name in second]


def _by_seed(rows: Sequence[Row]) -> dict[str, Row]:
    """Rows by the end of their names; those that share it are left out."""
    ends = {str(row["clip"]): SEED.search(str(row["clip"])) for row in rows}
    counts = Counter(end[0] for end in ends.values() if end)
    return {
        end[0]: row
        for row in rows
        if (end := ends[str(row["clip"])]) is not None and counts[end[0]] == 1
    }
