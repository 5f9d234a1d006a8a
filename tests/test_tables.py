"""Tables for people, in which nothing runs, and tables of numbers."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from savg.annotation import Boxes, ClipLabels, SoundEvents
from savg.data.starss.labels import read_labels
from savg.errors import SavgError
from savg.evaluation.clip_scores import scores_from_json
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
    with pytest.raises(SavgError, match=r"none\.csv: no such text table"):
        list(read_cells(tmp_path / "none.csv", "a,b"))


TABLES = [Boxes.read_csv, SoundEvents.read_csv, ClipLabels.read_csv, read_labels, read_csv]
ROWS = ["0,0,1,2,3,4", "0,0,1", "0,0,1,2", "0,0,0,1,2,3", "frame,class"]
READERS = list(zip(TABLES, ROWS, strict=True))


def refused(read, path: Path) -> str:
    with pytest.raises(SavgError) as info:
        read(path)
    sentence = str(info.value)
    assert str(path) in sentence and sentence.endswith(".") and len(sentence) < 400 + len(str(path))
    return sentence


@pytest.mark.parametrize(("read", "row"), READERS)
def test_a_byte_order_mark_and_any_line_ends_are_read(tmp_path: Path, read, row: str) -> None:
    path = tmp_path / "t.csv"
    lengths = set()
    second = row.replace("0", "1", 1)
    for start, end in (("", "\n"), ("\ufeff", "\n"), ("\ufeff", "\r\n"), ("", "\r"), ("", "\n\n")):
        path.write_bytes((start + row + end + second + end).encode())
        lengths.add(len(read(path)))
    assert lengths == ({1} if read is read_csv else {2})
    path.write_bytes(f"\ufeffname\n{row}\n".encode())
    if read is read_csv:
        path.write_bytes("\ufeffname,b\n1,2\n".encode())
        assert read(path) == [{"name": "1", "b": "2"}]


@pytest.mark.parametrize(("read", "row"), READERS)
def test_strange_files_are_one_sentence_at_once(tmp_path: Path, read, row: str) -> None:
    path = tmp_path / "t.csv"
    for data, words in (
        ("é\n".encode("latin-1"), "must be text in UTF-8"),
        (f"{row}\n".encode("utf-16"), "must be text in UTF-8"),
        (b"x" * 131_073, "field larger than field limit"),
        (b"1," * 1_000_000, "at most 1000 cells"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
        (b"0,0,0\n" * 6_000_000, "too large"),
    ):
        path.write_bytes(data)
        assert words in refused(read, path)
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    assert "is a pipe or device" in refused(read, pipe)
    assert "no such text table" in refused(read, tmp_path / "gone.csv")
    assert "could not be opened" in refused(read, tmp_path / ("x" * 300))


@pytest.mark.parametrize(
    "cell", ["1_0", "１２", "٣", "1\0", "", "x" * 1000, "0x1", "1,", "\x1b[2J"]
)
@pytest.mark.parametrize(("read", "row"), READERS[:-1])
def test_only_plain_numbers_are_numbers(tmp_path: Path, read, row: str, cell: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(row.replace("0", cell, 1) + "\n")
    sentence = refused(read, path)
    assert sentence.isprintable() and "line 1" in sentence


@pytest.mark.parametrize("cell", [" 0", "0.0", "+0", "0e3", "-0", "0 "])
def test_plain_numbers_are_read(tmp_path: Path, cell: str) -> None:
    (tmp_path / "t.csv").write_text(f"{cell},0,5\n")
    assert SoundEvents.read_csv(tmp_path / "t.csv").frames.tolist() == [0]


def test_labels_repeated_exactly_count_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("3,9,1,2\n3,9,1,2\n0,9,1,2\n3,9,1.0,2\n3,9,1,3\n0,9,1,2\n")
    labels = ClipLabels.read_csv(path)
    assert labels.frames.tolist() == [3, 0, 3] and labels.y.tolist() == [2, 2, 3]
    path.write_text("3,9,0,10,5,100\n3,9,0,10,5,100\n3,9,1,10,5,100\n0,9,0,10,5,100\n")
    recording = read_labels(path)
    assert recording.frames.tolist() == [3, 3, 0] and recording.sources.tolist() == [0, 1, 0]
    path.write_text("3,9,1\n3,9,1\n")
    assert len(SoundEvents.read_csv(path)) == 2, "detections are scored row by row"


def test_a_row_longer_than_its_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1\n1,2,3\n")
    assert "line 3: a row must have 2 cells, got 3" in refused(read_csv, tmp_path / "t.csv")


@pytest.mark.parametrize("score", ['"0.5"', '"1_0"', "true", "[1]", "1e999", "-1", '"１"', "NaN"])
def test_scores_that_are_no_numbers_are_refused(tmp_path: Path, score: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(f'{{"each": [{{"clip": "a", "score": {score}}}]}}')
    refused(scores_from_json, path)
