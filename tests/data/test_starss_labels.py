"""Labels of STARSS23 recordings: three forms of file, and one sentence for anything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from savg.data.starss.labels import RecordingLabels, read_labels
from savg.errors import SavgError


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "take.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_six_columns_keep_source_and_distance(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, "0,1,3,-90,10,250\n7,9,0,45,-5,120\n"))
    assert labels.frames.tolist() == [0, 7]
    assert labels.classes.tolist() == [1, 9]
    assert labels.sources.tolist() == [3, 0]
    assert labels.azimuths.tolist() == [-90, 45]
    assert labels.elevations.tolist() == [10, -5]
    assert labels.distances is not None
    assert labels.distances.tolist() == [250, 120]


def test_five_columns_have_no_distance(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, "4,12,2,17,-3\n"))
    assert (labels.sources.tolist(), labels.azimuths.tolist()) == ([2], [17])
    assert labels.distances is None


def test_four_columns_have_no_source(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, "4,0,17,-3\n5,0,18,-3\n"))
    assert labels.sources.tolist() == [0, 0]
    assert labels.azimuths.tolist() == [17, 18]
    assert labels.elevations.tolist() == [-3, -3]


@pytest.mark.parametrize("text", ["", "\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_a_silent_recording(tmp_path: Path, text: str | bytes) -> None:
    assert len(read_labels(written(tmp_path, text))) == 0


def test_byte_order_mark_carriage_returns_and_spaces_are_read(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, b"\xef\xbb\xbf0,1,0,10,0\r\n\r\n1, 1, 0, 11.5, 0\r\n"))
    assert labels.azimuths.tolist() == [10, 11.5]


def test_azimuths_wrap_and_any_order_is_preserved(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, "9,0,0,360,0\n2,0,0,270,0\n2,1,0,180,0\n0,0,0,-180,0\n"))
    assert labels.frames.tolist() == [9, 2, 2, 0]
    assert labels.azimuths.tolist() == [0, -90, -180, -180]


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("frame,class,source,azimuth,elevation\n0,0,0,0,0\n", 1, "numbers"),
        ("0,0,0\n", 1, "4, 5 or 6 columns"),
        ("0,0,0,0,0,0,0\n", 1, "4, 5 or 6 columns"),
        ("0,0,0,0,0\n1,0,0,0,0,100\n", 2, "5 columns as before, got 6"),
        ("0,0,0,0,0\n\n1,0,0,,0\n", 3, "numbers"),
        ("0,0,0,0,0\n1,13,0,0,0\n", 2, "class must be in 0…12, got 13"),
        ("-1,0,0,0,0\n", 1, "frame must be in"),
        ("0,-1,0,0,0\n", 1, "class must be in"),
        ("0,0,0,-181,0\n", 1, "azimuth must be in -180…360, got -181"),
        ("0,0,0,361,0\n", 1, "azimuth must be in"),
        ("0,0,0,0,91\n", 1, "elevation must be in -90…90, got 91"),
        ("0.5,0,0,0,0\n", 1, "frame must be a whole number, got 0.5"),
        ("0,0,nan,0,0\n", 1, "source must be in"),
        ("0,0,0,inf,0\n", 1, "azimuth must be in"),
        ("0,0,0,0,0,-4\n", 1, "distance must be in"),
        ("0;0;0;0;0\n", 1, "4, 5 or 6 columns"),
    ],
)
def test_one_sentence_names_file_and_line(
    tmp_path: Path, text: str, line: int, expected: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SavgError) as error:
        read_labels(path)
    sentence = str(error.value)
    assert f"{path}, line {line}" in sentence
    assert expected in sentence
    assert sentence.endswith(".") and "\n" not in sentence


@pytest.mark.parametrize("content", [b"\xff\xfe0\x00,\x00", b"RIFF\x00\x00\x9c\x81WAVE"])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    with pytest.raises(SavgError, match=r"take\.csv"):
        read_labels(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SavgError, match=r"absent\.csv: no such text table"):
        read_labels(tmp_path / "absent.csv")


def test_columns_are_of_one_length_and_cannot_be_changed() -> None:
    labels = RecordingLabels([0, 1], [0, 0], [0, 0], [10, 370], [0, 0])
    assert labels.azimuths.tolist() == [10, 10]
    with pytest.raises(ValueError, match="read-only"):
        labels.frames[0] = 4
    with pytest.raises(ValueError, match=r"classes must have shape \(2,\), got \(1,\)"):
        RecordingLabels([0, 1], [0], [0, 0], [1, 1], [0, 0])
    with pytest.raises(ValueError, match="frames must be ≥ 0, got -1"):
        RecordingLabels([-1], [0], [0], [1], [0])
    with pytest.raises(ValueError, match="distances"):
        RecordingLabels([0], [0], [0], [1], [0], np.zeros(2))
