"""A detector is one class and one line: the command line and the studio read the same table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

import savg.detectors
from savg.annotation import Boxes
from savg.cli import main
from savg.cli.annotate import add_arguments
from savg.clip import Clip
from savg.detectors import DETECTORS, Detector, detectors, person_detector, sound_detector
from savg.errors import SavgError
from savg.studio.shared.services import bundled
from tests.videos import make_video, tiny_weights


class Middle:
    """Detects a person in the middle of every frame."""

    @classmethod
    def from_pretrained(cls, source: str = "demo") -> Middle:
        return cls()

    def __call__(self, clip: Clip) -> Boxes:
        n = clip.format.frames
        return Boxes(np.arange(n), np.zeros(n), np.tile([100.0, 70, 156, 190], (n, 1)))


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Detector("persons", "Always in the middle", f"{__name__}:Middle")
    monkeypatch.setitem(DETECTORS, "middle", entry)


@pytest.mark.usefixtures("toy")
def test_a_new_detector_is_one_class_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, video = tiny_weights(tmp_path / "w"), make_video(tmp_path / "video.mkv", seconds=1.0)
    out = tmp_path / "out"
    command = ["annotate", str(video), "--out", str(out), "--no-overlay", "--json"]
    assert main([*command, "--detector", "middle", "--weights", str(weights)]) == 0
    (row,) = json.loads(capsys.readouterr().out)["each"]
    assert row["persons"] == 4
    saved = json.loads((out / "video.json").read_text())
    assert saved["detectors"]["persons"] == f"middle: {weights}"
    offered = bundled().persons
    assert list(offered)[-1] == "middle" and offered["middle"].label == "Always in the middle"
    assert isinstance(offered["middle"].load(), Middle)
    assert isinstance(person_detector("middle"), Middle)


def test_detectors_that_are_not_installed_are_named_but_not_offered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = Detector("persons", "Elsewhere", f"{__name__}:Middle", "no_such_module")
    monkeypatch.setitem(DETECTORS, "elsewhere", entry)
    assert not entry.available and "elsewhere" not in bundled().persons
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    text = " ".join(parser.format_help().split())
    assert "elsewhere" in text and "not installed here:" in text.split("--sound-detector")[-2]


def test_every_name_is_of_its_kind() -> None:
    assert list(detectors("persons")) == ["yolox-tiny", "nanodet", "yolox", "mmdet"]
    assert list(detectors("sounds"))[:1] == ["seld"]
    for wrong in (lambda: person_detector("seld"), lambda: sound_detector("yolox")):
        with pytest.raises(SavgError, match="detector must be one of"):
            wrong()
    assert all(entry.label and ":" in entry.where for entry in savg.detectors.DETECTORS.values())
