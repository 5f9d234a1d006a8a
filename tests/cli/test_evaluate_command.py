"""`python -m savg evaluate` on tables whose scores can be counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from savg.annotation import Boxes, SoundEvents
from savg.cli import main


def write(folder, name: str, x: list[float], box: tuple[float, float], frame: int = 0) -> None:
    """A clip with sounds at x in its first tenths of a second, and one person there."""
    count = len(x)
    events = SoundEvents(np.arange(count) + frame, np.zeros(count), np.array(x))
    boxes = Boxes(np.array([0]), np.array([0]), np.array([[box[0], 60.0, box[1], 190.0]]))
    events.write_csv(folder / f"{name}.events.csv")
    boxes.write_csv(folder / f"{name}.boxes.csv")


def test_tables_are_scored_with_their_chance_baselines(tmp_path, capsys) -> None:
    write(tmp_path, "left", [30.0, 40.0], (20.0, 50.0))
    write(tmp_path, "right", [220.0, 60.0], (200.0, 240.0))
    assert main(["evaluate", str(tmp_path), "--json"]) == 0
    generated = json.loads(capsys.readouterr().out)["sets"]["generated"]
    result = generated["metrics"]["spatial_av_align"]
    assert (generated["clips"], result["value"]) == (2, 0.75)
    assert (result["notes"]["tp"], result["notes"]["fn"]) == (3, 1)
    # swapped: 226, 216 against 20…50; 36, 196 against 200…240. Others: 220, 60 and 30, 40.
    assert result["nulls"] == {"centre": 0.0, "swapped": 0.25, "shuffled": 0.25}
    assert result["low"] <= 0.75 <= result["high"]


def test_the_table_is_readable(tmp_path, capsys) -> None:
    write(tmp_path, "one", [30.0], (20.0, 50.0))
    assert main(["evaluate", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "Spatial AV-Align  1.000" in text and "chance: shuffled  –" in text


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda folder: None, "must hold videos or tables"),
        (lambda folder: (folder / "a.events.csv").write_text("0,0,5\n"), "has no a.boxes.csv"),
        (lambda folder: write(folder, "b", [9.0], (1, 2), frame=90), "b.events.csv"),
    ],
)
def test_a_wrong_folder_gets_one_sentence(tmp_path, capsys, make, words) -> None:
    make(tmp_path)
    assert main(["evaluate", str(tmp_path)]) == 1
    output = capsys.readouterr().err
    assert words in output and output.startswith("error: ") and output.count("\n") == 1


def test_json_tells_of_clips_that_all_failed(tmp_path, capsys) -> None:
    (tmp_path / "a.events.csv").write_text("0,0,5\n")
    assert main(["evaluate", str(tmp_path), "--json"]) == 1
    output = json.loads(capsys.readouterr().out)
    generated, (failed,) = output["sets"]["generated"], output["failed"]
    assert generated["clips"] == 0 and not output["each"]
    assert generated["metrics"]["spatial_av_align"]["value"] is None
    assert failed["clip"] == "a" and "has no a.boxes.csv" in failed["reason"]


def test_a_negative_seed_is_refused(tmp_path, capsys) -> None:
    write(tmp_path, "one", [30.0], (20.0, 50.0))
    assert main(["evaluate", str(tmp_path), "--seed", "-1"]) == 1
    assert capsys.readouterr().err == "error: --seed must be a whole number ≥ 0, got -1.\n"


def test_a_missing_folder_or_a_file_is_named(tmp_path, capsys) -> None:
    (tmp_path / "file").write_text("")
    for name in ("missing", "file"):
        assert main(["evaluate", str(tmp_path / name)]) == 1
        assert str(tmp_path / name) in capsys.readouterr().err
