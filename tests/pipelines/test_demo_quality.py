"""The quality benchmark runs through on random networks and says what it measured."""

from __future__ import annotations

import json
import sys

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
    monkeypatch.setattr(sys, "argv", [*command, "--worlds", "demo", "--out", str(out)])
    demo_quality.main()
    result = json.loads((out / "demo_quality.json").read_text())
    assert result["held_out"]["demo"]["clips"] == result["generated"]["clips"] == 2
    assert 0 <= result["held_out"]["demo"]["true_tables"]["score"] <= 1
    assert result["held_out"]["demo"]["pan_spread"] > 0
    text = (out / "demo_quality.md").read_text()
    assert "| person AP50 |" in text and text in capsys.readouterr().out
