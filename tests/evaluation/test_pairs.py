"""Clips of two runs that belong together."""

from __future__ import annotations

import pytest

from savg.evaluation.pairs import paired_rows


@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        ("a b c", "c x a", [("a", "a"), ("c", "c")]),
        (
            "joint_seed0_0001 joint_seed0_0002",
            "two_seed0_0002",
            [("joint_seed0_0002", "two_seed0_0002")],
        ),
        ("joint_seed0_0001", "two_seed1_0001", []),
        ("a_seed0_0001 b_seed0_0001", "c_seed0_0001", []),  # which of the two is not known
        ("same j_seed0_0001", "same k_seed0_0001", [("same", "same")]),  # names come first
        ("x", "y", []),
        ("", "a", []),
    ],
)
def test_names_come_first_then_seeds(first: str, second: str, pairs: list[tuple[str, str]]) -> None:
    rows = [
        [{"clip": name, "n": i} for i, name in enumerate(text.split())] for text in (first, second)
    ]
    found = paired_rows(*rows)
    assert [(a["clip"], b["clip"]) for a, b in found] == pairs
    assert all(a in rows[0] and b in rows[1] for a, b in found)
