"""`v2a --pipeline stereosync` from the bundle, on clips and on a silent upload, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from videos import make_video

from savg.audio.levels import pan
from savg.cli import main
from savg.media.audio_track import audio_of
from savg.paths import assets_dir
from tests.media.test_recording import coded

RATE = 16_000
SHARED = Path(__file__).parents[2].parent / "shared" / "clips"
CLIPS = [assets_dir() / "examples" / "joint_seed0_0.mp4", *sorted(SHARED.glob("*.mp4"))[:1]]
"""A bundled clip, and a published one where such lie beside the project."""

FEW = ["--pipeline", "stereosync", "--device", "cpu", "--steps", "6", "--seed", "1"]


@pytest.fixture
def left(tmp_path: Path) -> str:
    """A box at the left of the frame all the time."""
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps({"boxes": [[0, 10, 70, 60, 190]]}))
    return str(file)


def heard(file: Path, seconds: float) -> np.ndarray:
    audio = audio_of(file, seconds, RATE)
    assert audio is not None
    return audio


def level(audio: np.ndarray, start: float, end: float) -> float:
    part = audio[:, round(start * RATE) : round(end * RATE)]
    return float(10 * np.log10(np.square(part).mean() + 1e-12))


def test_clips_sound_where_a_box_is_and_as_loud_as_they_did(tmp_path: Path, left: str) -> None:
    out = tmp_path / "out"
    assert main(["v2a", *map(str, CLIPS), *FEW, "--person", left, "--out", str(out)]) == 0
    for clip in CLIPS:
        made, own = (heard(path, 5) for path in (out / clip.name, clip))
        assert pan(made) < -0.2, clip.name
        levels = [[level(x, t, t + 0.25) for t in np.arange(0.25, 4.75, 0.25)] for x in (made, own)]
        assert abs(np.median(levels[0]) - np.median(levels[1])) < 6, clip.name


def test_a_silent_upload_follows_what_is_drawn_or_a_recording(
    tmp_path: Path, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = make_video(tmp_path / "silent.mp4", seconds=3, fps=5, audio=False)
    (tmp_path / "late.csv").write_text("0,0\n1.4,0\n1.6,0.1\n3,0.1\n")
    memo = coded(tmp_path / "memo.m4a")  # two seconds, as long as the video's first two thirds
    command = ["v2a", str(silent), *FEW, "--person", left, "--out"]
    late = ["--envelope", str(tmp_path / "late.csv")]
    like = ["--envelope-from", str(memo), "--sounds-like", str(memo)]
    for name, options in (("drawn", late), ("memo", like)):
        assert main([*command, str(tmp_path / name), *options]) == 0
    drawn, follows = (heard(tmp_path / name / "silent.mp4", 3) for name in ("drawn", "memo"))
    assert level(drawn, 1.8, 2.8) > level(drawn, 0.1, 1.2) + 10 and pan(drawn) < -0.2
    assert level(follows, 0.2, 1.8) > level(follows, 2.3, 2.9) + 6
    capsys.readouterr()
    assert main([*command, str(tmp_path / "words"), *late, "--sounds-like", "a woman speaks"]) == 1
    told = capsys.readouterr().err
    assert "words need a network that was trained on CLAP's embeddings" in told
    assert "Traceback" not in told
