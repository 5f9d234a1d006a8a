"""Services: what is missing is named, networks load once, more pipelines can be named."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import studio_fakes

from savg.errors import SavgError
from savg.pipelines import stereosync
from savg.pipelines.joint import tiny
from savg.pipelines.optional_conditions import NO_DEPTH, NO_WORDS
from savg.pipelines.two_stage import tiny as tiny_two_stage
from savg.pipelines.video_to_audio import tiny as tiny_sound
from savg.studio import build
from savg.studio.shared import services


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
    assert bundled.pipelines["mine"].label == "Joint of mine"
    calls: list[tuple] = []
    generate = bundled.pipeline("mine")
    clips = generate(1, seed=3, steps=2, first=0, on_step=lambda *step: calls.append(step))
    assert len(clips) == 1 and calls and calls[-1][0] == calls[-1][1]
    assert calls[-1][2].dtype.name == "uint8" and calls[-1][2].shape[-1] == 3
    assert bundled.pipeline("mine") is generate


def test_two_stage_weights_beside_the_joint_ones_are_offered_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the bundled folder holds them; from random weights, through to clips from one seed."""
    tiny().save_pretrained(tmp_path / "demo")
    tiny_two_stage(boxes=1).save_pretrained(tmp_path / "two")
    for part in (tmp_path / "two").iterdir():
        if part.is_dir() and not (tmp_path / "demo" / part.name).exists():
            shutil.copytree(part, tmp_path / "demo" / part.name)
    shutil.copy(tmp_path / "two" / "pipeline.json", tmp_path / "demo" / "two_stage.json")
    monkeypatch.setattr(services, "assets_dir", lambda: tmp_path)
    bundled = services.bundled()
    assert bundled.together == ("demo", "demo/two_stage")
    two = bundled.pipelines["demo/two_stage"]
    assert (two.label, two.name, two.boxes) == ("Two-stage diffusion, demo", "Two-stage", True)
    sound = bundled.audio_pipelines["demo/two_stage"]
    assert sound.steps == (1, 3, 60) and sound.boxes
    joint, second = (bundled.pipeline(name) for name in bundled.together)
    clips = joint(1, seed=3, steps=2)[0], second(1, seed=3, steps=2, boxes=False)[0]
    assert clips[0].video.dtype == clips[1].video.dtype and clips[1].audio.std() > 0
    assert bundled.audio_pipeline("demo/two_stage") is bundled.pipeline("demo/two_stage").audio
    (tmp_path / "demo" / "flow" / "model.safetensors").unlink()
    assert services.bundled().together == () and not services.bundled().audio_pipelines


def test_named_networks_that_only_generate_audio_are_no_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_sound().save_pretrained(tmp_path / "sound")
    monkeypatch.setenv("SAVG_WEIGHTS", str(tmp_path / "sound"))
    bundled = services.bundled()
    key = "sound"
    assert key not in bundled.pipelines
    assert bundled.audio_pipelines[key].label == "Video to audio of sound"
    assert bundled.audio_pipeline(key).sample_rate == 16_000


def test_stereosync_is_offered_where_its_weights_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stereosync.tiny().save_pretrained(tmp_path / "steered")
    monkeypatch.setenv("SAVG_WEIGHTS", str(tmp_path / "steered"))
    choice = services.bundled().audio_pipelines["steered"]
    assert choice.label == "StereoSync of steered" and choice.steers and not choice.follows
    assert (choice.registered, choice.weights) == ("stereosync", "steered")
    assert (choice.no_words, choice.no_depth) == (NO_WORDS, NO_DEPTH)
    assert choice.guidance == 1 and set(choice.strengths.values()) == {1.0}


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{broken", "pipeline.json"),
        ("[]", "pipeline.json"),
        ("", "pipeline.json"),
        ("[" * 100_000, "pipeline.json"),
        ('{"pipeline": "joint", "sampler": {"steps": null}}', "pipeline.json: sampler: steps must"),
        ('{"pipeline": "joint", "sampler": {"steps": "x"}}', "pipeline.json: sampler: steps must"),
        ('{"pipeline": "joint", "sampler": {"steps": true}}', "pipeline.json: sampler: steps must"),
        ('{"pipeline": "joint", "sampler": {"steps": 1e400}}', "pipeline.json"),
        ('{"pipeline": "joint", "sampler": {"steps": [3]}}', "pipeline.json: sampler: steps must"),
        (
            '{"pipeline": "video_to_audio", "sampler": {"guidance": {}}}',
            "pipeline.json: sampler: guidance must",
        ),
        (
            '{"pipeline": "two_stage", "sound": {"sampler": {"steps": null}}}',
            "pipeline.json: sound: sampler: steps must",
        ),
    ],
)
def test_a_wrong_description_stops_no_studio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    """It is told, to the operator and on a click; others can be used."""
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "pipeline.json").write_text(text)
    tiny().save_pretrained(tmp_path / "good")
    monkeypatch.setenv("SAVG_WEIGHTS", f"{tmp_path / 'bad'}{os.pathsep}{tmp_path / 'good'}")
    bundled = services.bundled()
    (problem,) = bundled.problems
    assert words in problem and "\n" not in problem and str(tmp_path / "bad") in problem
    assert list(bundled.pipelines)[-1] == "bad"
    assert len(bundled.pipeline("good")(1, seed=0, steps=1)) == 1
    with pytest.raises(SavgError) as told:
        bundled.pipeline("bad")
    assert str(told.value) == problem.replace(str(tmp_path / "bad"), "bad")


def test_visitors_never_see_where_weights_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys stand in the page's configuration, and a click tells what is wrong with a folder."""
    folders = [tmp_path / "a" / "mine", tmp_path / "b" / "mine", tmp_path / "demo"]
    tiny().save_pretrained(folders[0])
    for folder in folders[1:]:
        shutil.copytree(folders[0], folder)
    (folders[1] / "joint" / "model.safetensors").write_bytes(b"damaged")
    monkeypatch.setenv("SAVG_WEIGHTS", os.pathsep.join(map(str, folders)))
    bundled = services.bundled()
    assert list(bundled.pipelines)[-3:] == ["mine", "mine2", "demo2"]
    assert str(tmp_path) not in str(build(bundled, datasets=()).blocks.get_config_file())
    with pytest.raises(SavgError) as told:
        bundled.pipeline("mine2")
    assert "mine" in str(told.value) and str(tmp_path) not in str(told.value)
    assert bundled.clip_detector("demo2") == bundled.video_detector


def test_wrong_bundled_weights_are_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "pipeline.json").write_text("{broken")
    monkeypatch.setattr(services, "assets_dir", lambda: tmp_path)
    bundled = services.bundled()
    assert "not complete" in bundled.missing and len(bundled.problems) == 1
    assert list(bundled.pipelines) == ["demo"]
