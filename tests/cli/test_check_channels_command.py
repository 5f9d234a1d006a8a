"""`python -m savg check-channels`: sentences, JSON, exit codes, other layouts and bad files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import studio_fakes

import savg.detectors
from savg.cli import main
from savg.clip import Clip
from savg.format import SAVGBENCH
from tests.videos import make_video

SHORT = SAVGBENCH.with_frames(6)


@pytest.fixture(autouse=True)
def simple(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detectors without networks."""
    monkeypatch.setattr(
        savg.detectors, "person_detector", lambda name, source, **_: studio_fakes.find_persons
    )
    monkeypatch.setattr(
        savg.detectors, "sound_detector", lambda name, source: studio_fakes.find_sounds
    )


def write(folder: Path, swapped: bool, count: int = 6) -> Path:
    folder.mkdir()
    for seed in range(count):
        clip = studio_fakes.scene(seed, SHORT, x=(50.0, 206.0)[seed % 2])
        room = np.random.default_rng(seed).normal(0, 0.002, clip.audio.shape)
        audio = (clip.audio + room).astype(np.float32)[:: -1 if swapped else 1]
        Clip(clip.video, np.ascontiguousarray(audio), clip.format).write(folder / f"{seed}.mp4")
    return folder


def test_a_swapped_folder_is_told_from_a_right_one(tmp_path: Path, capsys) -> None:
    right, swapped = write(tmp_path / "right", False), write(tmp_path / "swapped", True)
    assert main(["check-channels", str(right), "--strict"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("Channels look right: Spatial AV-Align") == 7
    assert "Clips with faults of the audio: none." in printed
    assert main(["check-channels", str(swapped)]) == 0
    assert capsys.readouterr().out.count("Channels look swapped: Spatial AV-Align") == 7
    assert main(["check-channels", str(swapped), "--strict", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] == "swapped" and data["votes"]["swapped"] == 6 and data["failed"] == []
    assert data["swapped_score"] > 0.8 > 0.2 > data["score"] and data["p"] == pytest.approx(2 / 64)
    assert [row["file"] for row in data["each"]] == [str(swapped / f"{i}.mp4") for i in range(6)]


def test_other_layouts_are_said_and_bad_files_named(tmp_path: Path, capsys) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    make_video(folder / "a mono.mkv", channels=1)
    make_video(folder / "b silent.mkv", audio=False)
    (folder / "c.mp4").write_text("not a video")
    assert main(["check-channels", str(folder), "--json"]) == 1
    printed = capsys.readouterr()
    data = json.loads(printed.out)
    (mono,) = data["each"]
    assert mono["audio_note"] == "Mono: both channels are the same."
    assert [fault["kind"] for fault in mono["faults"]] == ["equal"] and data["faults"] == {
        "equal": 1
    }
    assert [row["clip"] for row in data["failed"]] == ["b silent", "c"]
    assert (
        "has no audio track: expected a video with stereo audio, or --silent-ok to" in printed.err
    )
    assert "Traceback" not in printed.err
    (folder / "c.mp4").unlink()
    assert main(["check-channels", str(folder), "--silent-ok"]) == 0
    printed = capsys.readouterr()
    assert "Both channels are silent. No audio: read as silent." in printed.out
    assert "1 equal, 1 silent" in printed.out


def test_ambisonics_are_told_on_the_command_line(tmp_path: Path, capsys) -> None:
    path = make_video(tmp_path / "a.mkv", channels=2)
    assert main(["check-channels", str(path), "--ambisonic", "acn-sn3d"]) == 1
    assert "2 audio channels: expected first-order Ambisonics (4)" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["check-channels", str(path), "--ambisonic", "ambix"])
    assert stopped.value.code == 2


def test_an_input_that_is_not_there_is_one_sentence(tmp_path: Path, capsys) -> None:
    clip = make_video(tmp_path / "a.mkv")
    assert main(["check-channels", str(clip), str(tmp_path / "nope")]) == 1
    printed = capsys.readouterr()
    assert printed.err == f"error: {tmp_path / 'nope'}: no such folder or video.\n"
    assert not printed.out


def test_a_folder_without_videos_is_one_sentence(tmp_path: Path, capsys) -> None:
    assert main(["check-channels", str(tmp_path)]) == 1
    assert "has no video" in capsys.readouterr().err
