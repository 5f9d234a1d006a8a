"""Files with names that a library could take for something else, and files that are none."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from savg.clip import Clip
from savg.data.starss.audio import open_audio
from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.audio_file import read_audio, write_audio
from savg.media.mux import with_audio
from savg.video import Video

FORMAT = ClipFormat(frames=4, fps=4, size=32, picture_height=18)

NAMES = (
    *(
        "take10:30",
        "%03d",
        "50% off",
        "%d%s",
        "http:x",
        "pipe:1",
        "concat:a|b",
        "data:,x",
        "file:x",
    ),
    *(
        "-",
        "-i",
        "a#b?c",
        "a b",
        "$(x)",
        "'q'\"",
        "a\\b",
        "~",
        "é ü",
        "a\nb",
        os.fsdecode(b"caf\xe9"),
    ),
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def clip() -> Clip:
    frames = np.zeros((FORMAT.frames, FORMAT.size, FORMAT.size, 3), np.uint8)
    frames[:, FORMAT.top : FORMAT.bottom] = 200
    audio = np.zeros((2, FORMAT.samples), np.float32)
    audio[0, 100:200] = 0.5
    return Clip(frames, audio, FORMAT)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_video_of_any_bare_name_is_written_and_read(here: Path, name: str) -> None:
    clip().write(f"{name}.mp4")
    assert os.listdir(here) == [f"{name}.mp4"]
    assert Clip.read(f"{name}.mp4", FORMAT).video.max() > 190
    assert Video.read(f"{name}.mp4", FORMAT).frames.max() > 190
    with_audio(f"{name}.mp4", f"new {name}.mp4", np.zeros((2, 16_000), np.float32), 16_000)
    assert sorted(os.listdir(here)) == sorted([f"{name}.mp4", f"new {name}.mp4"])


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("suffix", [".wav", ".FLAC"])
def test_audio_of_any_bare_name_is_written_and_read(here: Path, name: str, suffix: str) -> None:
    write_audio(name + suffix, np.full((4, 100), 0.25, np.float32), 24_000)
    assert os.listdir(here) == [name + suffix]
    assert read_audio(name + suffix)[0].shape == (4, 100)
    assert open_audio(name + suffix).frames == 100


@pytest.mark.parametrize("read", [Clip.read, Video.read, read_audio, open_audio])
def test_pipes_and_pointers_are_one_sentence_at_once(tmp_path: Path, read) -> None:
    pipe, pointer = tmp_path / "pipe.wav", tmp_path / "pointer.wav"
    os.mkfifo(pipe)
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(MediaError, match="is a pipe or device"):
        read(pipe)
    with pytest.raises(MediaError, match="is a Git LFS pointer, not the file itself"):
        read(pointer)
