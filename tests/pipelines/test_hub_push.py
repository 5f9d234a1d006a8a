"""Pipelines on the Hub and back, by revision, with a model card; folders of weights as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from fake_hub import FakeHub, hub_here

from savg.cli import main
from savg.errors import SavgError
from savg.pipelines import joint, video_to_audio
from savg.pipelines.joint import JointPipeline
from savg.pipelines.registry import CLIPS

REPO = "lab/joint"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with hub_here(monkeypatch, tmp_path / "cache") as hub:
        yield hub


def test_a_pipeline_goes_to_the_hub_and_comes_back_by_revision(hub: FakeHub) -> None:
    first, second = joint.tiny(0), joint.tiny(1)
    assert "/commit/" in first.push_to_hub(REPO, private=True)
    old = hub.models[REPO][-1][0]
    second.push_to_hub(REPO, model_card_kwargs={"figures": {"Spatial AV-Align": "0.5"}})
    assert REPO not in hub.public
    newest = JointPipeline.from_pretrained(REPO, "cpu", "float32")
    earlier = JointPipeline.from_pretrained(REPO, "cpu", "float32", revision=old)
    named = CLIPS.load(f"{REPO}@{old}", device="cpu", dtype="float32")
    clips = [one(1, steps=1)[0].video for one in (first, second, newest, earlier, named)]
    assert np.array_equal(clips[2], clips[1]) and not np.array_equal(clips[0], clips[1])
    assert np.array_equal(clips[3], clips[0]) and np.array_equal(clips[4], clips[0])
    card = hub.files(REPO, "models")["README.md"].decode()
    assert yaml.safe_load(card.split("---")[1])["license"] == "mit"
    assert "- Spatial AV-Align: 0.5" in card and "Intended use" in card
    assert "| superres | MIT |" in card
    with pytest.raises(SavgError, match=r"lab/joint@none: no folder"):
        JointPipeline.from_pretrained(REPO, revision="none")


def test_a_pipeline_of_audio_names_its_registry(tmp_path: Path) -> None:
    video_to_audio.tiny().save_pretrained(tmp_path / "audio")
    assert "AUDIO.load" in (tmp_path / "audio" / "README.md").read_text()


def test_a_folder_is_pushed_as_it_is_stored(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    joint.tiny().save_pretrained(folder)
    (folder / "README.md").unlink()
    (folder / "diary.txt").write_text("nobody's business")
    metric = {"name": "spatial_av_align", "value": 0.75, "low": 0.5, "high": 1.0, "n": 4}
    results = {"sets": {"generated": {"metrics": {"spatial_av_align": metric}}}}
    (tmp_path / "results.json").write_text(json.dumps(results))
    push = ["weights", "push", str(folder), REPO, "--results", str(tmp_path / "results.json")]
    assert main(push) == 0
    assert f"{hub.url}/{REPO}/commit/" in capsys.readouterr().out
    files = hub.files(REPO, "models")
    assert set(files) == {
        ".gitattributes", "README.md", "pipeline.json",
        *(f"{part}/{name}" for part in ("joint", "superres")
          for name in ("config.json", "model.safetensors")),
    }  # fmt: skip
    stored = (folder / "joint" / "model.safetensors").read_bytes()
    assert files["joint/model.safetensors"] == stored
    assert b"- spatial_av_align: 0.75 (0.5\xe2\x80\xa61), n = 4" in files["README.md"]
    assert REPO.encode() in files["README.md"] and REPO in hub.public


def test_what_cannot_be_pushed_is_told(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "push", str(tmp_path), REPO]) == 1
    assert "no pipeline.json" in capsys.readouterr().err
    joint.tiny().save_pretrained(tmp_path / "mine")
    assert main(["weights", "push", str(tmp_path / "mine"), "nobody"]) == 1
    assert "USER/NAME" in capsys.readouterr().err
    with hub.failing(403, only="/api/repos/create"):
        assert main(["weights", "push", str(tmp_path / "mine"), REPO]) == 1
        assert "may not write there" in capsys.readouterr().err
        with pytest.raises(SavgError, match="may not write there"):
            joint.tiny().push_to_hub(REPO)
    (tmp_path / "mine" / "joint" / "model.safetensors").unlink()
    assert main(["weights", "push", str(tmp_path / "mine"), REPO]) == 1
    assert "no such weights file" in capsys.readouterr().err and hub.models == {}
