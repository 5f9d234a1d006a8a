"""A clip of a dataset as the player shows it: media that browsers play, and what is known of it.

Files that the browser may fetch are copies in a folder of their own; those of the dataset are never
served.
"""

from __future__ import annotations

import secrets
import shutil
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from savg.annotation import Boxes, ClipLabels
from savg.clip import Clip
from savg.data.savgbench import BenchItem
from savg.errors import SavgError
from savg.media.frames import frame_at
from savg.media.probe import plays_in_browsers
from savg.studio.dataset.sample_facts import annotation, facts, panorama
from savg.studio.dataset.sets import OpenSet
from savg.studio.shared.images import data_url
from savg.studio.shared.library import media_url, visible_rows
from savg.viz.panorama import View

POSTER_WIDTH = 192
MAX_POSTERS = 4000
MAX_CLIPS = 40
"""Copied clips; a clip of five seconds takes about 300 kB."""

Key = tuple[str, int]
"""A file and the time of its last change."""


class _ClipCache(LRUCache[Key, dict[str, Any]]):
    """What the player shows, by file; copies go when their entry does."""

    def popitem(self) -> tuple[Key, dict[str, Any]]:
        key, value = super().popitem()
        shutil.rmtree(value["folder"], ignore_errors=True)
        return key, value


class Samples:
    """Cache of posters and opened clips."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self._posters: LRUCache[Key, str | None] = LRUCache(MAX_POSTERS)
        self._clips = _ClipCache(MAX_CLIPS)
        self._poster_lock, self._clip_lock = threading.Lock(), threading.Lock()

    def poster(self, item: BenchItem) -> str | None:
        """The clip's middle frame as a data URL, or None if it cannot be decoded."""
        key = _key(item.path)
        with self._poster_lock:
            if key in self._posters:
                return self._posters[key]
        try:
            url: str | None = data_url(_poster(item))
        except SavgError:
            url = None
        with self._poster_lock:
            self._posters[key] = url
        return url

    def value(self, opened: OpenSet, item: BenchItem) -> dict[str, Any]:
        """What the player shows of a clip, but for its place among others; SavgError if unreadable.

        "problem" is a sentence about labels or boxes that could not be read, or empty.
        """
        key = _key(item.path)
        with self._clip_lock:
            if key not in self._clips:
                self._clips[key] = self._read(opened, item)
            return {name: part for name, part in self._clips[key].items() if name != "folder"}

    def _read(self, opened: OpenSet, item: BenchItem) -> dict[str, Any]:
        folder = self.store / secrets.token_hex(16)
        try:
            return _value(opened, item, folder)
        except SavgError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise opened.hidden(error) from error
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _value(opened: OpenSet, item: BenchItem, folder: Path) -> dict[str, Any]:
    """What the player shows of a clip whose files are copied to a new folder, and that "folder"."""
    clip = item.clip
    labels, boxes, problem = _tables(opened, item)
    folder.mkdir(parents=True)
    downloads = _downloads(item, clip, folder)
    top, bottom = visible_rows(clip)
    view = None if item.view is None else View(item.view, field_of_view=opened.field_of_view)
    image, caption = panorama(item, view, labels)
    return {
        "folder": str(folder),
        "id": item.name,
        "title": item.name,
        "origin": opened.title,
        "video": downloads[0]["url"],
        "crop": {"top": top, "bottom": bottom},
        "annotation": annotation(item, view, clip, labels, boxes),
        "judged": boxes is not None,
        "downloads": downloads,
        "panorama": image,
        "caption": caption,
        "facts": facts(item, clip, labels, boxes),
        "problem": problem,
    }


def _downloads(item: BenchItem, clip: Clip, folder: Path) -> list[dict[str, str]]:
    """Copies of a clip and its labels."""
    files = {"Clip": _playable(item.path, clip, folder / "clip.mp4")}
    if item.labels_path.is_file():
        files["Labels CSV"] = Path(shutil.copyfile(item.labels_path, folder / "labels.csv"))
    return [
        {"label": label, "name": f"{item.name}{path.suffix}", "url": media_url(path)}
        for label, path in files.items()
    ]


def _poster(item: BenchItem) -> NDArray[np.uint8]:
    """The frame in the middle of a clip, small, without the black padding."""
    format = item.format
    image = frame_at(item.path, format.frames // 2)
    if image.shape[0] == image.shape[1]:
        side = image.shape[0]
        image = image[format.top * side // format.size : format.bottom * side // format.size]
    height = max(1, round(POSTER_WIDTH * image.shape[0] / image.shape[1]))
    small = cv2.resize(image, (POSTER_WIDTH, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _tables(opened: OpenSet, item: BenchItem) -> tuple[ClipLabels, Boxes | None, str]:
    """Labels and boxes; empty ones and a sentence where they cannot be read."""
    problem = ""
    try:
        labels = item.labels
    except SavgError as error:
        nothing = np.zeros(0)
        labels = ClipLabels(nothing, nothing, nothing, nothing)  # type: ignore[arg-type]
        problem = str(opened.hidden(error))
    try:
        boxes = item.boxes
    except SavgError as error:
        boxes, problem = None, str(opened.hidden(error))
    return labels, boxes, problem


def _playable(path: Path, clip: Clip, target: Path) -> Path:
    """A copy that browsers play: the file itself where they do, else encoded anew."""
    if plays_in_browsers(path):
        shutil.copyfile(path, target)
    else:
        clip.write(target)
    return target


def _key(path: Path) -> Key:
    try:
        return str(path), path.stat().st_mtime_ns
    except OSError:
        return str(path), 0
