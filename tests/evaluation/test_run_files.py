"""A run as files: what an earlier run left in the folder goes, in time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from savg.annotation import Boxes, SoundEvents
from savg.errors import SavgError
from savg.evaluation.compare import compare_runs
from savg.evaluation.outcome import Outcome, evaluate_items
from savg.evaluation.results_file import RESULTS_JSON, read_run
from savg.evaluation.run_files import CLIPS_CSV, FRAMES_CSV, about, run_of, write_run
from savg.metrics.base import Item, Observation, Reference
from savg.metrics.nearest_clip import FEATURE
from savg.metrics.registry import metric_class


def outcome(clips: int) -> Outcome:
    """Clips with thumbnails and a sound at the centre; a reference set of two."""
    rng = np.random.default_rng(0)
    thumbs = [{FEATURE: rng.integers(0, 255, (2, 8, 8, 3)).astype(np.uint8)} for _ in range(9)]
    events = SoundEvents(np.arange(3), np.zeros(3), np.full(3, 128.0))
    items = [
        Item(f"clip{i}", Observation(events, Boxes.empty(), features=thumbs[i]))
        for i in range(clips)
    ]
    made = evaluate_items(items, {"events_per_clip": metric_class("events_per_clip")})
    made.thumbnails = items
    made.reference = Reference({"first": thumbs[7], "second": thumbs[8]})
    return made


def write(folder: Path, made: Outcome) -> list[Path]:
    return write_run(folder, run_of(made, about("run", folder)), made)[1]


def test_files_of_an_earlier_run_go(tmp_path: Path) -> None:
    write(tmp_path, outcome(4))
    images = tmp_path / "nearest"
    assert sorted(path.name for path in images.iterdir()) == [f"0{i}.jpg" for i in range(1, 5)]
    (images / "mine.jpg").write_text("of somebody")
    later = outcome(2)
    later.frames = None
    paths = write(tmp_path, later)
    assert paths[-1].name == RESULTS_JSON and all(path.is_file() for path in paths)
    assert sorted(path.name for path in images.iterdir()) == ["01.jpg", "02.jpg", "mine.jpg"]
    assert not (tmp_path / FRAMES_CSV).exists()
    named = [row["image"] for row in json.loads((tmp_path / RESULTS_JSON).read_text())["nearest"]]
    assert named == ["nearest/01.jpg", "nearest/02.jpg"]


@pytest.mark.parametrize("part", ["write_csv", "write_reports", "json.dumps"])
def test_writing_that_is_interrupted_leaves_no_old_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    write(tmp_path, outcome(4))
    before, later = (tmp_path / CLIPS_CSV).read_text(), outcome(2)

    def full(*_: object, **__: object) -> None:
        raise SavgError("The disk is full.")

    place = "report_files" if part == "write_reports" else "run_files"
    monkeypatch.setattr(f"savg.evaluation.{place}.{part}", full)
    with pytest.raises(SavgError, match="disk is full"):
        write(tmp_path, later)
    assert not (tmp_path / RESULTS_JSON).exists()
    assert ((tmp_path / CLIPS_CSV).read_text() == before) is (part == "write_csv")


def test_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    (tmp_path / RESULTS_JSON).mkdir()
    with pytest.raises(SavgError, match=r"results\.json could not be removed"):
        write(tmp_path, outcome(1))


def test_a_run_tells_which_columns_its_metrics_gave(tmp_path: Path) -> None:
    write(tmp_path, outcome(4))
    run = read_run(tmp_path)
    assert set(run.about["columns"]) == {"events_per_clip"}
    assert set(run.about["columns"]["events_per_clip"]) == set(run.each[0]) - {"clip"}
    assert compare_runs(run, run).columns
