"""Packs by strangers, and damaged ones: impossible counts, shapes and files get one sentence."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from savg.checksums import SUMS_FILE
from savg.data.packed import PackedClips, PackLayout, pack_clips, pack_scenes
from savg.data.scenes import World, draw_scene, render
from savg.errors import SavgError
from savg.format import ClipFormat

FORMAT = ClipFormat(frames=4)
WORLD = World.demo()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs") / "whole"
    pack_scenes(folder, WORLD, [1, 2, 3], FORMAT)
    return folder


@pytest.fixture
def pack(whole: Path, tmp_path: Path) -> Path:
    """A pack without checksums, as a stranger makes it."""
    shutil.copytree(whole, tmp_path / "pack")
    (tmp_path / "pack" / SUMS_FILE).unlink()
    return tmp_path / "pack"


def refusal(folder: Path) -> str:
    with pytest.raises(SavgError, match="is not a folder of packed clips") as caught:
        PackedClips(folder)
    text = str(caught.value)
    assert text.startswith(str(folder)) and text.endswith(".") and "\n" not in text
    assert len(text.replace(str(folder), "")) <= 400, text
    return text


def test_a_pack_without_checksums_opens(pack: Path, whole: Path) -> None:
    assert (PackedClips(pack).video == PackedClips(whole).video).all()


def array(pack: Path, name: str, change: Callable[[np.ndarray], Any]) -> None:
    values = np.load(pack / f"{name}.npy")
    result = change(values)
    np.save(pack / f"{name}.npy", values if result is None else result)


def at(index: Any, value: Any) -> Callable[[np.ndarray], None]:
    def change(values: np.ndarray) -> None:
        values[index] = value

    return change


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("label_counts", at(1, -1), r"label_counts must be in 0..20, got -1.."),
        ("label_counts", at(0, 21), r"label_counts must be in 0..20, got .*..21"),
        ("box_counts", at(2, 2**30), r"box_counts must be in 0..32"),
        ("frame_index", at((0, 3), 4), "frame_index must rise within 0..3"),
        ("frame_index", at((0, 0), -1), "frame_index must rise within 0..3"),
        ("frame_index", at((1, 1), 0), "frame_index must rise within 0..3"),
        ("labels", at((0, 0, 2), np.nan), "labels must be finite"),
        ("boxes", at((0, 0, 2), np.inf), "boxes must be finite"),
        ("video", lambda a: a[:2], r"video.npy must be uint8 \(3, 4, 36, 64, 3\), got"),
        ("audio", lambda a: a.astype(np.int32), "audio.npy must be int16"),
        ("audio", lambda a: a.astype(">i2"), "audio.npy must be int16"),
        ("audio", lambda a: a.astype(object), "audio.npy is not a NumPy array"),
        ("video", lambda a: np.asfortranarray(a), "video.npy must be uint8"),
        ("keys", lambda a: a.reshape(-1, 1), "keys.npy must be int64"),
        ("keys", lambda a: np.zeros(0, np.int64), "keys.npy must be int64"),
    ],
)
def test_impossible_arrays_are_named(name: str, change: Any, expected: str, pack: Path) -> None:
    array(pack, name, change)
    import re

    assert re.search(expected, refusal(pack))


def files(pack: Path) -> list[tuple[str, Callable[[Path], Any]]]:
    video = (pack / "video.npy").read_bytes()
    header = bytearray(video)
    header[8:10] = b"\xff\xff"
    version = bytearray(video)
    version[6] = 9

    def pipe(path: Path) -> None:
        path.unlink()
        os.mkfifo(path)

    return [
        ("empty", lambda p: p.write_bytes(b"")),
        ("half a header", lambda p: p.write_bytes(video[:40])),
        ("half the numbers", lambda p: p.write_bytes(video[: len(video) // 2])),
        ("more numbers", lambda p: p.write_bytes(video + b"\0" * 64)),
        ("header beyond the file", lambda p: p.write_bytes(header)),
        ("another version", lambda p: p.write_bytes(version)),
        ("text", lambda p: p.write_text("hello")),
        ("a zip", lambda p: p.write_bytes(b"PK\3\4" + video)),
        ("deep header", lambda p: p.write_bytes(
            b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000)),
        ("half a text", lambda p: p.write_bytes(
            b"\x93NUMPY\x01\x00" + (90).to_bytes(2, "little") + b"{'descr': \'\'\'" + b" " * 90)),
        ("missing", lambda p: p.unlink()),
        ("a folder", lambda p: (p.unlink(), p.mkdir())),
        ("a pipe", pipe),
    ]  # fmt: skip


def test_damaged_files_are_refused(pack: Path) -> None:
    for _, damage in files(pack):
        shutil.copytree(pack, pack.with_name("copy"))
        damage(pack.with_name("copy") / "video.npy")
        refusal(pack.with_name("copy"))
        shutil.rmtree(pack.with_name("copy"))


META: dict[str, list[Any]] = {
    "version": [2, None, "1"],
    "count": [0, -1, 4, 2, 10**9, 1.5, True, "3", None, [3]],
    "size": [0, 63, 10**9, None, "64", [64]],
    "rows": [[14, 49], [50, 14], [-1, 35], [0, 10**9], [14], None, "ab", [14.5, 50], [[1], 2]],
    "frames": [0, 5, -1, 10**9, "4", [4], 2.5],
    "audio": [1, "true", None],
    "origin": [3, None, [1], "x"],
    "resize": ["other", 3, None],
    "format": [None, [], {"frames": 0}, {"frames": 10**9}, {"fps": "4"}, {"wide": 3}, {"size": 1e9}],
    "another": [3],
}  # fmt: skip


@pytest.mark.parametrize("key", META)
def test_impossible_descriptions_are_refused(key: str, pack: Path) -> None:
    good = json.loads((pack / "meta.json").read_text())
    for value in META[key]:
        if value == good.get(key) or (key, value) == ("rows", None):
            continue
        (pack / "meta.json").write_text(json.dumps({**good, key: value}))
        refusal(pack)
    for content in ("", "[]", "3", "{", "[" * 100_000, '{"version": 1}', '{"count": NaN}'):
        (pack / "meta.json").write_text(content)
        refusal(pack)


def test_every_flipped_bit_is_noticed(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    shutil.copytree(whole, folder)
    draw = random.Random(5)
    for path in sorted(folder.iterdir()):
        good = path.read_bytes()
        for _ in range(6):
            data = bytearray(good)
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            path.write_bytes(data)
            refusal(folder)
        path.write_bytes(good)
    assert len(PackedClips(folder)) == 3


def test_a_damaged_pack_of_a_run_is_packed_again(tmp_path: Path, capsys: Any) -> None:
    from savg.train.sources import ClipSpec, Synthetic, open_clips

    spec, synthetic = ClipSpec(FORMAT), Synthetic(("demo",), (2,))
    first = open_clips("synthetic", tmp_path, spec, synthetic).packs[0]
    good = np.array(first.video)
    path = first.folder / "video.npy"
    data = bytearray(path.read_bytes())
    data[-100] ^= 4
    path.write_bytes(data)
    capsys.readouterr()
    again = open_clips("synthetic", tmp_path, spec, synthetic).packs[0]
    assert "video.npy is damaged" in capsys.readouterr().err
    assert (again.video == good).all()


def test_an_unfinished_pack_that_lost_a_file_starts_anew(tmp_path: Path) -> None:
    from savg.errors import Cancelled

    for lost in ("done.npy", "keys.npy", "audio.npy"):
        out = tmp_path / lost
        with pytest.raises(Cancelled):
            pack_scenes(out, WORLD, [1, 2], FORMAT, progress=lambda *_: False)
        (tmp_path / f".{lost}.part" / lost).unlink()
        clip = pack_scenes(out, WORLD, [1, 2], FORMAT).clip(1)
        expected = render(draw_scene(2, WORLD, FORMAT.seconds), FORMAT, 64).clip
        assert (clip.video == expected.video).all()


def test_a_full_disk_is_one_sentence_and_leaves_the_pack(tmp_path: Path) -> None:
    import subprocess
    import sys

    layout = PackLayout(1, FORMAT, 64)
    item = render(draw_scene(1, WORLD, FORMAT.seconds), FORMAT, 64)
    pack_clips(tmp_path / "p", [item], layout)
    code = """
import resource, sys
from savg.data.packed import pack_scenes
from savg.data.scenes import World
from savg.errors import SavgError
from savg.format import ClipFormat
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    pack_scenes(sys.argv[1], World.demo(), [1, 2], ClipFormat(frames=4))
except SavgError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "p")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout == f"{tmp_path / 'p'} could not be written: File too large.\n", done.stderr
    assert len(PackedClips(tmp_path / "p")) == 1
