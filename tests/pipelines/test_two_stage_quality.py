"""The comparison of both methods runs through on random networks, goes on where it was, and counts."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import two_stage_quality
from savg.annotation import Boxes, SoundEvents
from savg.hub import PIPELINE_FILE, Card, save_component
from savg.metrics.spatial import BASELINES, chance_baselines, spatial_report
from savg.models.seld import CONFIGS as SELD
from savg.models.seld import Seld
from savg.models.yolox import CONFIGS as YOLOX
from savg.models.yolox import Yolox
from savg.pipelines.joint import tiny as tiny_joint
from savg.pipelines.two_stage import tiny as tiny_two_stage


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both pipelines and detectors of random weights."""
    folder, card = tmp_path_factory.mktemp("weights") / "p", Card("MIT", "random")
    tiny_joint().save_pretrained(folder)
    other = folder.with_name("other")
    tiny_two_stage(boxes=2).save_pretrained(other)
    description = json.loads((other / PIPELINE_FILE).read_text())
    description["sound"]["persons"] = "yolox"
    (folder / "two_stage.json").write_text(json.dumps(description))
    for part in (path for path in other.iterdir() if path.is_dir()):
        shutil.copytree(part, folder / part.name, dirs_exist_ok=True)
    save_component(Seld(SELD["demo"]), folder / "seld", "seld", card)
    save_component(Yolox(YOLOX["test"]), folder / "yolox", "yolox", card)
    joint = json.loads((folder / PIPELINE_FILE).read_text())
    joint |= {"persons": "yolox", "sounds": "seld"}
    (folder / PIPELINE_FILE).write_text(json.dumps(joint))
    return folder


def run(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> dict:
    command = ["two_stage_quality", "--weights", str(weights), "--clips", "2", "--trained-on", "0"]
    command += ["--keep", str(tmp_path / "kept"), "--out", str(tmp_path / "out"), *more]
    monkeypatch.setattr(sys, "argv", command)
    two_stage_quality.main()
    return json.loads((tmp_path / "out" / "two_stage_quality.json").read_text())


def test_all_methods_stand_side_by_side(weights, tmp_path, monkeypatch, capsys) -> None:
    result = run(weights, tmp_path, monkeypatch, "--speed", "1")
    assert list(result["sets"]) == ["joint", "two_stage", "two_stage_boxes", "ground_truth"]
    truth = result["sets"]["ground_truth"]
    assert truth["clips"] == 2 and truth["metrics"]["pan_spread"]["value"] > 0
    spatial = truth["metrics"]["spatial_av_align"]
    assert set(spatial["notes"]["null_intervals"]) == set(spatial["nulls"]) == set(BASELINES)
    assert result["speed"]["joint"] > 0 and result["speed"]["two-stage of joint"] > 0
    text = (tmp_path / "out" / "two_stage_quality.md").read_text()
    assert "| measure | joint | two-stage | two-stage with boxes | ground truth |" in text
    assert text in capsys.readouterr().out
    cached = {path.parent for path in (tmp_path / "kept").rglob("*.safetensors")}
    assert len(cached) == 8

    def made_again(*_: object) -> None:
        raise AssertionError("kept clips are not made again")

    monkeypatch.setattr(two_stage_quality.Bench, "clip", made_again)
    repeated = run(weights, tmp_path, monkeypatch)
    assert json.dumps(repeated["sets"]) == json.dumps(result["sets"])
    with pytest.raises(AssertionError, match="not made again"):
        run(weights, tmp_path, monkeypatch, "--seed", "1", "--methods", "joint")


def test_intervals_of_the_chance_baselines_hold_their_scores() -> None:
    rng = np.random.default_rng(0)
    events, boxes = [], []
    for _ in range(12):
        x = rng.uniform(20, 236)
        events.append(SoundEvents(np.arange(50), np.zeros(50, int), np.full(50, x)))
        corners = np.tile([x - 10, 60, x + 10, 190], (20, 1))
        boxes.append(Boxes(np.arange(20), np.zeros(20, int), corners, np.ones(20)))
    pairs = list(zip(events, boxes, strict=True))
    intervals, scores = spatial_report(pairs).baseline_intervals, chance_baselines(pairs)
    for name in BASELINES:
        low, high = intervals[name]
        assert low < getattr(scores, name) < high
    silent = [(SoundEvents.empty(), one) for one in boxes[:3]]
    assert spatial_report(silent).baseline_intervals["centre"] is None
