"""Tables for people, in which nothing runs, and tables of numbers."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from savg.errors import SavgError
from savg.tables import numbers, read_cells, read_csv, safe_cell, write_cells, write_csv


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "|x", "%x"]
)
def test_formulas_are_disarmed(text: str, tmp_path: Path) -> None:
    assert safe_cell(text) == f"'{text}"
    write_csv(tmp_path / "t.csv", [{"a": text, "b": -1.5, "c": None, "d": "fine -1"}])
    with (tmp_path / "t.csv").open(newline="") as stream:
        assert list(csv.reader(stream))[1] == [f"'{text}", "-1.5", "", "fine -1"]


def test_rows_of_different_names_come_back_under_all_of_them(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", [{"a": 1}, {"b": 0.1, "a": 2}])
    assert read_csv(tmp_path / "t.csv") == [{"a": "1", "b": ""}, {"a": "2", "b": "0.1"}]
    write_csv(tmp_path / "empty.csv", [])
    assert read_csv(tmp_path / "empty.csv") == [] == list(read_cells(tmp_path / "empty.csv", "a"))


def test_numbers_have_no_header_and_mistakes_a_place(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    write_cells(path, [(1, 2.5), (3, -4)])
    assert path.read_bytes() == b"1,2.5\n3,-4\n"
    rows = [numbers(row, "a,b", where) for where, row in read_cells(path, "a,b")]
    assert rows == [[1, 2.5], [3, -4]]
    path.write_text("1,2\n\n1,x\n1,inf\n")
    (_, good), bad, endless = read_cells(path, "a,b")
    assert numbers(good, "a,b", "") == [1, 2] and bad[0] == f"{path}, line 3"
    with pytest.raises(SavgError, match=r"n\.csv, line 3: cells must be numbers \(a,b\), got 1,x"):
        numbers(bad[1], "a,b", bad[0])
    with pytest.raises(SavgError, match="finite"):
        numbers(endless[1], "a,b", endless[0])


def test_what_is_no_text_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SavgError, match=r"x\.csv is not a text table of a,b"):
        list(read_cells(tmp_path / "x.csv", "a,b"))
    with pytest.raises(SavgError, match=r"none\.csv could not be read"):
        list(read_cells(tmp_path / "none.csv", "a,b"))
