"""A study's folder: complete or not there, with its database inside or elsewhere."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mos_clips import pool, small_study
from mos_organiser import Clock, make

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


@pytest.mark.parametrize("damage", ["bytes", "table", "name", "design", "not a database", "cut"])
def test_a_damaged_database_is_one_sentence(tmp_path: Path, damage: str) -> None:
    folder = make(tmp_path / "small", small_study(), Clock())
    folder.store.invite("small", 3)
    folder.store.close()
    file = tmp_path / "small" / "study.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
        if damage == "table":
            database.execute("DROP TABLE sound")
        elif damage == "name":
            database.execute("PRAGMA foreign_keys=OFF")
            database.execute("UPDATE study SET id = ?", ("x" * 10_000,))
        elif damage == "design":
            database.execute("UPDATE study SET design = '{'")
        database.commit()
    data = bytearray(file.read_bytes())
    if damage == "bytes":
        data[4096:] = b"\xff" * (len(data) - 4096)
    elif damage == "not a database":
        data = bytearray(b"hello " * 5000)
    elif damage == "cut":
        del data[len(data) // 2 :]
    file.write_bytes(data)
    with pytest.raises(SavgError, match=r"small.*\.$") as raised:
        open_folder(tmp_path / "small")
    sentence = str(raised.value)
    assert "\n" not in sentence and len(sentence) < 400 + len(str(tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        "participant SET created_at = 'yesterday'",
        "participant SET status = 'lost'",
        "participant SET device = '[]'",
        "stimulus SET seconds = 'long'",
        "sound SET answer = x'00'",
    ],
)
def test_a_row_that_is_never_stored_is_one_sentence(tmp_path: Path, change: str) -> None:
    folder = make(tmp_path / "small", small_study(), Clock())
    folder.store.invite("small", 3)
    folder.store.close()
    with closing(sqlite3.connect(tmp_path / "small" / "study.sqlite")) as database:
        database.execute("PRAGMA ignore_check_constraints=ON")
        database.execute(f"UPDATE {change}")
        database.commit()
    table, column = change.split()[0], change.split()[2]
    with pytest.raises(
        SavgError, match=rf"study\.sqlite could not be read: {table}\.{column} .*\.$"
    ):
        open_folder(tmp_path / "small")
