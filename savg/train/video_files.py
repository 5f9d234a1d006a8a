"""Clips of the videos below a folder, for training: one a file, or as many windows as a long one holds.

Files of Walking The Maps are named ID_start_end.mp4 [S3], pieces of any length of longer videos: all
of their windows are clips. Of other files the beginning is one clip.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from savg.annotation import Boxes, ClipLabels
from savg.clip import Clip
from savg.detectors import PersonDetector
from savg.folders import files_in, videos_in
from savg.format import ClipFormat
from savg.media.probe import video_info

PIECE = re.compile(r".+_(\d{1,6}(?:\.\d{1,6})?)_(\d{1,6}(?:\.\d{1,6})?)")
"""Name of a piece without its suffix: an ID, then where it begins and ends in the whole video."""

SLACK = 0.02
"""Seconds that the last window of a piece may lack."""

MOST_WINDOWS = 1000
"""Of a file."""


@dataclass(frozen=True)
class VideoFile:
    """A file, and how many clips come of it, one after the other."""

    path: Path
    windows: int = 1


@dataclass(frozen=True)
class Labelled:
    """A clip with labels and boxes, None for unknown ones."""

    clip: Clip
    labels: ClipLabels | None
    boxes: Boxes | None


def is_piece(path: Path) -> bool:
    """Whether a file is named as those of Walking The Maps, with an end after its beginning."""
    found = PIECE.fullmatch(path.stem)
    return found is not None and float(found[1]) < float(found[2])


def video_files(folder: Path, format: ClipFormat) -> list[VideoFile]:
    """The videos below a folder; a MediaError for a piece that cannot be read."""
    return [
        VideoFile(path, _windows(path, format) if is_piece(path) else 1)
        for path in videos_in(folder, deep=True)
    ]


def _windows(path: Path, format: ClipFormat) -> int:
    count = int((video_info(path).seconds + SLACK) / format.seconds)
    return min(max(1, count), MOST_WINDOWS)


def labelled_clips(
    folder: Path,
    files: Sequence[VideoFile],
    format: ClipFormat,
    persons: PersonDetector | None = None,
) -> Iterator[Labelled]:
    """The clips of files, labels from metadata…/NAME.csv and boxes from boxes…/NAME.csv below a folder.

    persons: finds the boxes of clips without such a table.
    """
    tables: dict[str, list[Path]] = {}
    for path in files_in(folder, {".csv"}, deep=True):
        tables.setdefault(path.stem, []).append(path)
    for file in files:
        labels: ClipLabels | None = None
        boxes: Boxes | None = None
        for table in tables.get(file.path.stem, ()):
            if table.parent.name.startswith("metadata"):
                labels = ClipLabels.read_csv(table)
            elif table.parent.name.startswith("boxes"):
                boxes = Boxes.read_csv(table)
        for number, clip in enumerate(_clips(file, format)):
            own_labels, own_boxes = _of_window(labels, boxes, number, format)
            if own_boxes is None and persons is not None:
                own_boxes = persons(clip)
            yield Labelled(clip, own_labels, own_boxes)


def _clips(file: VideoFile, format: ClipFormat) -> Iterator[Clip]:
    """The windows of a file, which is decoded once."""
    if file.windows == 1:
        yield Clip.read(file.path, format)
        return
    whole = Clip.read(file.path, format.with_frames(format.frames * file.windows))
    for number in range(file.windows):
        frames = slice(number * format.frames, (number + 1) * format.frames)
        first = round(number * format.seconds * format.sample_rate)
        audio = whole.audio[:, first : first + format.samples]
        yield Clip(whole.video[frames], np.ascontiguousarray(audio), format)


def _of_window(
    labels: ClipLabels | None, boxes: Boxes | None, number: int, format: ClipFormat
) -> tuple[ClipLabels | None, Boxes | None]:
    """The rows of a file's tables that are of its window of this number, in the window's frames."""
    if labels is not None:
        count = round(format.seconds * format.label_fps)
        rows = (labels.frames >= number * count) & (labels.frames < (number + 1) * count)
        shifted = labels.frames[rows] - number * count
        labels = ClipLabels(shifted, labels.classes[rows], labels.x[rows], labels.y[rows])
    if boxes is not None:
        count = format.frames
        rows = (boxes.frames >= number * count) & (boxes.frames < (number + 1) * count)
        boxes = Boxes(boxes.frames[rows] - number * count, boxes.categories[rows], boxes.xyxy[rows])
    return labels, boxes
