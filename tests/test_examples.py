"""Every file of examples/ runs with small arguments, in a folder of its own."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from savg.clip import Clip
from savg.metrics.registry import METRICS

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs an example with arguments and returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, *arguments: object) -> str:
        file = str(EXAMPLES / f"{name}.py")
        monkeypatch.setattr(sys, "argv", [file, *map(str, arguments)])
        runpy.run_path(file, run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.fixture
def clips() -> Path:
    """The bundled example clips."""
    return EXAMPLES.parent / "assets" / "examples"


def test_every_example_is_short_and_has_a_test() -> None:
    files = {file.stem: file for file in EXAMPLES.glob("*.py")}
    assert set(files) == {"add_metric", "generate", "new_audio", "score_folder", "train_tiny"}
    assert all(len(file.read_text().splitlines()) <= 45 for file in files.values())


def test_generate(example, tmp_path: Path) -> None:
    assert "clips/clip0.mp4: pan" in example("generate", "--num", 1, "--steps", 2)
    assert Clip.read(tmp_path / "clips" / "clip0.mp4").audio.shape == (2, 80_000)


def test_new_audio(example, clips: Path, tmp_path: Path) -> None:
    source = clips / "joint_seed0_0.mp4"
    assert "level: left" in example("new_audio", source, "out.mp4", "--steps", 2)
    result, before = Clip.read(tmp_path / "out.mp4"), Clip.read(source)
    assert np.array_equal(result.video, before.video)
    assert not np.allclose(result.audio, before.audio, atol=1e-3)


def test_score_folder(example, clips: Path, tmp_path: Path) -> None:
    assert "Spatial AV-Align" in example("score_folder", clips, "--out", "report")
    data = json.loads((tmp_path / "report" / "results.json").read_text())
    assert data["sets"]["generated"]["metrics"]["spatial_av_align"]["n"] == 4
    assert (tmp_path / "report" / "report.html").is_file()


def test_train_tiny(example, tmp_path: Path) -> None:
    assert "2 steps" in example("train_tiny", "--out", "run", "--steps", 2)
    assert (tmp_path / "run" / "weights" / "config.json").is_file()


def test_add_metric(example, clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "level", "")  # what the example adds goes again
    printed = example("add_metric", clips)
    assert "level" in printed and "Spatial AV-Align" in printed
