"""The quality benchmark runs through on random networks and says what it measured."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.data.scenes import World, draw_scene, render, split_seed
from savg.evaluation.observe import extract
from savg.evaluation.result_files import SetResult
from savg.hub import PIPELINE_FILE, Card, save_component
from savg.metrics.base import Item, MetricResult, Need, Observation
from savg.metrics.nearest_clip import NearestClip
from savg.metrics.registry import METRICS, metric_class
from savg.metrics.spatial import off_centre
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
    sets = {key: SetResult.from_json(value) for key, value in result["sets"].items()}
    held_out, generated = sets["held_out_demo"], sets["generated"]
    assert held_out.clips == generated.clips == 2
    assert 0 <= MetricResult.from_json(result["true_tables"]["demo"]).value <= 1
    assert held_out.metrics["pan_spread"].value > 0
    assert held_out.metrics["nearest_clip"].notes["least"] > 3
    assert held_out.metrics["spatial_off_centre"].n == 2
    classes = {name: metric_class(name) for name in METRICS}
    plain = {n for n, m in classes.items() if not m.backbones and Need.PAIRS not in m.needs}
    assert set(held_out.metrics) == plain
    assert generated.facts["seconds_a_clip"] > 0
    text = (out / "demo_quality.md").read_text()
    assert "| **person AP50** |" in text and text in capsys.readouterr().out


def test_copies_of_training_clips_are_told() -> None:
    from benchmarks.synthetic import TRAINED_ON, trained_on

    worlds = [World.named(name) for name in TRAINED_ON[0]]
    reference = trained_on(len(worlds))
    assert reference is not None

    def distance(clip: Clip) -> float:
        metric = NearestClip(reference)
        features = extract(clip, metric.features)
        metric.update(
            Item("one", Observation(SoundEvents.empty(), Boxes.empty(), features=features))
        )
        value = metric.compute().value
        assert value is not None
        return value

    own = render(draw_scene(split_seed("train", 0), worlds[-1])).clip
    other = render(draw_scene(split_seed("test", 0), worlds[-1])).clip
    # another way to the smaller pictures alone
    assert distance(own) < 4 and distance(own.mirrored()) < 4
    assert distance(other) > 8
    gray = Clip(np.full_like(own.video, 90), own.audio)
    rows = np.stack(reference.values("thumbnails")).astype(float)
    expected = np.sqrt(np.square(rows - 90.0).mean(axis=(1, 2, 3, 4))).min()
    assert distance(gray) == pytest.approx(expected, rel=1e-4)


def test_sounds_near_the_centre_are_left_out() -> None:
    events = SoundEvents([0, 1, 2, 3], [0, 1, 0, 1], [88.0, 87.9, 168.1, 128.0])
    selected = off_centre(events)
    assert selected.frames.tolist() == [1, 2] and selected.categories.tolist() == [1, 0]
