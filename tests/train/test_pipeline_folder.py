"""From training to generating: a run as a whole pipeline, whose parts fit; runs that go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from savg.pipelines import joint, video_to_audio
from savg.pipelines.registry import CLIPS
from savg.train.__main__ import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the joint recipe with two steps."""
    run = tmp_path_factory.mktemp("runs") / "joint"
    train = ["joint", "--config", "tiny", "--out", str(run), "--quiet", "--precision", "float32"]
    assert main([*train, "--device", "cpu", "--steps", "2"]) == 0
    return run


def test_a_run_becomes_a_pipeline_that_generates(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    joint.tiny().save_pretrained(tmp_path / "base")
    out = tmp_path / "mine"
    export = ["export", str(run), "--out", str(out), "--dtype", "float32"]
    assert main([*export, "--pipeline", str(tmp_path / "base")]) == 0
    assert "joint with joint_unet after 2 steps" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["joint", "pipeline.json", "superres"]
    pipeline = CLIPS.load(out, device="cpu", dtype="float32")
    assert pipeline.components["joint"].facts["step"] == 2
    assert pipeline.components["superres"].origin == "random"
    assert pipeline(1, steps=1)[0].video.shape[-1] == 3


def test_a_base_without_such_a_network_is_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video_to_audio.tiny().save_pretrained(tmp_path / "base")
    out = tmp_path / "mine"
    assert main(["export", str(run), "--out", str(out), "--pipeline", str(tmp_path / "base")]) == 1
    assert "no pipeline with a network of the kind joint_unet" in capsys.readouterr().err
    assert not out.exists()


def test_a_run_goes_on_to_the_step_that_it_was_told(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = ["joint", "--config", "tiny", "--out", str(run), "--quiet", "--precision", "float32"]
    train += ["--device", "cpu"]
    assert main([*train, "--steps", "6"]) == 0
    assert "step 6 of 6." in capsys.readouterr().err
    assert main(train) == 0
    assert "step 6 of 6." in capsys.readouterr().err, "the recipe's own last step is 4"
    assert main([*train, "--steps", "5"]) == 0
    assert "step 6 past the last step, 5" in capsys.readouterr().err
