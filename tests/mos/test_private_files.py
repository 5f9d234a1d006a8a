"""Nobody else on the machine can read what listeners answered, from the moment it is written."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mos_clips import write_folder
from mos_organiser import Clock, listener, server
from test_listen_routes import make

from savg.cli import main
from savg.errors import SavgError
from savg.mos.hub.restore import DatasetStudy, make_folder
from savg.mos.results.report import write_report
from savg.mos.storage.snapshot import open_copy, write_snapshot
from savg.mos.storage.store import Store, sqlite_url
from savg.mos.study import folder as study_folder
from savg.mos.study.folder import open_folder
from savg.mos.study.options import plan_study
from savg.private_files import make_private, private_file, private_umask

SUFFIXES = ("", "-wal", "-shm", "-journal")

SMALL = {"trials": 4, "practice": 1, "repeats": 0, "catch": 0, "size": 64}


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """The usual umask of a server, under which everybody may read new files."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def assert_private(folder: Path) -> None:
    assert mode(folder) == 0o700
    inside = list(folder.rglob("*"))
    assert inside
    for path in inside:
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path


def test_a_study_is_private_while_it_is_made_and_after(tmp_path: Path) -> None:
    folders = {name: write_folder(tmp_path / name, 4) for name in "ab"}
    plan = plan_study("new", list("ab"), None, SMALL)
    parts: list[int] = []

    def look(done: int, total: int) -> None:
        parts.extend(mode(p) for p in tmp_path.iterdir() if "new" in p.name)

    path = tmp_path / "new"
    study_folder.create_folder(plan.study, folders, path, format=plan.format, on_clip=look)
    assert parts and set(parts) == {0o700}
    assert_private(path)


def test_a_database_and_its_files_are_private(tmp_path: Path) -> None:
    store = make(tmp_path / "one", "one").store
    store.invite("one")
    with store.reading():
        names = {p.name: mode(p) for p in (tmp_path / "one").glob("study.sqlite*")}
    assert names == {f"study.sqlite{s}": 0o600 for s in ("", "-wal", "-shm")}
    snapshot = tmp_path / "snapshot.sqlite"
    write_snapshot(store, "one", snapshot)
    assert mode(snapshot) == 0o600
    with open_copy(snapshot, "one").reading():
        pass
    store.close()


def test_an_older_study_becomes_private_when_it_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    store = make(folder, "one").store
    store.invite("one")  # the -wal stays while the database is open
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    open_folder(folder).store.close()
    assert_private(folder)
    store.close()


def test_a_study_may_be_shared_with_a_group_but_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    make(folder, "one").store.close()
    for path in folder.rglob("*"):
        path.chmod(0o750 if path.is_dir() else 0o640)
    folder.chmod(0o2750)
    open_folder(folder).store.close()
    assert mode(folder) == 0o2750 and mode(folder / "study.sqlite") == 0o640
    assert mode(folder / "study.json") == 0o640
    folder.chmod(0o2755)
    open_folder(folder).store.close()
    assert mode(folder) & 0o777 == 0o700 and mode(folder / "study.sqlite") == 0o600


def test_reports_restored_studies_and_rehearsals_are_private(tmp_path: Path) -> None:
    clock = Clock()
    _, study = server(tmp_path, clock)
    for _ in range(2):
        listener(study, clock)
    write_report(study.store, "small", tmp_path / "out" / "report")
    assert mode(tmp_path / "out" / "report") == 0o700
    one = make(tmp_path / "one", "one")
    for sound in one.media.iterdir():
        sound.chmod(0o644)
    described = DatasetStudy("one", tmp_path / "one" / "study.sqlite", "", {})
    make_folder(described, one.store, lambda: one.media, tmp_path / "restored")
    assert_private(tmp_path / "restored")


def test_commands_write_private_files(tmp_path: Path) -> None:
    clock = Clock()
    _, study = server(tmp_path, clock)
    for _ in range(2):
        listener(study, clock)
    study.store.close()
    assert main(["mos", "report", str(tmp_path / "small"), "--out", str(tmp_path / "r")]) == 0
    assert_private(tmp_path / "r")
    assert os.umask(0o022) == 0o022
    with private_umask():
        (tmp_path / "x").touch()
    assert mode(tmp_path / "x") == 0o600


def test_links_and_pipes_are_left_alone(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.write_text("x")
    outside.chmod(0o644)
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    make_private(inside)
    assert mode(inside) == 0o700 and mode(outside) == 0o644
    os.mkfifo(tmp_path / "pipe", 0o644)
    private_file(tmp_path / "pipe")
    assert mode(tmp_path / "pipe") == 0o644


OPENED = """
import sys
from pathlib import Path
from savg.errors import SavgError
from savg.mos.study.folder import open_folder
for folder in sys.argv[1:]:
    try:
        open_folder(Path(folder))
    except SavgError as error:
        print(error)
"""


def test_a_pipe_in_a_study_is_one_sentence(tmp_path: Path) -> None:
    folders = []
    for name in ("study.json", *(f"study.sqlite{s}" for s in SUFFIXES)):
        folder = tmp_path / f"pipe {name}"
        make(folder, "one").store.close()
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
        folders.append(str(folder))
    command = [sys.executable, "-c", OPENED, *folders]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    sentences = done.stdout.splitlines()
    assert len(sentences) == len(folders) and not done.stderr
    assert all(folder in sentence for folder, sentence in zip(folders, sentences, strict=True))


def test_media_that_are_pipes_are_not_served(tmp_path: Path) -> None:
    with pytest.raises(SavgError, match="must name a file"):
        Store("sqlite:///file:x?mode=ro&uri=true")
    with pytest.raises(SavgError, match="pipe, device or folder"):
        (tmp_path / "d").mkdir()
        Store(sqlite_url(tmp_path / "d"))
