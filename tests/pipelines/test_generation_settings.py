"""Settings that a clip was generated with: in its file, in a command line, in a link."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from savg.cli import main
from savg.clip import Clip
from savg.errors import MediaError
from savg.format import SAVGBENCH
from savg.media.comment import read_comment, read_png_comment, write_png
from savg.pipelines.settings import MAX_TEXT, GenerationSettings

SETTINGS = GenerationSettings("two_stage", 42, 2, 12, options={"guidance": 3.5, "boxes": False})


def test_a_clips_file_and_image_keep_its_settings(tmp_path: Path) -> None:
    silent = np.zeros((2, SAVGBENCH.samples), np.float32)
    frames = np.zeros((SAVGBENCH.frames, SAVGBENCH.size, SAVGBENCH.size, 3), np.uint8)
    Clip(frames, silent).write(tmp_path / "a.mp4", SETTINGS.to_text())
    write_png(tmp_path / "a.png", frames[0], SETTINGS.to_text())
    assert GenerationSettings.from_text(read_comment(tmp_path / "a.mp4")) == SETTINGS
    assert GenerationSettings.from_text(read_png_comment(tmp_path / "a.png") or "") == SETTINGS
    assert read_png_comment(tmp_path / "a.mp4") is None
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(MediaError, match=r"b\.png is a PNG that cannot be read"):
        read_png_comment(tmp_path / "b.png")
    with pytest.raises(MediaError, match=r"c\.png: no such image"):
        read_png_comment(tmp_path / "c.png")


def test_the_command_line_makes_that_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SETTINGS.command == (
        "python -m savg generate --pipeline two_stage --seed 42 --num 3 --steps 12 --guidance 3.5 "
        "--no-boxes --out clips"
    )
    assert SETTINGS.query == "?pipeline=two_stage&seed=42&steps=12&clips=3&boxes=0"
    short = GenerationSettings("joint", 5, steps=1, options={"superres_steps": 1})
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(short.command)[3:]) == 0
    (path,) = Path("clips").glob("*.mp4")
    assert GenerationSettings.from_text(read_comment(path)) == short


@pytest.mark.parametrize(
    "text",
    [
        "", "no JSON", "[1]", "{}", "[" * 100_000, "x" * (MAX_TEXT + 1),
        json.dumps(json.loads(SETTINGS.to_text()) | {"savg": 2}),
        json.dumps(json.loads(SETTINGS.to_text()) | {"seed": -1}),
        json.dumps(json.loads(SETTINGS.to_text()) | {"seed": True}),
        json.dumps(json.loads(SETTINGS.to_text()) | {"pipeline": "a\nb"}),
        json.dumps(json.loads(SETTINGS.to_text()) | {"guidance": "3; rm -rf"}),
        json.dumps(json.loads(SETTINGS.to_text()) | {"guidance": float("nan")}),
        json.dumps(json.loads(SETTINGS.to_text()) | {"sampler": ["x"]}),
    ],
)  # fmt: skip
def test_other_texts_of_files_are_no_settings(text: str) -> None:
    assert GenerationSettings.from_text(text) is None
