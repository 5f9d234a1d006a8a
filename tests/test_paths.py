"""Files that appear whole or not at all, and what killed writers leave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from savg import temporary
from savg.errors import SavgError
from savg.folders import videos_in
from savg.paths import atomic_file, atomic_folder, writable_file, writable_folder
from savg.temporary import is_abandoned, remove_abandoned, temporary_path

KILLED = """
import os, signal, sys
from savg.paths import atomic_file, atomic_folder
with atomic_file(sys.argv[1]) as part, atomic_folder(sys.argv[2]) as folder:
    part.write_bytes(b"half")
    (folder / "shard.safetensors").write_bytes(b"half")
    if sys.argv[3] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    print("writing", flush=True)
    sys.stdin.read()
"""


def writer(folder: Path, mode: str) -> subprocess.Popen[str]:
    run = [sys.executable, "-c", KILLED, str(folder / "clip.mp4"), str(folder / "00000010"), mode]
    return subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def hidden(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.startswith("."))


def test_a_killed_writer_leaves_hidden_files_that_the_next_removes(tmp_path: Path) -> None:
    process = writer(tmp_path, "kill")
    assert process.wait(60) == -9
    left = hidden(tmp_path)
    assert len(left) == 2 and videos_in(tmp_path) == []
    assert all(is_abandoned(path) for path in left)
    with atomic_file(tmp_path / "next.mp4") as part:
        assert hidden(tmp_path) == [] or hidden(tmp_path) == [part]
        part.write_bytes(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["next.mp4"]


def test_a_living_writers_files_are_left_alone(tmp_path: Path) -> None:
    process = writer(tmp_path, "wait")
    try:
        assert process.stdout is not None and process.stdout.readline() == "writing\n"
        left = hidden(tmp_path)
        assert len(left) == 2 and remove_abandoned(tmp_path) == [] and hidden(tmp_path) == left
    finally:
        process.communicate("", timeout=60)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["00000010", "clip.mp4"]


def test_another_machines_files_are_abandoned_after_a_day(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(temporary, "_host", lambda: "0123abcd")
    path = temporary_path(tmp_path / "clip.mp4")
    monkeypatch.undo()
    path.write_bytes(b"x")
    assert not is_abandoned(path)
    old = time.time() - temporary.FOREIGN_SECONDS - 60
    os.utime(path, (old, old))
    assert remove_abandoned(tmp_path) == [path] and not path.exists()


def test_a_process_of_the_same_number_that_began_later_is_another(tmp_path: Path) -> None:
    own = temporary_path(tmp_path / "clip.mp4")
    host, pid, _, token = own.name.split(".")[2].split("-")
    assert int(pid) == os.getpid() and not is_abandoned(own)
    assert is_abandoned(own.with_name(f".clip.{host}-{pid}-0000aaaa-{token}.part.mp4"))


def test_a_process_that_cannot_be_looked_at_is_living(tmp_path: Path, monkeypatch) -> None:
    path = temporary_path(tmp_path / "clip.mp4")
    monkeypatch.setattr(temporary, "_began", lambda pid: "0")
    assert not is_abandoned(path)


def test_when_a_process_began_is_asked_each_time(tmp_path: Path) -> None:
    """Its number may be given to another one."""
    process = writer(tmp_path, "wait")
    assert process.stdout is not None and process.stdout.readline() == "writing\n"
    assert temporary._began(process.pid) != "0"
    process.communicate("", timeout=60)
    assert temporary._began(process.pid) == "0"


REPLACED = """
import os, signal, sys
from savg.paths import atomic_folder
replace, calls = os.replace, []
def killed(source, target):
    if len(calls) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(target)
    replace(source, target)
os.replace = killed
with atomic_folder(sys.argv[1]) as part:
    (part / "new").touch()
"""


@pytest.mark.parametrize("renames", [0, 1])
def test_a_folder_survives_the_killing_of_whoever_replaces_it(tmp_path: Path, renames: int) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").touch()
    command = [sys.executable, "-c", REPLACED, str(target), str(renames)]
    assert subprocess.run(command, timeout=60).returncode == -9
    assert target.exists() == (renames == 0)
    remove_abandoned(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.name for path in target.iterdir()] == ["old"]


@pytest.mark.parametrize("name", [".hidden.mp4", ".git", "clip.mp4", ".a.0123abcd.mp4", "..part"])
def test_other_hidden_files_are_never_removed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert remove_abandoned(tmp_path) == [] and (tmp_path / name).exists()


def test_content_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch) -> None:
    events: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle: int) -> None:
        events.append("flush " + Path(os.readlink(f"/proc/self/fd/{handle}")).suffix)
        real_fsync(handle)

    def replace(source: Path, target: Path) -> None:
        events.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    with atomic_file(tmp_path / "a.csv") as part:
        part.write_text("1")
    assert events == ["flush .csv", "rename", "flush "]
    events.clear()
    with atomic_folder(tmp_path / "run") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "b.bin").write_text("2")
    assert events.index("flush .bin") < events.index("rename") < len(events) - 1


def test_names_that_no_file_can_have_are_one_sentence(tmp_path: Path) -> None:
    for name in ("x" * 256, "é" * 128 + ".mp4"):
        with pytest.raises(SavgError, match="at most 255 bytes"), atomic_file(tmp_path / name):
            pytest.fail("there is no such file")
        with pytest.raises(SavgError, match="at most 255 bytes"):
            writable_folder(tmp_path / name / "in", "--out")
    longest = "é" * 125 + ".json"
    with atomic_file(tmp_path / longest) as part:
        part.write_text("{}")
    assert [path.name for path in tmp_path.iterdir()] == [longest]


def test_targets_are_checked_without_making_anything(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    assert writable_folder(tmp_path / "new" / "deep") == tmp_path / "new" / "deep"
    assert writable_file(tmp_path / "new" / "a.mp4") == tmp_path / "new" / "a.mp4"
    wrong = [file, file / "in", tmp_path / "loop" / "in", Path("/proc/new"), Path("/dev/null/x")]
    for path in wrong:
        with pytest.raises(SavgError, match=r"^--out"):
            writable_folder(path, "--out")
    for path in (tmp_path, file / "a.mp4", Path("/proc/a.mp4")):
        with pytest.raises(SavgError, match=r"^--out"):
            writable_file(path, "--out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "loop"]
