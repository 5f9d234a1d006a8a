"""A small set of clips in the published layout, as if built here: names, labels, panoramas, reports."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import studio_fakes

from savg.annotation import LABEL_CLASSES, Boxes, ClipLabels
from savg.data.bench_table import expected_difference_db
from savg.data.clip_names import clip_name
from savg.data.savgbench import split_folder
from savg.data.starss.report import write_reports
from savg.data.starss.results import RULES, ClipRecord, Construction, Problem, RecordingResult
from savg.format import SAVGBENCH

RECORDINGS = ("fold3_room1_mix001", "fold3_room2_mix004", "fold4_room1_mix002")
VIEWS = (0, 90, 170, 190, 350)
X = (40.0, 128.0, 220.0)


def clips(count: int) -> list[ClipRecord]:
    """The records of a set, all different; every third clip is of an instrument."""
    records = []
    for i in range(count):
        view, x = VIEWS[i % 5], X[i % 3] + i % 7
        records.append(
            ClipRecord(
                name=clip_name(RECORDINGS[i % 3], view, 5 * i),
                start=5 * i,
                view=view,
                category=int(i % 3 == 2),
                active=0.8 + 0.2 * (i % 5) / 4,
                x=x,
                level_db=-20.0 - i / 10,
                difference_db=round(0.8 * float(expected_difference_db(x)), 3),
                peak=0.5,
            )
        )
    return records


def labels_of(record: ClipRecord) -> ClipLabels:
    """A sound event at the record's x, from the clip's start."""
    frames = np.arange(round(record.active * SAVGBENCH.label_frames))
    label = next(k for k, category in LABEL_CLASSES.items() if category == record.category)
    n = len(frames)
    return ClipLabels(frames, np.full(n, label), np.full(n, record.x), np.full(n, 80.0))


def write_set(
    out: Path,
    count: int = 25,
    *,
    split: str = "dev",
    built: bool = True,
    boxes: bool = False,
    videos: dict[int, Path] | None = None,
) -> list[ClipRecord]:
    """Write a set below OUT; built: with panoramas and reports. Clips share a video for each place."""
    folder = out / split_folder(split)
    video_folder, tables = folder / f"video_{split}", folder / f"metadata_{split}"
    records = clips(count)
    sources = {} if videos is None else videos
    video_folder.mkdir(parents=True)
    for i, record in enumerate(records):
        target = video_folder / f"{record.name}.mp4"
        if i % 3 in sources:
            shutil.copyfile(sources[i % 3], target)
        else:
            studio_fakes.scene(i, x=X[i % 3]).write(target)
            sources[i % 3] = target
        labels_of(record).write_csv(tables / f"{record.name}.csv")
        if boxes:
            frames = np.arange(SAVGBENCH.frames)
            corners = np.tile([record.x - 20, 70.0, record.x + 20, 190.0], (len(frames), 1))
            table = Boxes(frames, np.zeros(len(frames)), corners)
            table.write_csv(folder / f"boxes_{split}" / f"{record.name}.csv")
        if built and i % 2 == 0:
            _panorama(out / "report" / "panoramas", RECORDINGS[i % 3], record.start)
    if built:
        results = [_result(name, records) for name in RECORDINGS]
        plan = {"split": split, "settings": Construction().to_dict()}
        write_reports(out, plan, results, [Problem("fold3_room9_mix001", "It has no video.")])
    return records


def _result(name: str, records: list[ClipRecord]) -> RecordingResult:
    own = tuple(r for r in records if r.name.startswith(name))
    dropped = dict(zip(RULES, (500, 60, 40, 300, 3), strict=True))
    windows = sum(dropped.values()) + len(own)
    return RecordingResult(name, 60.0, windows, dropped, own, {"audio": "0" * 64})


def _panorama(folder: Path, recording: str, start: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    columns = np.linspace(60, 200, 640)[None, :, None]
    image = np.broadcast_to(columns, (320, 640, 3)).astype(np.uint8)
    cv2.imwrite(str(folder / f"{recording}_start{start}.jpg"), image)
