"""Recordings in folders and zip files, whole and split."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from savg.data.starss import recordings as recordings_module
from savg.data.starss.archives import open_archive
from savg.data.starss.recordings import Recording, find_recordings
from savg.errors import SavgError

NAMES = ("fold3_room21_mix001", "fold3_room4_mix010", "fold4_room23_mix002")
GROUPS = ("dev-train-sony", "dev-train-tau", "dev-test-sony")
PLACES = {"foa_dev": ".wav", "video_dev": ".mp4", "metadata_dev": ".csv"}


def content(folder: str, name: str, size: int = 3000) -> bytes:
    """Bytes that differ for each file and do not shrink when packed."""
    seed = int.from_bytes(hashlib.sha256(f"{folder}{name}".encode()).digest()[:4], "big")
    return np.random.default_rng(seed).bytes(size)


def published(root: Path) -> Path:
    """A small STARSS23 in folders."""
    for folder, suffix in PLACES.items():
        for name, group in zip(NAMES, GROUPS, strict=True):
            path = root / folder / group / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content(folder, name))
    return root


def packed(root: Path, place: Callable[[str, str, str], str], method: int = 0) -> Path:
    """The same as zip files; `place` gives a member's name from folder, group and file name."""
    root.mkdir(parents=True, exist_ok=True)
    for folder, suffix in PLACES.items():
        with zipfile.ZipFile(root / f"{folder}.zip", "w", method) as archive:
            for name, group in zip(NAMES, GROUPS, strict=True):
                archive.writestr(place(folder, group, name + suffix), content(folder, name))
    return root


def split_by_hand(path: Path, cuts: Sequence[int], wide: bool = False) -> None:
    """Turn a whole zip file into parts that end at `cuts` bytes, directory included.

    wide: offsets and the directory's place are written with 64 bits, as for parts over 4 GiB.
    """
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        members, directory_at = archive.infolist(), archive.start_dir
    whole = b"PK\7\x08" + whole[:directory_at]
    begins = [0, *cuts]

    def place(offset: int) -> tuple[int, int]:
        disk = max(i for i, begin in enumerate(begins) if begin <= offset)
        return disk, offset - begins[disk]

    directory = b""
    for info in members:
        disk, offset = place(info.header_offset + 4)
        extra = struct.pack("<HH3s", 0x7777, 3, b"abc")
        if wide:
            extra += struct.pack("<HHQ", 1, 8, offset)
        name = info.filename.encode()
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 45, 45, info.flag_bits, info.compress_type, 0, 0, info.CRC,
            info.compress_size, info.file_size, len(name), len(extra), 2, disk, 0, 0,
            0xFFFFFFFF if wide else offset,
        )  # fmt: skip
        directory += name + extra + b"no"
    disk, offset = place(len(whole))
    last, end64 = place(len(whole) + len(directory))
    count, size = len(members), len(directory)
    whole += directory
    if wide:
        whole += struct.pack(
            "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, last, disk, count, count, size, offset
        )
        whole += struct.pack("<4sLQL", b"PK\6\7", last, end64, len(cuts) + 1)
        size = offset = 0xFFFFFFFF
    end = (len(cuts), disk, count, count, size, offset, 5)
    whole += struct.pack("<4s4H2LH", b"PK\5\6", *end) + b"hello"
    for number, (begin, stop) in enumerate(zip(begins, [*cuts, None], strict=True), 1):
        part = path if stop is None else path.with_suffix(f".z{number:02d}")
        part.write_bytes(whole[begin:stop])


def check_all_read(root: Path, cache: Path) -> None:
    """Every recording of `published` is listed, complete and in order."""
    index = find_recordings(root)
    assert not index.problems
    assert [r.name for r in index.recordings] == sorted(NAMES)
    for recording in index.recordings:
        expected = {
            role: content(folder, recording.name)
            for role, folder in zip(("audio", "video", "labels"), PLACES, strict=True)
        }
        assert recording.fingerprint() == {
            role: hashlib.sha256(data).hexdigest() for role, data in expected.items()
        }
        with recording.files(cache) as files:
            paths = {role: getattr(files, role) for role in expected}
            for role, data in expected.items():
                assert paths[role].read_bytes() == data
                assert paths[role].suffix == {"audio": ".wav", "video": ".mp4"}.get(role, ".csv")
    assert not cache.exists() or not list(cache.iterdir())


def test_folders(tmp_path: Path) -> None:
    root = published(tmp_path / "starss")
    check_all_read(root, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    groups = {r.name: r.group for r in find_recordings(root).recordings}
    assert groups == dict(zip(NAMES, GROUPS, strict=True))


@pytest.mark.parametrize(
    ("place", "groups"),
    [
        (lambda folder, group, file: f"{folder}/{group}/{file}", True),
        (lambda folder, group, file: f"{group}/{file}", True),
        (lambda folder, group, file: f"STARSS23/{folder}/{group}/{file}", True),
        (lambda folder, group, file: f"{folder}/{file}", False),
        (lambda folder, group, file: file, False),
    ],
    ids=["top", "no top", "two tops", "flat", "bare"],
)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_files(
    tmp_path: Path, place: Callable[[str, str, str], str], groups: bool, method: int
) -> None:
    root = packed(tmp_path / "starss", place, method)
    check_all_read(root, tmp_path / "cache")
    actual = {r.name: r.group for r in find_recordings(root).recordings}
    assert actual == dict(zip(NAMES, GROUPS if groups else ("", "", ""), strict=True))


@pytest.mark.parametrize("wide", [False, True], ids=["32 bit", "64 bit"])
@pytest.mark.parametrize("seed", range(8))
def test_archives_split_by_hand(tmp_path: Path, seed: int, wide: bool) -> None:
    """Cuts anywhere: in the data, in headers and in the directory, also between two directory rows."""
    rng = np.random.default_rng(seed)
    method = zipfile.ZIP_DEFLATED if seed % 2 else zipfile.ZIP_STORED
    root = packed(tmp_path / "starss", lambda *names: "/".join(names), method)
    for folder in PLACES:
        path = root / f"{folder}.zip"
        with zipfile.ZipFile(path) as archive:
            data, directory = archive.start_dir, archive.start_dir + 4
        cuts = sorted({*rng.integers(10, data, size=seed % 4 + 1).tolist()})
        if seed > 3:
            cuts += [directory + 40]
        split_by_hand(path, cuts, wide)
        with pytest.raises(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
            archive.read(archive.namelist()[0])
    check_all_read(root, tmp_path / "cache")


@pytest.mark.skipif(shutil.which("zip") is None, reason="the zip tool is not there to split")
def test_archives_split_by_the_zip_tool(tmp_path: Path) -> None:
    source = tmp_path / "folders"
    for folder, suffix in PLACES.items():
        for name, group in zip(NAMES, GROUPS, strict=True):
            path = source / folder / group / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content(folder, name, 90_000 if suffix != ".csv" else 300))
    root = tmp_path / "starss"
    root.mkdir()
    for folder in PLACES:
        subprocess.run(
            ["zip", "-q", "-r", "-s", "64k", str(root / f"{folder}.zip"), folder],
            cwd=source,
            check=True,
        )
    assert (root / "foa_dev.z03").exists() and not (root / "metadata_dev.z01").exists()
    plain, zipped = find_recordings(source), find_recordings(root)
    assert not zipped.problems
    assert [(r.name, r.group, r.fingerprint()) for r in zipped.recordings] == [
        (r.name, r.group, r.fingerprint()) for r in plain.recordings
    ]


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    root = packed(tmp_path / "starss", lambda *names: "/".join(names))
    split_by_hand(root / "video_dev.zip", [3000, 6000])
    (root / "video_dev.z02").unlink()
    with pytest.raises(
        SavgError, match=r"video_dev\.zip is the last of 3 parts, and video_dev\.z02"
    ):
        find_recordings(root)


@pytest.mark.parametrize("damage", ["not a zip", "cut short", "wrong part"])
def test_damaged_archives_are_named(tmp_path: Path, damage: str) -> None:
    root = packed(tmp_path / "starss", lambda *names: "/".join(names))
    path = root / "video_dev.zip"
    if damage == "not a zip":
        path.write_bytes(b"<html>not found</html>")
    elif damage == "cut short":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        split_by_hand(path, [3000, 6000])
        (root / "video_dev.z02").write_bytes(b"")
    with pytest.raises(SavgError, match=r"video_dev\.zip") as error:
        for recording in find_recordings(root).recordings:
            recording.fingerprint()
    assert "\n" not in str(error.value)


def test_a_damaged_member_is_named_and_leaves_nothing_behind(tmp_path: Path) -> None:
    root = packed(tmp_path / "starss", lambda *names: "/".join(names))
    path = root / "video_dev.zip"
    data = bytearray(path.read_bytes())
    data[500] ^= 0xFF
    path.write_bytes(data)
    recording = find_recordings(root).recordings[0]
    with (
        pytest.raises(SavgError, match=r"video_dev\.zip: the member .*mp4 is damaged"),
        recording.files(tmp_path / "cache"),
    ):
        pass
    assert not list((tmp_path / "cache").iterdir())


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    root = packed(tmp_path / "starss", lambda *names: "/".join(names))
    path = root / "foa_dev.zip"
    data = bytearray(path.read_bytes())
    for mark, field in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + field] |= 1
    path.write_bytes(data)
    with pytest.raises(SavgError, match=r"foa_dev\.zip: the member .* cannot be unpacked"):
        find_recordings(root).recordings[0].fingerprint()


@pytest.mark.parametrize(
    "name", ["../../escaped.wav", "/etc/escaped.wav", "a/../../../escaped.wav"]
)
def test_member_names_do_not_lead_out_of_the_cache(tmp_path: Path, name: str) -> None:
    root = tmp_path / "deep" / "starss"
    root.mkdir(parents=True)
    for folder, suffix in PLACES.items():
        with zipfile.ZipFile(root / f"{folder}.zip", "w") as archive:
            archive.writestr(name.replace(".wav", suffix), b"content")
    cache = tmp_path / "deep" / "cache"
    (recording,) = find_recordings(root).recordings
    assert recording.name == "escaped"
    with recording.files(cache) as files:
        for path in (files.audio, files.video, files.labels):
            assert path.resolve().is_relative_to(cache.resolve())
            assert path.read_bytes() == b"content"
    assert not list(tmp_path.rglob("escaped*"))


def test_incomplete_recordings_are_problems_in_order_of_name(tmp_path: Path) -> None:
    root = published(tmp_path / "starss")
    (root / "video_dev" / GROUPS[0] / f"{NAMES[0]}.mp4").unlink()
    (root / "foa_dev" / GROUPS[2] / f"{NAMES[2]}.wav").unlink()
    (root / "metadata_dev" / GROUPS[2] / f"{NAMES[2]}.csv").unlink()
    (root / "metadata_dev" / GROUPS[2] / "fold9_room1_mix001.csv").touch()
    (root / "foa_dev" / GROUPS[0] / f"._{NAMES[0]}.wav").touch()
    (root / "video_dev" / "readme.txt").touch()
    index = find_recordings(root)
    assert [r.name for r in index.recordings] == [NAMES[1]]
    assert [(p.recording, p.sentence, p.skipped) for p in index.problems] == [
        (NAMES[0], f"{NAMES[0]} has no video.", True),
        (NAMES[2], f"{NAMES[2]} has no audio and no labels.", True),
        ("fold9_room1_mix001", "fold9_room1_mix001 has no audio and no video.", True),
    ]


def test_folders_and_zip_files_together(tmp_path: Path) -> None:
    """A half unpacked download: what lies in a folder is taken from there."""
    root = published(tmp_path / "starss")
    packed(root, lambda *names: "/".join(names))
    shutil.rmtree(root / "video_dev")
    check_all_read(root, tmp_path / "cache")
    recording = find_recordings(root).recordings[0]
    assert recording.audio.inside is None and recording.video.inside is not None


def test_one_name_in_two_groups_is_used_once(tmp_path: Path) -> None:
    root = published(tmp_path / "starss")
    for folder, suffix in PLACES.items():
        (root / folder / "zz").mkdir()
        (root / folder / "zz" / f"{NAMES[0]}{suffix}").write_bytes(b"other")
    index = find_recordings(root)
    assert [r.group for r in index.recordings] == list(GROUPS)
    (problem,) = index.problems
    assert not problem.skipped
    assert problem.sentence == f"{NAMES[0]} lies in dev-train-sony and in zz; the first is used."


def test_names_in_folders_that_do_not_match_are_problems(tmp_path: Path) -> None:
    root = published(tmp_path / "starss")
    (root / "video_dev" / "zz").mkdir()
    shutil.copy(
        root / "video_dev" / GROUPS[0] / f"{NAMES[0]}.mp4",
        root / "video_dev" / "zz" / f"{NAMES[0]}.mp4",
    )
    (root / "video_dev" / GROUPS[0]).rename(root / "video_dev" / "yy")
    index = find_recordings(root)
    assert [r.name for r in index.recordings] == [NAMES[1], NAMES[2]]
    assert "several folders that do not match" in index.problems[0].sentence


def test_evaluation_folders_count_only_with_labels(tmp_path: Path) -> None:
    root = published(tmp_path / "starss")
    for folder in ("foa", "video"):
        (root / f"{folder}_eval").mkdir()
        suffix = PLACES[f"{folder}_dev"]
        (root / f"{folder}_eval" / f"mix001{suffix}").touch()
    assert not find_recordings(root).problems
    (root / "metadata_eval").mkdir()
    (root / "metadata_eval" / "mix001.csv").touch()
    assert [r.name for r in find_recordings(root).recordings] == [*NAMES, "mix001"]


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SavgError, match="no such folder"):
        find_recordings(tmp_path / "absent")
    (tmp_path / "photos").mkdir()
    with pytest.raises(SavgError, match="holds no recordings: expected STARSS23's folders foa_dev"):
        find_recordings(tmp_path)


def test_the_fingerprint_is_read_once_and_again_after_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = published(tmp_path / "starss")
    recording = find_recordings(root).recordings[0]
    first = recording.fingerprint()
    copy: Recording = pickle.loads(pickle.dumps(recording))
    with monkeypatch.context() as patch:
        patch.setattr(recordings_module.Member, "open", lambda self: pytest.fail("read again"))
        assert copy.fingerprint() == first
    path = recording.labels.container
    path.write_bytes(content("other", "content"))
    os.utime(path, ns=(1, 1))
    second = recording.fingerprint()
    assert second["labels"] == hashlib.sha256(content("other", "content")).hexdigest()
    assert {role for role in first if first[role] != second[role]} == {"labels"}


def test_a_removed_file_is_named(tmp_path: Path) -> None:
    root = published(tmp_path / "starss")
    recording = find_recordings(root).recordings[0]
    recording.video.container.unlink()
    with pytest.raises(SavgError, match=r"mix001\.mp4 could not be read"):
        recording.fingerprint()


def test_a_split_archive_can_be_read_at_any_place(tmp_path: Path) -> None:
    root = packed(tmp_path / "starss", lambda *names: "/".join(names))
    path = root / "foa_dev.zip"
    split_by_hand(path, [100, 101, 3500, 7000])
    expected = content("foa_dev", NAMES[1])
    rng = np.random.default_rng(5)
    with open_archive(path) as archive, archive.open(archive.namelist()[1]) as stream:
        for at in rng.integers(0, len(expected), 50).tolist():
            size = int(rng.integers(0, 900))
            stream.seek(at)
            assert stream.read(size) == expected[at : at + size]


def test_the_state_changes_with_a_file_and_not_by_reading_it(tmp_path):
    for folder, suffix in (("foa_dev", "wav"), ("video_dev", "mp4"), ("metadata_dev", "csv")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"take.{suffix}").write_bytes(b"content")
    (recording,) = find_recordings(tmp_path).recordings
    before = recording.state()
    recording.fingerprint()
    assert recording.state() == before
    (tmp_path / "video_dev" / "take.mp4").write_bytes(b"other content")
    assert recording.state() != before
