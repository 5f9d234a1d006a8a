"""Checks of sets of clips: a valid one passes, and each fault is named with its file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from videos import make_video

from savg.annotation import ClipLabels
from savg.cli import main
from savg.clip import Clip
from savg.data.check import check
from savg.data.savgbench import SavgBench, split_folder
from savg.data.starss.results import Construction
from savg.errors import Cancelled
from savg.format import SAVGBENCH
from savg.paths import file_sha256

FORMAT = SAVGBENCH
NAMES = [f"fold3_room1_mix001_deg{10 * i}_start{5 * i}" for i in range(3)]
VIDEOS, TABLES = "video_dev", "metadata_dev"
FIRST = NAMES[0]


def clip(number: int = 0) -> Clip:
    video = np.zeros((FORMAT.frames, FORMAT.size, FORMAT.size, 3), np.uint8)
    rng = np.random.default_rng(number)
    video[:, FORMAT.top : FORMAT.bottom] = rng.integers(60, 200, (FORMAT.frames, 1, 1, 3), np.uint8)
    time = np.arange(FORMAT.samples) / FORMAT.sample_rate
    tone = 0.4 * np.sin(2 * np.pi * (300 + 50 * number) * time)
    return Clip(video, np.stack([tone, 0.5 * tone]).astype(np.float32))


def table(frames: Any = range(45), x: Any = 100.0, y: float = 70.0, label: int = 9) -> ClipLabels:
    rows = np.array(list(frames))
    whole = np.full(len(rows), label)
    return ClipLabels(rows, whole, np.broadcast_to(x, len(rows)), np.full(len(rows), y))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set as it is built, with a manifest."""
    out = tmp_path_factory.mktemp("good")
    folder = out / split_folder("dev")
    for kind in (VIDEOS, TABLES):
        (folder / kind).mkdir(parents=True)
    clips = []
    for number, name in enumerate(NAMES):
        clip(number).write(folder / VIDEOS / f"{name}.mp4")
        table().write_csv(folder / TABLES / f"{name}.csv")
        digest = file_sha256(folder / TABLES / f"{name}.csv")
        clips.append({"name": name, "category": "instrument", "labels_sha256": digest})
    part = {"settings": Construction().to_dict(), "clips": clips}
    (out / "manifest.json").write_text(json.dumps({"version": 1, "splits": {"dev": part}}))
    return out


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy to spoil: the split's own folder."""
    shutil.copytree(good, tmp_path / "out")
    return tmp_path / "out" / split_folder("dev")


def findings_of(folder: Path, quick: bool = False) -> list[tuple[str, str]]:
    findings = check(SavgBench(folder), quick=quick).findings
    assert all(finding.sentence.endswith(".") for finding in findings)
    assert all(str(folder) not in finding.sentence for finding in findings)
    return [(finding.kind, finding.sentence) for finding in findings]


def test_a_good_set_passes(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for quick in (False, True):
        assert findings_of(good, quick) == []
    assert main(["dataset", "check", str(good)]) == 0
    assert "3 clips checked whole, nothing wrong." in capsys.readouterr().out
    assert main(["dataset", "check", str(good), "--quick", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain[0]["findings"] == [] and plain[0]["clips"] == 3 and plain[0]["quick"]


def spoil_video(change: Callable[[Path], object]) -> Callable[[Path], None]:
    return lambda folder: (change(folder / VIDEOS / f"{FIRST}.mp4"), None)[1]


def spoil_table(rows: ClipLabels) -> Callable[[Path], None]:
    return lambda folder: rows.write_csv(folder / TABLES / f"{FIRST}.csv")


def replaced(**changes: Any) -> Callable[[Path], None]:
    """Replace the first video by one with these settings."""
    settings = {"seconds": 5.0, "height": 256, "codecs": ("mpeg4", "aac"), **changes}
    return spoil_video(lambda path: make_video(path, **settings))


def loud(path: Path) -> None:
    time = np.arange(FORMAT.samples) / FORMAT.sample_rate
    tone = np.clip(3 * np.sin(2 * np.pi * 300 * time), -1, 1).astype(np.float32)
    Clip(clip().video, np.stack([tone, 0.1 * tone])).write(path)


def quiet(left: float, right: float) -> Callable[[Path], None]:
    scale = np.array([[left], [right]], np.float32)
    return spoil_video(lambda path: Clip(clip().video, clip().audio * scale).write(path))


def black(path: Path) -> None:
    Clip(clip().video * 0, clip().audio).write(path)


def cut_short(share: float) -> Callable[[Path], None]:
    def cut(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return spoil_video(cut)


VIDEO_FAULTS = [
    (replaced(height=144), "format", "has frames of 256×144, expected 256×256"),
    (replaced(fps=10), "format", "has 10 frames a second, expected 4"),
    (replaced(fps=10), "format", "has 50 frames, expected 20"),
    (replaced(channels=1), "format", "has 1 audio channel, expected 2"),
    (replaced(audio=False), "format", "has 0 audio channels, expected 2"),
    (replaced(sample_rate=44100), "format", "has audio at 44100 Hz, expected 16000"),
    (replaced(seconds=4.0), "format", "s of audio, expected 5"),
    (replaced(), "video", "rows above or below its picture that are not black"),
    (spoil_video(black), "video", "has a black picture"),
    (quiet(0.0, 0.0), "audio", "is silent"),
    (quiet(1.0, 0.0), "audio", "has a silent right channel"),
    (spoil_video(loud), "audio", "is clipped"),
    (cut_short(0.01), "unreadable", "cannot be read to its end"),
    (cut_short(0.9), "unreadable", "cannot be read to its end"),
    (spoil_video(Path.unlink), "manifest", "is missing: the manifest lists it"),
    (spoil_video(Path.unlink), "missing", f"has no clip: expected {FIRST}.mp4"),
]


@pytest.mark.parametrize(("spoil", "kind", "words"), VIDEO_FAULTS)
def test_faults_of_a_video_are_named(
    folder: Path, spoil: Callable[[Path], None], kind: str, words: str
) -> None:
    spoil(folder)
    findings = findings_of(folder)
    assert any(k == kind and words in sentence and FIRST in sentence for k, sentence in findings)
    assert all(FIRST in sentence for _, sentence in findings)
    # Headers and tables suffice for faults that they show.
    if kind in ("missing", "manifest") or "frames of" in words or "Hz" in words:
        assert any(words in sentence for _, sentence in findings_of(folder, quick=True))


TABLE_FAULTS = [
    (table([*range(44), 50]), "labels", "has a label in frame 50, the last one is 49"),
    (table(x=-3.0), "labels", "has a label at x = -3, outside the picture (0…256)"),
    (table(y=150.0), "labels", "has a label at y = 150, outside the picture (0…144)"),
    (
        table([*range(45), 7], x=[99.0] * 45 + [9.0]),
        "labels",
        "has 2 labels at once, first in frame 7",
    ),
    (table(range(39)), "labels", "has labels in 78 % of the clip, expected at least 80 %"),
    (table(range(41)), "manifest", "has changed since the manifest was written"),
]


@pytest.mark.parametrize(("rows", "kind", "words"), TABLE_FAULTS)
def test_faults_of_labels_are_named(folder: Path, rows: ClipLabels, kind: str, words: str) -> None:
    rows.write_csv(folder / TABLES / f"{FIRST}.csv")
    for quick in (False, True):
        findings = findings_of(folder, quick)
        assert any(k == kind and words in sentence for k, sentence in findings)
        assert all(f"{TABLES}/{FIRST}.csv" in sentence for _, sentence in findings)


def test_labels_of_another_class_and_missing_ones(folder: Path) -> None:
    (folder / TABLES / f"{FIRST}.csv").write_text("0,4,100,70\n")
    (folder / TABLES / f"{NAMES[1]}.csv").write_text("0,nothing\n")
    (folder / TABLES / f"{NAMES[2]}.csv").unlink()
    sentences = "\n".join(sentence for _, sentence in findings_of(folder, quick=True))
    assert f"{TABLES}/{FIRST}.csv: ClipLabels.classes must be 0, 1 or 9, got [4]" in sentences
    assert f"{TABLES}/{NAMES[1]}.csv, line 1: expected 4 columns" in sentences
    assert f"{VIDEOS}/{NAMES[2]}.mp4 has no labels: expected {TABLES}/{NAMES[2]}.csv." in sentences
    shutil.rmtree(folder / TABLES)
    findings = findings_of(folder, quick=True)
    assert findings == [
        ("missing", f"{folder.name} has no folder {TABLES} with the clips' labels.")
    ]


def test_duplicate_and_unlisted_clips_are_named(folder: Path) -> None:
    copy = "fold3_room1_mix001_deg90_start0"
    shutil.copy(folder / VIDEOS / f"{FIRST}.mp4", folder / VIDEOS / f"{copy}.mp4")
    shutil.copy(folder / TABLES / f"{FIRST}.csv", folder / TABLES / f"{copy}.csv")
    findings = dict(findings_of(folder))
    assert findings["duplicate"] == f"{VIDEOS}/{copy}.mp4 is the same file as {VIDEOS}/{FIRST}.mp4."
    assert findings["manifest"] == f"{VIDEOS}/{copy}.mp4 is not in the manifest."
    assert len(findings) == 2


def test_a_published_split_has_a_known_number_of_clips(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.parent / "manifest.json").unlink()
    assert findings_of(folder, quick=True) == [
        ("count", f"{folder.name} holds 3 clips, the published development set has 5031.")
    ]
    assert main(["dataset", "check", str(folder), "--quick"]) == 1
    captured = capsys.readouterr()
    assert "published development set has 5031" in captured.out
    assert "1 thing wrong (1 count)" in captured.err and "Traceback" not in captured.err


def test_an_empty_set_is_a_finding(tmp_path: Path) -> None:
    for split in ("dev", "eval"):
        folder = tmp_path / split_folder(split)
        for kind in ("video", "metadata"):
            (folder / f"{kind}_{split}").mkdir(parents=True)
        assert findings_of(folder) == [("count", f"{folder.name} holds no clips.")]


def test_long_lists_are_cut_but_not_as_json(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(30):
        table().write_csv(folder / TABLES / f"more{number}.csv")
    assert main(["dataset", "check", str(folder), "--quick"]) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 21 and "and 10 more (--json" in captured.out
    assert main(["dataset", "check", str(folder), "--quick", "--json", "--split", "dev"]) == 1
    plain = json.loads(capsys.readouterr().out)
    assert len(plain[0]["findings"]) == 30 and plain[0]["kinds"] == {"missing": 30}
    assert plain[0]["findings"][0]["file"] == f"{TABLES}/more0.csv"


def test_both_splits_are_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = folder.parent / split_folder("eval")
    (other / "video_eval").mkdir(parents=True)
    shutil.copy(folder / VIDEOS / f"{FIRST}.mp4", other / "video_eval")
    assert main(["dataset", "check", str(folder.parent), "--quick"]) == 1
    captured = capsys.readouterr()
    assert "nothing wrong" in captured.out and "no folder metadata_eval" in captured.out
    assert main(["dataset", "check", str(folder.parent), "--quick", "--split", "dev"]) == 0


def test_mistakes_get_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        ([str(tmp_path / "none")], "no such folder of clips"),
        ([str(tmp_path)], "holds no set of clips"),
        ([str(tmp_path), "--threads", "0"], "--threads must be ≥ 1"),
    ):
        assert main(["dataset", "check", *arguments]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and words in error and error.count("\n") == 1


def test_checking_can_be_stopped(good: Path) -> None:
    with pytest.raises(Cancelled, match="1 of 3"):
        check(SavgBench(good), quick=True, progress=lambda *_: False)
