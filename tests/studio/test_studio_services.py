"""Services: what is missing is said, networks load once, more pipelines can be named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import studio_fakes

from savg.errors import SavgError
from savg.pipelines.joint import tiny
from savg.studio import services


def test_incomplete_demo_weights_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "pipeline.json").write_text(
        json.dumps({"joint": "joint", "sampler": {"steps": 33}})
    )
    monkeypatch.setattr(services, "assets_dir", lambda: tmp_path)
    bundled = services.bundled()
    assert "not complete" in bundled.missing
    assert bundled.pipelines["demo"].steps == (4, 33, 60)


def test_named_weights_are_pipelines_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine"
    tiny().save_pretrained(folder)
    monkeypatch.setenv("SAVG_WEIGHTS", str(folder))
    bundled = services.bundled()
    assert bundled.pipelines[str(folder)].label == "Joint of mine"
    calls: list[tuple] = []
    generate = bundled.pipeline(str(folder))
    clips = generate(1, seed=3, steps=2, first=0, on_step=lambda *step: calls.append(step))
    assert len(clips) == 1 and calls and calls[-1][0] == calls[-1][1]
    assert calls[-1][2].dtype.name == "uint8" and calls[-1][2].shape[-1] == 3
    assert bundled.pipeline(str(folder)) is generate


def test_networks_load_once() -> None:
    fake = studio_fakes.services()
    assert fake.pipeline("fake") is fake.pipeline("fake")


def test_warming_up_loads_what_there_is_and_leaves_problems_to_the_click() -> None:
    fake = studio_fakes.services()

    def broken() -> None:
        raise SavgError("no weights")

    half = replace(fake, sounds=broken, _loaded={})
    half.warm_up()
    assert "pipeline fake" in half._loaded and "sounds" not in half._loaded
    fake.warm_up()
    assert set(fake._loaded) == {"pipeline fake", "sounds", "persons yolox"}
