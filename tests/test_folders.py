"""Searching folders for videos and tables: suffixes, links, hidden and temporary files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from savg.errors import SavgError
from savg.folders import VIDEO_SUFFIXES, by_stem, files_in, in_any_case, videos_in


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_every_container_is_a_video_in_any_case(tmp_path: Path, suffix: str, spell) -> None:
    path = touch(tmp_path / f"C0001{spell(suffix)}")
    assert videos_in(tmp_path) == videos_in(tmp_path, deep=True) == [path]


def test_hidden_files_overlays_and_what_is_no_file_are_passed_over(tmp_path: Path) -> None:
    wanted = touch(tmp_path / "b.mp4")
    for name in (".a.mp4", "._b.mp4", "b.overlay.mp4", "B.OVERLAY.MP4", "b.txt", "mp4", ".mp4"):
        touch(tmp_path / name)
    touch(tmp_path / ".cache" / "c.mp4")
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    assert videos_in(tmp_path) == videos_in(tmp_path, deep=True) == [wanted]


def test_links_are_followed_and_circles_end(tmp_path: Path) -> None:
    disk, root = tmp_path / "disk", tmp_path / "set"
    touch(disk / "take" / "a.mp4")
    touch(tmp_path / "elsewhere.MOV")
    touch(root / "z" / "b.mp4")
    (root / "linked").symlink_to(disk)
    (root / "file.mov").symlink_to(tmp_path / "elsewhere.MOV")
    (root / "circle").symlink_to(root)
    (disk / "take" / "up").symlink_to(root)
    (root / "self").symlink_to("self")
    names = [str(path.relative_to(root)) for path in videos_in(root, deep=True)]
    assert names == ["file.mov", "linked/take/a.mp4", "z/b.mp4"]


def test_a_folder_reached_twice_counts_once_under_its_own_name(tmp_path: Path) -> None:
    touch(tmp_path / "m" / "real" / "a.mp4")
    (tmp_path / "a").symlink_to(tmp_path / "m" / "real")
    (tmp_path / "z").symlink_to(tmp_path / "m")
    assert videos_in(tmp_path, deep=True) == [tmp_path / "m" / "real" / "a.mp4"]
    assert videos_in(tmp_path / "a") == [tmp_path / "a" / "a.mp4"]


def test_only_a_deep_search_looks_into_folders(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "a.mp4")
    assert videos_in(tmp_path) == []


def test_a_folder_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "gone", touch(tmp_path / "file"), tmp_path / ("x" * 300)):
        with pytest.raises(SavgError, match="could not be read"):
            files_in(path, {".csv"})


def test_files_by_stem_prefer_the_earlier_suffix(tmp_path: Path) -> None:
    mp4, _, csv = (touch(tmp_path / name) for name in ("a.MP4", "a.mkv", "a.CSV"))
    assert by_stem(tmp_path, VIDEO_SUFFIXES) == {"a": mp4}
    assert by_stem(tmp_path, (".csv",)) == {"a": csv}
    assert by_stem(tmp_path / "gone", (".csv",)) == {}


def test_a_file_is_found_in_any_case(tmp_path: Path) -> None:
    path = touch(tmp_path / "A.Boxes.CSV")
    assert in_any_case(tmp_path / "a.boxes.csv") == path
    assert in_any_case(path) == path
    assert in_any_case(tmp_path / "b.csv") == tmp_path / "b.csv"
    assert in_any_case(tmp_path / "no" / "b.csv") == tmp_path / "no" / "b.csv"
