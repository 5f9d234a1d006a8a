"""Files of unknown origin: pipes, devices, Git LFS pointers, encodings, names in archives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from savg.errors import MediaError, SavgError
from savg.input_file import input_file, read_text, slashed

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"


def test_a_regular_file_is_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    link = tmp_path / "b.txt"
    link.symlink_to(path)
    assert input_file(path) == path and input_file(str(link)) == link


def refused(path: Path) -> str:
    with pytest.raises(MediaError) as info:
        input_file(path, "video file", MediaError)
    return str(info.value)


def test_what_is_no_file_is_one_sentence_and_hangs_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "loop").symlink_to("loop")
    assert "is a pipe or device: expected a video file" in refused(tmp_path / "pipe.mp4")
    assert "is a pipe or device" in refused(Path("/dev/zero"))
    assert "is a folder" in refused(tmp_path)
    assert "no such video file" in refused(tmp_path / "gone.mp4")
    assert "no such video file" in refused(tmp_path / "a\0b")
    assert "could not be opened" in refused(tmp_path / ("x" * 300))
    assert "could not be opened" in refused(tmp_path / "loop")


def test_a_git_lfs_pointer_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text(POINTER)
    assert refused(path) == f"{path} is a Git LFS pointer, not the file itself: run git lfs pull."


def test_text_is_utf8_with_or_without_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for data in ("{é}".encode(), "{é}".encode("utf-8-sig")):
        path.write_bytes(data)
        assert read_text(path) == "{é}"
    for encoding in ("utf-16", "latin-1"):
        path.write_bytes("{é}".encode(encoding))
        with pytest.raises(SavgError, match="must be text in UTF-8"):
            read_text(path)
    path.write_bytes(b"x" * 101)
    with pytest.raises(SavgError, match="is too large for a"):
        read_text(path, most=100)


def test_members_named_by_windows_tools_have_slashes() -> None:
    assert str(slashed("foa_dev\\dev-train-sony\\a.wav")) == "foa_dev/dev-train-sony/a.wav"


def test_a_message_is_one_line_that_a_terminal_shows_as_it_is() -> None:
    name = os.fsdecode(b"a\n\x1b[2J\xff") + "\u202egpj.4pm é"
    text = str(MediaError(f"{name} is no video."))
    assert text == "a\\n\\x1b[2J\\udcff\\u202egpj.4pm é is no video."
