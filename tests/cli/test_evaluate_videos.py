"""`python -m savg evaluate` on videos: lengths as in annotate, new metrics, truth, bad files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import studio_fakes

import savg.detectors
from savg.annotation import Boxes, ClipLabels
from savg.cli import main
from savg.clip import Clip
from savg.format import SAVGBENCH
from savg.metrics.base import Item, Metric, MetricResult, Need
from savg.metrics.registry import METRICS, metric_class
from tests.videos import make_video

SPATIAL = "spatial_av_align"
DETECTED = [
    name for name in METRICS if metric_class(name).needs <= frozenset({Need.PERSONS, Need.SOUNDS})
]
"""Metrics of what detectors find."""


@pytest.fixture(autouse=True)
def simple(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detectors without networks."""
    monkeypatch.setattr(
        savg.detectors, "person_detector", lambda name, source, **_: studio_fakes.find_persons
    )
    monkeypatch.setattr(
        savg.detectors, "sound_detector", lambda name, source: studio_fakes.find_sounds
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clip of 3 s, one of 5 s and one of 7 s, whose speakers are heard where they are seen."""
    for seconds in (3, 5, 7):
        format = SAVGBENCH.with_frames(4 * seconds)
        clip = studio_fakes.scene(seconds, format, x=60.0 + 20 * seconds)
        (tmp_path / "clips").mkdir(exist_ok=True)
        clip.write(tmp_path / "clips" / f"{seconds}s.mp4")
    return tmp_path / "clips"


def run_json(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> Any:
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_evaluate_and_annotate_agree_on_lengths_scores_and_form(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated = run_json(capsys, "evaluate", folder, "--metrics", *DETECTED, "--no-baselines")
    annotated = run_json(capsys, "annotate", folder, "--out", tmp_path / "out", "--no-overlay")
    of_sets = {"left_out", "reference_sha256"}
    assert set(evaluated) == set(annotated)
    assert set(evaluated["run"]) - of_sets == set(annotated["run"]) - of_sets
    assert list(evaluated["sets"]) == list(annotated["sets"]) == ["generated"]
    ours, theirs = (data["sets"]["generated"] for data in (evaluated, annotated))
    assert ours["clips"] == theirs["clips"] == 3
    for name in DETECTED:
        for key in ("value", "low", "high", "n", "nulls"):
            assert ours["metrics"][name][key] == theirs["metrics"][name][key], (name, key)
    for one, other in zip(evaluated["each"], annotated["each"], strict=True):
        assert {key: other[key] for key in one} == one
        saved = json.loads(Path(other["results"][-1]).read_text())
        assert f"{saved['format']['seconds']:g}s" == one["clip"]
        assert (saved["alignment"]["tp"], saved["alignment"]["fn"]) == (one["tp"], one["fn"])
        # events until the file's end: all its tenths of a second that are loud
        events = [event["frame"] for event in saved["events"]]
        assert 0.8 * saved["format"]["seconds"] < max(events) / 10 < saved["format"]["seconds"]
    # the tables that annotate wrote, with the lengths that it noted beside them
    from_tables = run_json(capsys, "evaluate", tmp_path / "out")["sets"]["generated"]
    assert from_tables["clips"] == 3
    for key in ("value", "low", "high", "n", "nulls"):
        assert from_tables["metrics"][SPATIAL][key] == ours["metrics"][SPATIAL][key], key


class Brightness(Metric):
    """Mean brightness of the frames."""

    name = "brightness"
    label = "mean brightness"
    unit = "levels"
    needs = frozenset({Need.CLIP})

    def retain(self, item: Item) -> Item:
        self.brightness = {
            **getattr(self, "brightness", {}),
            item.name: float(item.clip.picture.mean()),
        }  # type: ignore[union-attr]
        return super().retain(item)

    @classmethod
    def cells(cls, item: Item) -> dict[str, float | int | None]:
        assert item.clip is not None
        return {"brightness": float(item.clip.picture.mean())}

    def compute(self) -> MetricResult:
        if not self.items:
            return self.undefined("There is no clip.")
        values = list(self.brightness.values())
        return MetricResult(
            self.name, sum(values) / len(values), n=len(values), nulls={"shuffled": 1.0}
        )


def test_a_new_metric_is_one_class_and_one_line(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(METRICS, "brightness", f"{__name__}:Brightness")
    chosen = ("--metrics", "brightness", SPATIAL, "--no-baselines")
    data = run_json(capsys, "evaluate", folder, *chosen, "--out", tmp_path / "report")
    paths = sorted(folder.glob("*.mp4"))
    levels = [float(Clip.read(p, max_seconds=60).picture.mean()) for p in paths]
    metrics = data["sets"]["generated"]["metrics"]
    assert metrics["brightness"]["value"] == pytest.approx(np.mean(levels))
    assert [row["brightness"] for row in data["each"]] == pytest.approx(levels)
    assert json.loads((tmp_path / "report" / "results.json").read_text()) == data
    table = (tmp_path / "report" / "report.md").read_text()
    assert "mean brightness" in table and f"{np.mean(levels):.1f}" in table
    with (tmp_path / "report" / "clips.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["brightness"]) for row in rows] == pytest.approx(levels)
    assert main(["evaluate", str(folder), "--metrics", "brightness"]) == 0
    text = capsys.readouterr().out
    assert f"mean brightness   {np.mean(levels):.3f}" in text and "Spatial" not in text


def test_a_bad_file_does_not_stop_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "4s.mp4").write_text("not a video")
    make_video(folder / "a still.mkv", seconds=0.25)
    assert main(["evaluate", str(folder), "--json", "--metrics", SPATIAL]) == 1
    printed = capsys.readouterr()
    data = json.loads(printed.out)
    assert data["sets"]["generated"]["clips"] == len(data["each"]) == 4
    (wrong,) = data["failed"]
    assert (wrong["clip"], wrong["set"]) == ("4s", "generated")
    assert str(folder / "4s.mp4") in wrong["reason"]
    assert "Traceback" not in printed.err and "1 of 5 clips could not be evaluated" in printed.err


def test_truth_and_reference_bring_their_metrics(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = tmp_path / "truth"
    truth.mkdir()
    for path in folder.glob("*.mp4"):
        clip = Clip.read(path, max_seconds=60)
        events, boxes = studio_fakes.find_sounds(clip), studio_fakes.find_persons(clip)
        labels = ClipLabels(events.frames, events.categories, events.x, np.zeros(len(events)))
        labels.write_csv(truth / f"{path.stem}.csv")
        Boxes(boxes.frames, boxes.categories, boxes.xyxy).write_csv(
            truth / f"{path.stem}.boxes.csv"
        )
    data = run_json(capsys, "evaluate", folder, "--truth", truth, "--reference", folder)
    metrics = data["sets"]["generated"]["metrics"]
    assert set(metrics) >= {name for name in METRICS if not metric_class(name).backbones}
    values = {name: result["value"] for name, result in metrics.items()}
    assert values["speech_f_score"] == values["person_ap50"] == 1.0
    assert values["instrument_f_score"] is None and values["nearest_clip"] == 0.0
    # A metric without a reference does not read its clips.
    reference = tmp_path / "reference"
    reference.mkdir()
    (reference / "a.mp4").write_text("no video")
    alone = ("--metrics", "pan_spread", "--no-baselines")
    run_json(capsys, "evaluate", folder, "--reference", reference, *alone)
    (truth / "5s.csv").unlink()
    data = run_json(
        capsys, "evaluate", folder, "--truth", truth, "--metrics", "speech_f_score", code=1
    )
    (failed,) = data["failed"]
    assert failed["clip"] == "5s" and "has no 5s.csv" in failed["reason"]


def test_a_metric_without_its_inputs_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(folder), "--metrics", "nearest_clip", "person_ap50"]) == 1
    message = capsys.readouterr().err
    assert "The metric nearest_clip needs a reference set (--reference DIR)" in message
