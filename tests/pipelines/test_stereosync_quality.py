"""The benchmark of audio for the same videos: who is followed, and what is judged by whose boxes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import stereosync_quality
from benchmarks.stereosync_quality import Bench, fitted
from savg.format import SAVGBENCH


def test_audio_is_fitted_to_the_clip() -> None:
    rate = 2 * SAVGBENCH.sample_rate
    tone = np.sin(np.arange(rate) * 2 * np.pi * 200 / rate, dtype=np.float32)
    audio = fitted(np.stack([tone, 0 * tone]), int(rate), SAVGBENCH)
    assert audio.shape == (2, SAVGBENCH.samples) and audio.dtype == np.float32
    second = int(SAVGBENCH.sample_rate)
    assert np.abs(audio[0, :second]).max() > 0.9 and not audio[:, second + 100 :].any()
    assert not audio[1].any()


def test_panning_follows_the_person_who_sounds_not_the_bystander(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--clips", "2", "--methods", "ground_truth", "pan"]
    words += ["--keep", str(tmp_path / "kept"), "--out", str(tmp_path)]
    args = stereosync_quality.build_parser().parse_args(words)
    bench = Bench(args)
    scene = bench.scene(0)
    boxes = bench.sounding(0)
    assert 0 < len(boxes) < len(scene.boxes)  # one of two people
    middle = boxes.xyxy[:, [0, 2]].mean()
    assert abs(middle - scene.labels.x.mean()) < 25
    monkeypatch.setattr(sys, "argv", ["stereosync_quality", *words])
    stereosync_quality.main()
    result = json.loads((tmp_path / "stereosync_quality.json").read_text())
    assert set(result["sets"]) == set(result["person_who_sounds"]) == {"ground_truth", "pan"}
    panned = result["person_who_sounds"]["pan"]["metrics"]["spatial_av_align"]
    assert panned["value"] > panned["nulls"]["swapped"]
    assert result["sets"]["ground_truth"]["metrics"]["e_l1"]["value"] == 0
    assert "| **E-L1** |" in (tmp_path / "stereosync_quality.md").read_text()
