"""What a clip's file says of how its audio was made: read again, as a command line; hostile texts."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from videos import make_video

from savg.cli import v2a
from savg.media.comment import read_comment
from savg.media.mux import with_audio
from savg.pipelines.audio_settings import KEY, AudioSettings
from savg.pipelines.settings import GenerationSettings

FULL = AudioSettings(
    "my holiday.mp4",
    "stereosync",
    7,
    20,
    1.5,
    boxes=((0.0, 10.0, 20.0, 30.0, 40.0), (1.5, 11.0, 20.0, 31.0, 40.0)),
    curve=((0.0, 0.01), (1.0, 0.1)),
    semantic="drum.wav",
    strengths={"spatial": 2.0},
)


def test_settings_are_read_again() -> None:
    assert AudioSettings.from_text(FULL.to_text()) == FULL
    assert GenerationSettings.from_text(FULL.to_text()) is None
    plain = AudioSettings("a.mp4", "pan", 0, audio="own", person="2")
    assert AudioSettings.from_text(plain.to_text()) == plain and plain.files == {}
    long = AudioSettings("a.mp4", "pan", 0, curve=tuple((i / 100, 0.1) for i in range(9000)))
    assert long.to_text() == ""


def test_the_command_line_takes_the_same(tmp_path: Path) -> None:
    words = shlex.split(FULL.command)[4:]
    parser = v2a_parser()
    args = parser.parse_args(words)
    assert args.inputs == ["my holiday.mp4"] and args.person == "boxes.json"
    assert (args.seed, args.steps, args.guidance) == (7, 20, 1.5)
    assert args.envelope == "envelope.json" and args.strength == ["spatial=2"]
    from savg.pipelines.box_path import read_box_path
    from savg.pipelines.envelope_file import read_curve

    for name, text in FULL.files.items():
        (tmp_path / name).write_text(text)
    assert read_box_path(tmp_path / "boxes.json").seconds.tolist() == [0, 1.5]
    assert read_curve(tmp_path / "envelope.json").levels.tolist() == [0.01, 0.1]
    other = AudioSettings("a.mp4", "stereosync", 0, envelope="drum.wav", blind=True)
    args = parser.parse_args(shlex.split(other.command)[4:])
    assert args.envelope_from == "drum.wav" and args.envelope is None and args.no_boxes


def v2a_parser():
    import argparse

    parser = argparse.ArgumentParser()
    v2a.add_arguments(parser)
    return parser


@pytest.mark.parametrize("codecs", [("libx264", "aac"), ("mpeg4", "aac")])
def test_the_file_has_them_copied_or_coded_anew(tmp_path: Path, codecs: tuple[str, str]) -> None:
    source = make_video(tmp_path / "a.mp4", seconds=1, codecs=codecs)
    copied = with_audio(
        source, tmp_path / "b.mp4", np.zeros((2, 16_000), np.float32), 16_000,
        comment=FULL.to_text(),
    )  # fmt: skip
    assert copied == (codecs[0] == "libx264")
    assert AudioSettings.from_text(read_comment(tmp_path / "b.mp4")) == FULL


@pytest.mark.parametrize(
    "change",
    [
        {"seed": -1},
        {"seed": True},
        {"video": "a\nb"},
        {"video": ""},
        {"pipeline": 3},
        {"audio": "x" * 300},
        {"steps": 1.5},
        {"guidance": "4"},
        {"guidance": 1e400},
        {"boxes": [[0, 1, 2, 3]]},
        {"boxes": "many"},
        {"boxes": [[0, 1, 2, 3, 4]] * 3000},
        {"curve": [[0, True]]},
        {"strengths": {"loudness": -1}},
        {"strengths": []},
        {"blind": 1},
        {KEY: 2},
        {"more": 1},
    ],
)
def test_what_is_none_of_ours_is_none(change: dict) -> None:
    values = json.loads(FULL.to_text())
    assert AudioSettings.from_text(json.dumps(values | change)) is None


@pytest.mark.parametrize("text", ["", "{", "[" * 5000 + KEY, f'["{KEY}"]', "x" * 70_000])
def test_other_texts_are_none(text: str) -> None:
    assert AudioSettings.from_text(text) is None
