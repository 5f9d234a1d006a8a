"""Reports of a construction: equal runs give equal bytes, and the numbers are the clips' own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from savg.annotation import ClipLabels
from savg.clip import Clip
from savg.data.clip_names import clip_name
from savg.data.savgbench import SavgBench, split_folder
from savg.data.starss.report import summary, why_empty, write_reports
from savg.data.starss.results import RULES, ClipRecord, Construction, Problem, RecordingResult
from savg.data.starss.statistics import statistics
from savg.format import ClipFormat

FORMAT = ClipFormat(frames=4, fps=4, sample_rate=8000)
SETTINGS = Construction(format=FORMAT)


def record(recording: str, number: int, category: int, x: float, difference: float) -> ClipRecord:
    name = clip_name(recording, 10 * number, 5 * number)
    return ClipRecord(
        name, 5 * number, 10 * number, category, 0.8 + 0.02 * number, x, -20.0, difference, 0.5
    )


def write_clip(folder: Path, split: str, clip: ClipRecord) -> None:
    video = np.zeros((FORMAT.frames, FORMAT.size, FORMAT.size, 3), np.uint8)
    video[:, FORMAT.top : FORMAT.bottom] = 60
    tone = 0.2 * np.sin(np.arange(FORMAT.samples) / 3)
    ratio = 10 ** (clip.difference_db / 20)
    audio = np.stack([tone * min(1, ratio), tone / max(1, ratio)]).astype(np.float32)
    place = folder / split_folder(split)
    Clip(video, audio, FORMAT).write(place / f"video_{split}" / f"{clip.name}.mp4")
    frames = np.arange(10)
    label = 0 if clip.category == 0 else 9
    table = ClipLabels(frames, np.full(10, label), np.full(10, clip.x), np.full(10, 70.0))
    table.write_csv(place / f"metadata_{split}" / f"{clip.name}.csv")


def results(count: int = 3) -> list[RecordingResult]:
    """Recordings with clips whose audio is louder on the side of the label, except for one."""
    recordings = []
    for number, name in enumerate(["fold3_room1_mix002", "fold3_room1_mix001"]):
        clips = []
        for i in range(count):
            x = 30.0 + 70 * i + 10 * number
            difference = (128 - x) / 10 * (-1 if (i, number) == (0, 0) else 1)
            clips.append(record(name, i, (i + number) % 2, x, difference))
        dropped = {**dict.fromkeys(RULES, 0), "overlap": 70, "off_screen": 27}
        sources = {"video": "b" * 64, "audio": f"{number}" * 64, "labels": "c" * 64}
        recordings.append(RecordingResult(name, 60.5, 97 + count, dropped, tuple(clips), sources))
    return recordings


PLAN: dict[str, Any] = {"split": "dev", "settings": SETTINGS.to_dict(), "resume": 1}
PROBLEMS = [Problem("fold4_room2_mix001", "/some/place/fold4_room2_mix001.mp4 is missing.")]


@pytest.fixture
def built(tmp_path: Path) -> Path:
    for result in results():
        for clip in result.clips:
            write_clip(tmp_path, "dev", clip)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    names = ("manifest.json", "report.json", "report.md", "report/contact_sheet.jpg")
    return {name: (folder / name).read_bytes() for name in names}


def test_equal_runs_write_equal_bytes(built: Path) -> None:
    write_reports(built, PLAN, results(), PROBLEMS)
    first = files(built)
    backwards = [
        RecordingResult(**{**vars(r), "clips": r.clips[::-1], "sources": dict(r.sources)})
        for r in results()[::-1]
    ]
    write_reports(built, PLAN, backwards, PROBLEMS)
    assert files(built) == first
    assert sorted(p.name for p in built.iterdir() if p.name.startswith(".")) == []


def test_the_manifest_identifies_the_set(built: Path) -> None:
    write_reports(built, PLAN, results(), PROBLEMS)
    text = (built / "manifest.json").read_text()
    assert str(built) not in text and "/some/place" not in text
    bench = SavgBench(built)
    manifest = bench.manifest
    assert manifest is not None
    assert Construction.from_dict(manifest["settings"]) == SETTINGS and manifest["resume"] == 1
    assert set(manifest["versions"]) >= {"savg", "py360convert", "PyAV", "numpy", "scipy", "OpenCV"}
    assert "unknown" not in manifest["versions"].values()
    assert manifest["skipped"] == ["fold4_room2_mix001"]
    assert [r["name"] for r in manifest["recordings"]] == [
        "fold3_room1_mix001",
        "fold3_room1_mix002",
    ]
    assert manifest["recordings"][0]["sources"]["audio"] == "1" * 64
    assert [clip["name"] for clip in manifest["clips"]] == [item.name for item in bench]
    for clip, item in zip(manifest["clips"], bench, strict=True):
        assert clip["labels_sha256"] == hashlib.sha256(item.labels_path.read_bytes()).hexdigest()
        assert (clip["view"], clip["start"]) == (item.view, item.start)
        assert clip["category"] == item.category
        assert item.labels.categories[0] == ("speech", "instrument").index(clip["category"])
    assert bench.format == FORMAT and bench[0].clip.format == FORMAT


def test_the_report_counts_and_measures(built: Path) -> None:
    write_reports(built, PLAN, results(), PROBLEMS)
    report = json.loads((built / "report.json").read_text())["splits"]["dev"]
    assert report["windows"] == 200 == report["kept"] + sum(report["dropped"].values())
    assert report["kept"] == 6 and report["dropped"]["overlap"] == 140
    assert report["categories"] == {"speech": 3, "instrument": 3}
    assert report["speech_to_instrument"] == 1.0
    xs = np.array([clip.x for r in results() for clip in r.clips])
    places = report["positions"]
    both = np.array(places["speech"]) + np.array(places["instrument"])
    assert both.tolist() == np.histogram(xs, 16, (0, 256))[0].tolist()
    sides = report["sides"]
    # 30, 40, 100, 110, 170, 180 of 256: 110 is too near the middle, 30 is on the wrong side.
    assert (sides["judged"], sides["agree"]) == (5, 4)
    level = np.array([-clip.difference_db for r in results() for clip in r.clips])
    assert sides["correlation"] == pytest.approx(np.corrcoef(xs, level)[0, 1], abs=1e-4)
    assert report["level_db"]["mean"] == -20.0 and report["peak"]["max"] == 0.5
    assert report["problems"] == [vars(PROBLEMS[0])]
    text = (built / "report.md").read_text()
    for words in ("6 clips", "1.00 : 1", "two sounds at once | 140 | 70.00 %", "is missing."):
        assert words in text


def test_the_summary_has_the_same_numbers_in_a_few_lines() -> None:
    text = summary(results(), PROBLEMS)
    assert "200 judged, 6 kept (3.00 %)" in text and "140: two sounds at once" in text
    assert "3 speech, 3 instrument; 1.00 : 1" in text and "4 of 5 clips" in text
    assert "skipped" in text and "is missing." in text and len(text.splitlines()) < 10


def test_a_set_without_clips_says_why() -> None:
    dropped = {**dict.fromkeys(RULES, 0), "class": 100, "off_screen": 152}
    eight = RecordingResult("fold3_room1_mix001", 8.0, 252, dropped, (), {})
    assert why_empty([eight]).startswith(
        "No clip was built: all 252 windows broke a rule, 152 of them for a sound off screen; longer"
    )
    assert why_empty([eight]) in summary([eight], [])
    assert why_empty([eight, *results()]) == "" and "No clip" not in summary(results(), PROBLEMS)


def test_the_contact_sheet_shows_each_category(built: Path) -> None:
    write_reports(built, PLAN, results(), PROBLEMS)
    sheet = cv2.imread(str(built / "report" / "contact_sheet.jpg"))
    assert sheet.shape[1] > 1500 and sheet.shape[0] > 3 * 100
    # Marks in both colours, at the labels' places (BGR).
    green = (sheet[..., 1] > 170) & (sheet[..., 2] < 130)
    blue = (sheet[..., 0] > 200) & (sheet[..., 2] < 130)
    assert green.sum() > 300 and blue.sum() > 300


def test_two_splits_share_a_folder(built: Path) -> None:
    evaluation = results(1)
    for result in evaluation:
        for clip in result.clips:
            write_clip(built, "eval", clip)
    write_reports(built, PLAN, results(), PROBLEMS)
    write_reports(built, {**PLAN, "split": "eval"}, evaluation, [])
    assert len(SavgBench(built, "dev").manifest["clips"]) == 6  # type: ignore[index]
    assert len(SavgBench(built, "eval").manifest["clips"]) == 2  # type: ignore[index]
    text = (built / "report.md").read_text()
    assert "## Development" in text and "## Evaluation" in text
    assert (built / "report" / "contact_sheet_eval.jpg").is_file()
    for path in sorted((built / split_folder("eval")).rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (built / split_folder("eval")).rmdir()
    write_reports(built, PLAN, results(), PROBLEMS)
    assert list(json.loads((built / "manifest.json").read_text())["splits"]) == ["dev"]


def test_a_report_without_clips(tmp_path: Path) -> None:
    for kind in ("video_dev", "metadata_dev"):
        (tmp_path / split_folder("dev") / kind).mkdir(parents=True)
    empty = [RecordingResult("fold3_room1_mix001", 4.0, 0, dict.fromkeys(RULES, 0), (), {})]
    (tmp_path / "manifest.json").write_text("{broken")
    write_reports(tmp_path, PLAN, empty, [])
    assert SavgBench(tmp_path).manifest["clips"] == []  # type: ignore[index]
    assert "0 judged, 0 kept" in summary(empty, [])
    assert (
        "No clip was built: recordings must last at least 5 s, and the longest lasts 4.0 s."
        in summary(empty, [])
    )
    report = statistics(empty)
    assert report["level_db"] is None and report["sides"]["correlation"] is None
    assert (tmp_path / "report" / "contact_sheet.jpg").is_file()
