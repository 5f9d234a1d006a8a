"""The library: opaque names, uploads converted or refused in one sentence, bounded size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import studio_fakes

from savg.clip import Clip
from savg.errors import MediaError, SavgError
from savg.studio.shared import storage
from savg.studio.shared.library import POSTER, VIDEO, Library, media_url, visible_rows
from savg.studio.shared.storage import Storage


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "library")


def test_a_clip_is_stored_under_an_opaque_name_with_both_channels(library: Library) -> None:
    stored = library.add(studio_fakes.scene(0), "../../<b>Anna</b>.mp4", "test")
    assert stored.folder.parent == library.root
    assert len(stored.key) == 32 and int(stored.key, 16) >= 0
    assert stored.stem == "b-anna-b"
    assert library[stored.key] is stored
    assert stored.path(POSTER).read_bytes()[:2] == b"\xff\xd8"
    assert stored.path(VIDEO).as_posix() in media_url(stored.path(VIDEO))
    back = Clip.read(stored.path(VIDEO))
    left, right = np.sqrt((back.audio.astype(float) ** 2).mean(axis=1))
    assert 20 * np.log10(left / right) > 4  # the speaker of seed 0 stands on the left


@pytest.mark.parametrize("key", ["", "nothing", "../etc/passwd", None, 3, ["x"]])
def test_unknown_keys_are_refused(library: Library, key: object) -> None:
    with pytest.raises(SavgError, match="no longer here"):
        library[key]


def test_an_upload_is_converted_and_named_after_the_visitors_file(
    library: Library, tmp_path: Path
) -> None:
    path = tmp_path / "0123.mp4"
    studio_fakes.scene(1).write(path)
    stored = library.add_upload(path, "C:\\films\\My film.mp4")
    assert stored.title == "My film.mp4" and stored.folder.parent == library.root
    assert "5 s" in stored.origin


def test_a_refused_upload_is_told_by_the_visitors_name_and_leaves_nothing(
    library: Library, tmp_path: Path
) -> None:
    path = tmp_path / "upload-4711"
    path.write_text("this is a text")
    with pytest.raises(MediaError) as caught:
        library.add_upload(path, "holiday.mp4")
    assert "holiday.mp4" in str(caught.value) and str(tmp_path) not in str(caught.value)
    assert not library.root.exists() or not list(library.root.iterdir())


def test_the_oldest_clips_go_but_examples_stay(tmp_path: Path) -> None:
    library = Library(tmp_path / "library", max_clips=3)
    clip = studio_fakes.scene(0)
    folder = tmp_path / "examples"
    clip.write(folder / "one_speaker.mp4")
    (folder / "one_speaker.json").write_text(json.dumps({"title": "One speaker"}))
    (example,) = library.add_examples(folder)
    keys = [library.add(clip, f"clip {i}", "test").key for i in range(3)]
    assert library[example].title == "One speaker"
    assert [stored.key for stored in library.get([example, *keys])] == [example, *keys[1:]]
    assert len(list(library.root.iterdir())) == 3


def test_visitors_do_not_push_out_each_others_clips(tmp_path: Path) -> None:
    library = Library(tmp_path / "library", max_clips=2)
    clip = studio_fakes.scene(0)
    anna = library.add(clip, "Anna's", "test", "anna").key
    bens = [library.add(clip, f"Ben's {i}", "test", "ben").key for i in range(4)]
    assert [one.key for one in library.get([anna, *bens])] == [anna, *bens[2:]]
    assert library.owners() == {"anna", "ben"}
    library.forget_owner("ben")
    assert [entry.name for entry in library.root.iterdir()] == [anna]


def test_nothing_is_stored_where_too_little_would_stay_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(storage=Storage(tmp_path, free_bytes=10**18))
    library.add(studio_fakes.scene(0), "clip", "test")  # at most a share of the disk stays free
    monkeypatch.setattr(storage, "FREE_SHARE", 1.0)
    with pytest.raises(SavgError, match="disk is nearly full"):
        library.add(studio_fakes.scene(0), "clip", "test")
    assert len(list(tmp_path.iterdir())) == 1


def test_the_folder_of_a_killed_studio_goes_when_the_next_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(storage, "PARENT", str(tmp_path))
    code = (
        "import os, signal; from savg.studio.shared.storage import Storage; s = Storage();"
        "(s.root / 'clip').mkdir(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = tmp_path.iterdir()
    assert (left / "clip").is_dir() and left.stat().st_mode & 0o777 == 0o700
    ours = Storage()
    assert list(tmp_path.iterdir()) == [ours.root] and ours.root != left


def test_a_full_disk_is_one_sentence(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Clip, path: Path, comment: str = "") -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Clip, "write", fail)
    with pytest.raises(SavgError, match=r"could not be stored: No space left"):
        library.add(studio_fakes.scene(0), "clip", "test")
    assert not list(library.root.iterdir())


def test_only_black_padding_is_hidden() -> None:
    clip = studio_fakes.scene(0)
    assert visible_rows(clip) == (56, 200)
    full = clip.video.copy()
    full[:, :4] = 90
    assert visible_rows(Clip(full, clip.audio)) == (0, 256)
