"""Tables that a spreadsheet may open: nothing in them runs."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from savg.tables import safe_cell, write_csv


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "|x", "%x"]
)
def test_formulas_are_disarmed(text: str, tmp_path: Path) -> None:
    assert safe_cell(text) == f"'{text}"
    write_csv(tmp_path / "t.csv", [{"a": text, "b": -1.5, "c": None, "d": "fine -1"}])
    with (tmp_path / "t.csv").open(newline="") as stream:
        assert list(csv.reader(stream))[1] == [f"'{text}", "-1.5", "", "fine -1"]
