"""A study's folder: complete or not there, with its database inside or elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mos_clips import pool, small_study

from savg.errors import SavgError
from savg.mos.storage.store import Store
from savg.mos.study import folder as module
from savg.mos.study.folder import DATABASE_VARIABLE, create_folder, format_of, open_folder
from savg.mos.study.stimuli import BuiltStimuli


@pytest.fixture(autouse=True)
def no_transcoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips as planned, without files."""
    stimuli = tuple(pool(small_study(), 6, anchors=4))
    monkeypatch.setattr(module, "build", lambda *_, **__: BuiltStimuli(stimuli, (), 0.0))
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)


def test_the_database_may_be_elsewhere(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "small"
    create_folder(small_study(), {}, path, url=url)
    assert {p.name for p in path.iterdir()} == {"media", "study.json"}
    assert json.loads((path / "study.json").read_text()) == {"study": "small", "database": None}
    assert url not in (path / "study.json").read_text(), "it may hold a password"
    with pytest.raises(SavgError, match="is elsewhere: give --database"):
        open_folder(path)
    opened = open_folder(path, url)
    assert opened.store.study("small").study == small_study()
    assert len(list(opened.media.glob("*.flac"))) == 25
    opened.store.close()
    monkeypatch.setenv(DATABASE_VARIABLE, url)
    open_folder(path).store.close()
    with pytest.raises(SavgError, match="exists already"):
        create_folder(small_study(), {}, tmp_path / "second", url=url)
    assert not (tmp_path / "second").exists()


def test_a_study_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise SavgError("no clips")

    monkeypatch.setattr(Store, "create_study", broken)
    with pytest.raises(SavgError, match="no clips"):
        create_folder(small_study(), {}, tmp_path / "small")
    assert list(tmp_path.iterdir()) == []


def test_folders_with_something_in_them_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x")
    with pytest.raises(SavgError, match="new folder"):
        create_folder(small_study(), {}, tmp_path)
    assert (tmp_path / "kept").read_text() == "x"


def test_shapes_of_presentation() -> None:
    assert format_of(4, 256).frames == 20
    wide = format_of(30, 512)
    assert (wide.size, wide.picture_height, wide.frames) == (512, 288, 150)
    assert wide.seconds == 5.0
