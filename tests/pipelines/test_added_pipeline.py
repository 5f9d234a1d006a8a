"""A pipeline is added by one file and one line: the command line and the studio have it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import studio_fakes
from toy_pipeline import ToyPipeline, tiny
from videos import make_video

from savg.cli import build_parser, main
from savg.clip import Clip
from savg.pipelines.registry import AUDIO, CLIPS, Entry
from savg.studio.generate.requests import generate_choices
from savg.studio.shared import services

COMMAND = "v2a"


def test_a_pipeline_from_a_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = Entry("toy_pipeline:ToyPipeline", "Toy", "A colour and a tone.")
    monkeypatch.setitem(CLIPS.entries, "toy", line)
    folder = tmp_path / "mine"
    tiny().save_pretrained(folder)

    out = tmp_path / "out"
    command = ["generate", "--pipeline", "toy", "--weights", str(folder), "--num", "2", "--json"]
    assert main([*command, "--seed", "3", "--out", str(out)]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert [Path(clip["file"]).name for clip in summary["clips"]] == [
        "toy_seed3_0000.mp4",
        "toy_seed3_0001.mp4",
    ]
    assert Clip.read(summary["clips"][0]["file"]).video.std() > 1
    assert main([*command, "--sampler", "ddim", "--out", str(out)]) == 1
    assert "--sampler: a toy pipeline has no such option" in capsys.readouterr().err

    monkeypatch.setenv("SAVG_WEIGHTS", str(folder))
    bundled = services.bundled()
    choice = generate_choices(bundled)["mine"]
    assert (choice.label, choice.about) == ("Toy of mine", "A colour and a tone.")
    assert choice.steps == (4, 6, 60) and not choice.boxes
    assert isinstance(bundled.pipeline("mine"), ToyPipeline)


def test_a_pipeline_for_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = Entry("studio_fakes:FakeAudioPipeline", "Fake", "A tone from where blue is seen.")
    monkeypatch.setitem(AUDIO.entries, "fake_audio", line)
    folder = tmp_path / "mine"
    studio_fakes.FakeAudioPipeline(0).save_pretrained(folder)

    video = make_video(tmp_path / "a.mp4", codecs=("libx264", "aac"))
    command = [COMMAND, str(video), "--weights", str(folder), "--out", str(tmp_path / "out")]
    assert main([*command, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("fake on cpu")
    (row,) = json.loads(captured.out)["videos"]
    assert Path(row["file"]).is_file()
    assert main([*command, "--pipeline", "video_to_audio"]) == 1
    assert "expected a 'video_to_audio' pipeline" in capsys.readouterr().err

    monkeypatch.setenv("SAVG_WEIGHTS", str(folder))
    bundled = services.bundled()
    choice = bundled.audio_pipelines["mine"]
    assert (choice.label, choice.about) == ("Fake of mine", "A tone from where blue is seen.")
    assert "mine" not in bundled.pipelines
    assert isinstance(bundled.audio_pipeline("mine"), studio_fakes.FakeAudioPipeline)


def test_a_two_stage_pipeline_may_name_another_second_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from savg.pipelines.two_stage import TwoStagePipeline
    from savg.pipelines.two_stage import tiny as tiny_two_stage

    line = Entry("studio_fakes:FakeAudioPipeline", "Fake", "A tone from where blue is seen.")
    monkeypatch.setitem(AUDIO.entries, "fake_audio", line)
    video = tiny_two_stage().video
    TwoStagePipeline(video, studio_fakes.FakeAudioPipeline(0)).save_pretrained(tmp_path / "p")
    summary = json.loads((tmp_path / "p" / "pipeline.json").read_text())
    assert summary["sound"]["pipeline"] == "fake_audio" and "pipeline" not in summary["video"]
    loaded = TwoStagePipeline.from_pretrained(tmp_path / "p", "cpu", "float32")
    assert isinstance(loaded.audio, studio_fakes.FakeAudioPipeline)
    assert len(loaded(1, boxes=False)) == 1 and loaded.audio.calls[0]["boxes"] is False
    assert isinstance(AUDIO.load(tmp_path / "p"), studio_fakes.FakeAudioPipeline)


def test_the_registries_are_the_commands_choices() -> None:
    parser = build_parser()
    assert parser.parse_args(["generate", "--out", "o"]).pipeline == "joint"
    assert parser.parse_args([COMMAND, "a.mp4", "--out", "o"]).pipeline is None
