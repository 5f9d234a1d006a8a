"""The tables: their published CSV forms, their checks, and left against right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from savg.annotation import Alignment, Boxes, ClipLabels, SoundEvents
from savg.errors import SavgError


def boxes() -> Boxes:
    return Boxes([0, 3], [0, 0], [[1, 2.5, 30, 40], [-3.25, 0, 9, 8]], [0.9, 0.5])


def test_csv_has_the_published_form_and_comes_back(tmp_path: Path) -> None:
    boxes().write_csv(tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text() == "0,0,1,2.5,30,40\n3,0,-3.25,0,9,8\n"
    back = Boxes.read_csv(tmp_path / "b.csv")
    np.testing.assert_array_equal(back.xyxy, boxes().xyxy)
    assert back.scores is None

    SoundEvents([7], [1], [1 / 3]).write_csv(tmp_path / "e.csv")
    assert SoundEvents.read_csv(tmp_path / "e.csv").x[0] == 1 / 3
    ClipLabels([7], [9], [100], [72.5]).write_csv(tmp_path / "l.csv")
    assert (tmp_path / "l.csv").read_text() == "7,9,100,72.5\n"


@pytest.mark.parametrize("table", [Boxes, SoundEvents, ClipLabels])
def test_an_empty_file_is_an_empty_table(table: type, tmp_path: Path) -> None:
    (tmp_path / "t.csv").touch()
    empty = table.read_csv(tmp_path / "t.csv")
    assert len(empty) == 0
    empty.write_csv(tmp_path / "u.csv")
    assert (tmp_path / "u.csv").read_bytes() == b""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0,0,1\n0,0\n", "line 2: expected 3 columns"),
        ("0,0,left\n", "line 1: cells must be numbers"),
        ("0,0,nan\n", "line 1: cells must be finite numbers"),
        ("-1,0,3\n", "frames must be ≥ 0, got -1"),
        ("0.5,0,3\n", "whole numbers"),
    ],
)
def test_a_wrong_csv_names_file_and_line(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.csv").write_text(text)
    with pytest.raises(SavgError, match=sentence) as caught:
        SoundEvents.read_csv(tmp_path / "wrong.csv")
    assert "wrong.csv" in str(caught.value)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SavgError, match="no such text table"):
        Boxes.read_csv(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(SavgError, match="not a text table"):
        Boxes.read_csv(tmp_path / "b.csv")


def test_shapes_are_checked_with_expected_and_received() -> None:
    with pytest.raises(ValueError, match=r"\(N, 4\), got \(1, 3\)"):
        Boxes([0], [0], [[1, 2, 3]])
    with pytest.raises(ValueError, match="one length"):
        SoundEvents([0, 1], [0], [1.0])
    with pytest.raises(ValueError, match="x0 ≤ x1"):
        Boxes([0], [0], [[5, 0, 4, 1]])
    with pytest.raises(ValueError, match=r"must be 0, 1 or 9, got \[5\]"):
        ClipLabels([0], [5], [1], [1])


def test_tables_are_immutable() -> None:
    with pytest.raises(ValueError, match="read-only"):
        boxes().xyxy[0, 0] = 5
    source = np.zeros((1, 4))
    table = Boxes([0], [0], source)
    source[:] = 1
    assert (table.xyxy == 0).all()


def test_mirroring_swaps_left_and_right_twice_back() -> None:
    once = boxes().mirrored()
    np.testing.assert_array_equal(once.xyxy[0], [226, 2.5, 255, 40])
    np.testing.assert_array_equal(once.mirrored().xyxy, boxes().xyxy)
    labels = ClipLabels([0], [1], [10.0], [5.0])
    assert labels.mirrored().x[0] == 246
    assert labels.events().categories.tolist() == [0]
    assert labels.events().mirrored().x[0] == 246


def test_alignment_counts() -> None:
    alignment = Alignment([True, False, True])
    assert (alignment.tp, alignment.fn, alignment.score) == (2, 1, pytest.approx(2 / 3))
    assert Alignment(np.zeros(0, bool)).score is None


def test_writing_leaves_nothing_half_written(tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "b.csv"
    target.write_text("old\n")

    def broken(self):
        yield [0, 0, 1, 2, 3, 4]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Boxes, "_rows", broken)
    with pytest.raises(SavgError, match=r"b\.csv could not be written: No space left"):
        boxes().write_csv(target)
    assert target.read_text() == "old\n"
    assert [p.name for p in tmp_path.iterdir()] == ["b.csv"]
