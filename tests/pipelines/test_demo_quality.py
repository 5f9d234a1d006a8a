"""The quality benchmark runs through on random networks and says what it measured."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from savg.annotation import SoundEvents
from savg.clip import Clip
from savg.data.scenes import draw_scene, render, split_seed
from savg.hub import PIPELINE_FILE, Card, save_component
from savg.models.seld import CONFIGS as SELD
from savg.models.seld import Seld
from savg.models.yolox import CONFIGS as YOLOX
from savg.models.yolox import Yolox
from savg.pipelines.joint import tiny


def test_the_benchmark_measures_and_writes(tmp_path, monkeypatch, capsys) -> None:
    from benchmarks import demo_quality

    folder, card = tmp_path / "p", Card("MIT", "random")
    tiny().save_pretrained(folder)
    save_component(Seld(SELD["demo"]), folder / "seld", "seld", card)
    save_component(Yolox(YOLOX["test"]), folder / "yolox", "yolox", card)
    description = json.loads((folder / PIPELINE_FILE).read_text())
    description |= {"persons": "yolox", "sounds": "seld"}
    (folder / PIPELINE_FILE).write_text(json.dumps(description))
    command = ["demo_quality", "--weights", str(folder), "--generated", "2", "--held-out", "2"]
    out = tmp_path / "out"
    command += ["--worlds", "demo", "--trained-on", "3", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", command)
    demo_quality.main()
    result = json.loads((out / "demo_quality.json").read_text())
    assert result["held_out"]["demo"]["clips"] == result["generated"]["clips"] == 2
    assert 0 <= result["held_out"]["demo"]["true_tables"]["score"] <= 1
    assert result["held_out"]["demo"]["pan_spread"] > 0
    assert result["held_out"]["demo"]["nearest_training_clip"]["least"] > 3
    assert result["held_out"]["demo"]["spatial_off_centre"]["clips"] == 2
    text = (out / "demo_quality.md").read_text()
    assert "| person AP50 |" in text and text in capsys.readouterr().out


def test_copies_of_training_clips_are_told() -> None:
    from benchmarks.demo_quality import TRAINED_ON, Known

    known, world = Known(2), TRAINED_ON[0]()
    own = render(draw_scene(split_seed("train", 1), world)).clip
    other = render(draw_scene(split_seed("test", 0), world)).clip
    assert known(own) < 4 and known(own.mirrored()) < 4  # another way to the smaller pictures alone
    assert known(other) > 8
    gray = Clip(np.full_like(own.video, 90), own.audio)
    expected = np.sqrt(np.square(known.rows - 90.0).mean(axis=1)).min()
    assert known(gray) == pytest.approx(expected, rel=1e-4)


def test_sounds_near_the_centre_are_left_out() -> None:
    from benchmarks.demo_quality import off_centre

    events = SoundEvents([0, 1, 2, 3], [0, 1, 0, 1], [88.0, 87.9, 168.1, 128.0])
    kept = off_centre(events)
    assert kept.frames.tolist() == [1, 2] and kept.categories.tolist() == [1, 0]
