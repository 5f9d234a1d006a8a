"""`python -m savg compose`: what is written and printed, and what is refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import savg.detectors
from savg.annotation import Boxes, SoundEvents
from savg.cli import compose as command
from savg.cli import main
from savg.clip import Clip
from savg.format import ClipFormat
from savg.media.probe import video_info
from savg.viz import compose

FORMAT = ClipFormat(frames=4)


@pytest.fixture
def clips(tmp_path: Path) -> list[str]:
    files = []
    for name in ("a", "b"):
        video = np.full((4, 256, 256, 3), 90, np.uint8)
        audio = 0.1 * np.random.default_rng(0).standard_normal((2, FORMAT.samples))
        Clip(video, audio.astype(np.float32), FORMAT).write(tmp_path / f"{name}.mp4")
        files.append(str(tmp_path / f"{name}.mp4"))
    return files


def test_a_comparison_and_its_facts(
    clips: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "both.mp4"
    command = ["compose", *clips, "--out", str(out), "--title", "Both", "--audio", "2"]
    assert main([*command, "--labels", "One", "Two", "--json"]) == 0
    printed = capsys.readouterr()
    data = json.loads(printed.out)
    assert data["seconds"] == 2.0 + 1.0 and data["layout"] == "side-by-side"
    assert [clip["label"] for clip in data["clips"]] == ["One", "Two"]
    info = video_info(out)
    assert (info.width, info.height, info.fps) == (data["width"], data["height"], 4)
    assert "12/12" in printed.err
    assert main(["compose", *clips, "--out", str(out), "--layout", "sequence"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert [path.name for path in out.parent.iterdir()] == ["both.mp4"]


def test_overlays_show_what_the_detectors_find(
    clips: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        savg.detectors, "person_detector", lambda name, source: lambda clip: Boxes.empty()
    )
    monkeypatch.setattr(
        savg.detectors, "sound_detector", lambda name, source: lambda clip: SoundEvents.empty()
    )
    out = tmp_path / "o.mp4"
    assert main(["compose", clips[0], "--out", str(out), "--layout", "overlay-spectrogram"]) == 0
    assert video_info(out).width == 1280 and video_info(out).fps == 20


def test_the_command_offers_every_layout() -> None:
    assert command.LAYOUTS == compose.LAYOUTS


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--out", "o.mov"], "NAME.mp4, got o.mov"),
        (["--out", "o.mp4", "--labels", "one"], "2 videos, got 1 labels"),
        (["--out", "o.mp4", "--audio", "3"], "in 1..2, got 3"),
        (["--out", "o.mp4", "--audio", "1", "--layout", "sequence"], "each video is heard"),
        (["--out", "o.mp4", "--max-seconds", "0"], "must be > 0, got 0"),
        (["--out", "o.mp4", "--max-seconds", "0.2"], "at most 0 s"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    clips: list[str],
    tmp_path: Path,
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["compose", *clips, *arguments]) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and words in error and "\n" not in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_a_source_is_never_replaced_and_a_bad_file_writes_nothing(
    clips: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compose", *clips, "--out", clips[0]]) == 1
    assert "would be replaced" in capsys.readouterr().err
    (tmp_path / "c.mp4").write_text("no video")
    out = tmp_path / "o.mp4"
    assert main(["compose", clips[0], str(tmp_path / "c.mp4"), "--out", str(out)]) == 1
    assert "c.mp4" in capsys.readouterr().err and not out.exists()
