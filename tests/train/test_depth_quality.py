"""The depth benchmark: its measures against closed forms, and that it runs through."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import depth_quality
from savg.hub import Card, save_component
from savg.models.depth_net import CONFIGS, DepthNet

TRUE = np.random.default_rng(0).uniform(1, 9, (3, 2, 8, 12)).astype(np.float32)


def test_the_truth_scores_best_and_scale_counts_where_it_is_said() -> None:
    (exact, twice) = (depth_quality.measured(TRUE, TRUE * k, TRUE)["network"] for k in (1, 2))
    values = {name: one["value"] for name, one in exact.items()}
    assert values["relative_error"] == values["grid_error"] == 0
    assert values["within_a_quarter"] == 1 and values["correlation"] == pytest.approx(1)
    assert twice["relative_error"]["value"] == pytest.approx(1, abs=1e-6)
    assert twice["within_a_quarter"]["value"] == 0
    assert twice["correlation"]["value"] == pytest.approx(1)
    assert twice["grid_error"]["value"] == pytest.approx(0, abs=1e-6)


def test_chance_baselines_are_of_training_frames_and_of_other_scenes() -> None:
    rows = depth_quality.measured(TRUE, TRUE, np.full_like(TRUE, 4))
    one, mean = rows["one depth everywhere"], rows["mean map"]
    expected = float((np.abs(4 - TRUE) / TRUE).mean())
    assert one["relative_error"]["value"] == pytest.approx(expected, abs=1e-5)
    assert mean["relative_error"]["value"] == pytest.approx(expected, abs=1e-5)
    assert "correlation" not in one
    other = rows["network, another scene"]
    assert abs(other["correlation"]["value"]) < 0.3 and other["grid_error"]["value"] > 0.02
    low, high = (other["correlation"][key] for key in ("low", "high"))
    assert low <= other["correlation"]["value"] <= high


def test_it_runs_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    save_component(DepthNet(CONFIGS["tiny"]), tmp_path / "depth", "depth", Card("MIT", "random"))
    out = tmp_path / "out"
    command = ["depth_quality", "--weights", str(tmp_path), "--scenes", "2", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", command)
    depth_quality.main()
    rows = json.loads((out / "depth_quality.json").read_text())["rows"]
    assert rows["network"]["relative_error"]["value"] > 0
    text = (out / "depth_quality.md").read_text()
    assert "| one depth everywhere |" in text and text.count("\n| ") == 5
