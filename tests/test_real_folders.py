"""Folders as people have them: links, capitals, any container, archives of Windows tools; and a disk
that is full. Every search finds the same clips."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from mos_clips import panned_clip

from savg.clip import Clip
from savg.data.savgbench import SavgBench
from savg.data.starss.recordings import find_recordings
from savg.errors import SavgError
from savg.evaluation.files import find_videos, read_tables, read_truth, tables_in
from savg.format import ClipFormat
from savg.mos.study.stimuli import find_clips
from savg.studio.shared.library import Library
from savg.train.sources import ClipSpec, Synthetic, open_clips

NAME = "fold3_room1_mix001"
FORMAT = ClipFormat(frames=4, fps=4, size=32, picture_height=18)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    panned_clip(0, 6.0, format=FORMAT).write(path)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["C0001.MP4", "a.m4v", "a.MOV"])
def test_every_search_finds_the_same_clips(tmp_path: Path, video: bytes, name: str) -> None:
    disk, folder = tmp_path / "disk", tmp_path / "clips"
    disk.mkdir()
    folder.mkdir()
    (disk / name).write_bytes(video)
    (folder / name).symlink_to(disk / name)
    (folder / f".{name}").write_bytes(video)
    (folder / "a.overlay.mp4").write_bytes(video)
    clips = [folder / name]
    assert find_videos([str(folder)]) == clips == find_clips(folder)
    library = Library(tmp_path / "library")
    assert len(library.add_examples(folder)) == 1
    linked = tmp_path / "linked"
    (linked / "deep").mkdir(parents=True)
    (linked / "deep" / "more").symlink_to(folder)
    (linked / "deep" / "circle").symlink_to(linked)
    spec = ClipSpec(FORMAT, size=16)
    assert len(open_clips(str(linked), tmp_path / "run", spec, Synthetic())) == 1


def test_a_dataset_on_other_disks_is_found(tmp_path: Path, video: bytes) -> None:
    disk, sets = tmp_path / "disk", tmp_path / "sets"
    root = sets / "Set_Development"
    for kind, suffix, data in (("video", "MP4", video), ("metadata", "CSV", b"0,9,5,5\n0,9,5,5\n")):
        (disk / kind).mkdir(parents=True)
        (disk / kind / f"{NAME}_deg000_start0.{suffix}").write_bytes(data)
        root.mkdir(parents=True, exist_ok=True)
        (root / f"{kind}_dev").symlink_to(disk / kind)
    (item,) = SavgBench(sets)
    assert len(item.labels) == 1 and item.category == "instrument"
    assert Clip.read(item.path, FORMAT).format.frames == FORMAT.frames
    assert [p.name for p in find_clips(sets)] == [f"{NAME}_deg000_start0.MP4"]
    spec = ClipSpec(FORMAT, size=16)
    assert len(open_clips(str(root), tmp_path / "run", spec, Synthetic())) == 1


@pytest.mark.parametrize(
    "suffixes", [("wav", "mp4", "csv"), ("WAV", "MP4", "CSV"), ("Wav", "mov", "Csv")]
)
def test_recordings_are_found_through_links(tmp_path: Path, suffixes: tuple[str, ...]) -> None:
    root = tmp_path / "set"
    for kind, suffix in zip(("foa", "video", "metadata"), suffixes, strict=True):
        real = tmp_path / "disk" / kind / "somewhere"
        real.mkdir(parents=True)
        (real / f"{NAME}.{suffix}").write_bytes(b"x")
        (real / f".{NAME}.{suffix}").write_bytes(b"x")
        (root / f"{kind}_dev").mkdir(parents=True)
        (root / f"{kind}_dev" / "dev-train-x").symlink_to(real)
        (root / f"{kind}_dev" / "circle").symlink_to(root)
    index = find_recordings(root)
    assert [(r.name, r.group) for r in index.recordings] == [(NAME, "dev-train-x")]
    assert index.problems == ()


@pytest.mark.parametrize("slash", ["/", "\\"])
def test_archives_of_windows_tools_are_read(tmp_path: Path, slash: str) -> None:
    for kind, suffix in (("foa", "wav"), ("video", "mp4"), ("metadata", "csv")):
        with zipfile.ZipFile(tmp_path / f"{kind}_dev.zip", "w") as archive:
            name = slash.join((f"{kind}_dev", "dev-train-x", f"{NAME}.{suffix}"))
            info = zipfile.ZipInfo(name)
            info.filename = name
            archive.writestr(info, kind)
            archive.writestr(f"..{slash}..{slash}other.{suffix}", "never unpacked by its name")
    recordings = {r.name: r for r in find_recordings(tmp_path).recordings}
    assert recordings[NAME].group == "dev-train-x"
    with recordings[NAME].files(tmp_path / "cache") as files:
        assert files.labels.read_text() == "metadata" and files.video.read_text() == "video"
    with recordings["other"].files(tmp_path / "cache") as files:
        assert files.audio.parent.parent == tmp_path / "cache"
    outside = sorted(p.name for p in tmp_path.parent.iterdir())
    assert not any(name.startswith("other") for name in outside)


def test_tables_in_capitals_are_found(tmp_path: Path) -> None:
    (tmp_path / "A.EVENTS.CSV").write_text("0,0,100\n")
    (tmp_path / "A.Boxes.csv").write_text("0,0,90,60,110,150\n")
    (tmp_path / "A.CSV").write_text("0,0,100,70\n")
    (tmp_path / ".b.events.csv").write_text("0,0,100\n")
    tables = tables_in(tmp_path)
    assert list(tables) == ["A"] and len(read_tables(tables["A"]).boxes) == 1
    assert len(read_truth(tmp_path, "A").events) == 1


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


def test_a_checkout_without_its_large_files_is_named(tmp_path: Path) -> None:
    for kind in ("foa", "video", "metadata"):
        (tmp_path / f"{kind}_dev.zip").write_bytes(POINTER)
    with pytest.raises(SavgError, match=r"foa_dev\.zip is a Git LFS pointer"):
        find_recordings(tmp_path)


FULL = """
import sys, resource, signal
from pathlib import Path
import numpy as np
import torch
from savg.annotation import SoundEvents
from savg.cli import main
from savg.clip import Clip
from savg.errors import SavgError
from savg.format import ClipFormat
from savg.media.audio_file import write_audio
from savg.train import checkpoint
from savg.train.bundle import export

folder = Path(sys.argv[1])
form = ClipFormat(frames=20, fps=4, size=128, picture_height=72)
rng = np.random.default_rng(0)
frames = rng.integers(0, 256, (20, 128, 128, 3), np.uint8)
audio = rng.uniform(-1, 1, (2, form.samples)).astype(np.float32)
many = np.arange(40_000)
tensors = {"w": torch.zeros(100_000)}
writers = {
    "a.mp4": Clip(frames, audio, form).write,
    "a.wav": lambda path: write_audio(path, audio, 16_000),
    "a.flac": lambda path: write_audio(path, audio, 16_000),
    "a.csv": SoundEvents(many, many * 0, many * 1.0).write_csv,
    "run": lambda path: checkpoint.save(path, checkpoint.Checkpoint(1, 1.0, {}, tensors, {}, {})),
}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))
for name, write in writers.items():
    try:
        write(folder / name)
        print(f"{name} was written")
    except SavgError as error:
        print(f"{name}: {error}")
"""


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files fails as a full disk does: in the middle of writing."""
    run = [sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "a.mp4",
        "a.wav",
        "a.flac",
        "a.csv",
        "run",
    ]
    assert all("could not be written" in line and line.endswith(".") for line in lines), lines
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
