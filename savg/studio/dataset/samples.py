"""A clip of a dataset as the player shows it: media that browsers play, labels, panorama, facts.

Files that the browser may fetch are copies in a folder of their own; those of the dataset are never
served.
"""

from __future__ import annotations

import base64
import secrets
import shutil
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES, Alignment, Boxes, ClipLabels
from savg.audio.levels import level_db, level_difference_db
from savg.clip import Clip
from savg.data.bench_table import expected_difference_db
from savg.data.savgbench import BenchItem
from savg.errors import SavgError
from savg.evaluation.annotate import Annotation
from savg.format import SAVGBENCH
from savg.geometry import wrap_degrees
from savg.media.container import open_container
from savg.metrics.spatial import spatial_av_align
from savg.studio.dataset.selection import THIRD
from savg.studio.dataset.sets import OpenSet
from savg.studio.shared.library import jpeg, media_url, visible_rows
from savg.viz import palette
from savg.viz.panorama import (
    HEIGHT,
    WIDTH,
    View,
    directions,
    draw_view,
    place,
    signed_azimuth,
)

POSTER_WIDTH = 192
POSTERS_KEPT = 4000
KEPT = 40
"""Copied clips; a clip of five seconds takes about 300 kB."""


class Samples:
    """Posters and opened clips, kept while they are likely to be asked for again."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self._posters: OrderedDict[tuple[str, int], str | None] = OrderedDict()
        self._opened: OrderedDict[tuple[str, int], dict[str, Any]] = OrderedDict()
        self._lock, self._opening = threading.Lock(), threading.Lock()

    def poster(self, item: BenchItem) -> str | None:
        """The clip's middle picture as a data URL, or None if it cannot be decoded."""
        key = _key(item.path)
        with self._lock:
            if key in self._posters:
                self._posters.move_to_end(key)
                return self._posters[key]
        try:
            found: str | None = _data_url(middle_picture(item))
        except SavgError:
            found = None
        with self._lock:
            self._posters[key] = found
            while len(self._posters) > POSTERS_KEPT:
                self._posters.popitem(last=False)
        return found

    def value(self, opened: OpenSet, item: BenchItem) -> dict[str, Any]:
        """What the player shows of a clip, but for its place among others; SavgError if unreadable.

        "problem" is a sentence about labels or boxes that could not be read, or empty.
        """
        key = _key(item.path)
        with self._opening:
            if key not in self._opened:
                folder = self.store / secrets.token_hex(16)
                try:
                    self._opened[key] = self._made(opened, item, folder)
                except (SavgError, OSError) as error:
                    shutil.rmtree(folder, ignore_errors=True)
                    if isinstance(error, SavgError):
                        raise opened.hidden(error) from error
                    raise
            self._opened.move_to_end(key)
            while len(self._opened) > KEPT:
                _, old = self._opened.popitem(last=False)
                shutil.rmtree(old["folder"], ignore_errors=True)
            value = self._opened[key]
        return {name: part for name, part in value.items() if name != "folder"}

    def _made(self, opened: OpenSet, item: BenchItem, folder: Path) -> dict[str, Any]:
        clip = item.clip
        labels, boxes, problem = _tables(opened, item)
        folder.mkdir(parents=True)
        files = {"Clip": _playable(item.path, clip, folder / "clip.mp4")}
        if item.labels_path.is_file():
            files["Labels CSV"] = Path(shutil.copyfile(item.labels_path, folder / "labels.csv"))
        downloads = [
            {"label": label, "name": f"{item.name}{path.suffix}", "url": media_url(path)}
            for label, path in files.items()
        ]
        top, bottom = visible_rows(clip)
        view = None if item.view is None else View(item.view, field_of_view=opened.field_of_view)
        picture, caption = panorama(item, view, labels)
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
            "panorama": picture,
            "caption": caption,
            "facts": facts(item, clip, labels, boxes),
            "problem": problem,
        }


def annotation(
    item: BenchItem, view: View | None, clip: Clip, labels: ClipLabels, boxes: Boxes | None
) -> dict[str, Any]:
    """The labels in the player's form (that of `savg.evaluation.annotate`), with y and, where the view
    is known, their `spot` in the drawn panorama (shares of its width and height).

    `matched` is None without boxes to judge by.
    """
    events = labels.events()
    if boxes is None:
        alignment, persons = Alignment(np.zeros(len(events), bool)), Boxes.empty()
    else:
        alignment, persons = spatial_av_align(events, boxes, clip.format), boxes
    value = Annotation(clip, persons, events, alignment).to_json()
    value["colors"] |= {"speech": palette.SPEECH, "instrument": palette.INSTRUMENT}
    spots = _spots(item, view, labels)
    for row, event in enumerate(value["events"]):
        event["y"] = float(labels.y[row]) + clip.format.top
        event["spot"] = spots[row] if spots else None
        if boxes is None:
            event["matched"] = None
    if boxes is None:
        value["alignment"] = {"tp": 0, "fn": 0, "score": None}
    return value


def panorama(item: BenchItem, view: View | None, labels: ClipLabels) -> tuple[str | None, str]:
    """The drawn panorama as a data URL (None where the view is not known) and what it shows."""
    if view is None:
        return None, "The name of this clip does not tell where it looks."
    picture = _read_picture(item.panorama)
    drawn = draw_view(picture, view, labels)
    where = f"The view at azimuth {view_words(int(view.azimuth))}"
    if picture is None:
        return _data_url(drawn), f"{where}, among all directions; 90 is left, −90 right."
    return _data_url(drawn), f"{where}, in the panorama at the middle of the clip."


def view_words(view: int) -> str:
    """The azimuth of a view with its side."""
    turn = int(wrap_degrees(view))
    if turn in (0, -180):
        side = "ahead" if turn == 0 else "behind"
    else:
        side = f"{abs(turn)}° to the {'left' if turn > 0 else 'right'}"
    return f"{signed_azimuth(view)}, {side}"


def side_words(x: float) -> str:
    """The third of the picture that a position is in."""
    return "left" if x < THIRD else "centre" if x < 2 * THIRD else "right"


def facts(
    item: BenchItem, clip: Clip, labels: ClipLabels, boxes: Boxes | None
) -> list[tuple[str, str]]:
    """Names and values of what is known about a clip, as text."""
    found = [("Recording", item.recording)]
    if item.view is not None:
        found.append(("View", view_words(item.view)))
    if item.start is not None:
        found.append(("Start", f"{item.start / clip.format.label_fps:g} s, frame {item.start}"))
    if len(labels):
        active = len(np.unique(labels.frames)) / clip.format.label_frames
        counts = np.bincount(labels.categories, minlength=len(CATEGORY_NAMES))
        words = " and ".join(name for name, n in zip(CATEGORY_NAMES, counts, strict=True) if n)
        found.append(("Sound", f"{words}, {100 * active:.0f} % of the time"))
        x = float(labels.x.mean())
        spread = float(labels.x.max() - labels.x.min())
        moves = f", moves over {spread:.0f} px" if spread >= 1 else ""
        found.append(("Position", f"x {x:.0f} of {SAVGBENCH.size}, {side_words(x)}{moves}"))
    else:
        found.append(("Sound", "no label"))
    found.append(
        ("Level", f"{level_db(clip.audio):.1f} dB, peak {float(np.abs(clip.audio).max()):.2f}")
    )
    words = f"{level_difference_db(clip.audio):+.1f} dB"
    if len(labels):
        words += f" ({float(expected_difference_db(labels.x.mean())):+.1f} dB without a room)"
    found.append(("Left − right", words))
    if boxes is not None:
        score = spatial_av_align(labels.events(), boxes, clip.format).score
        if score is not None:
            found.append(("Spatial AV-Align", f"{score:.2f} of labels and stored boxes"))
    return [(name, words.replace("-", "−") if "dB" in words else words) for name, words in found]


def middle_picture(item: BenchItem) -> NDArray[np.uint8]:
    """The picture in the middle of a clip, small, without the black padding."""
    form = item.format
    with open_container(item.path) as container:
        streams = container.streams.video
        if not streams:
            raise SavgError(f"{item.path} has no video track.")
        picture = None
        for number, frame in enumerate(container.decode(streams[0])):
            picture = frame
            if number >= form.frames // 2:
                break
        if picture is None:
            raise SavgError(f"{item.path} has no picture that can be decoded.")
        whole = picture.to_ndarray(format="rgb24")
    if whole.shape[0] == whole.shape[1]:
        rows = whole.shape[0]
        whole = whole[form.top * rows // form.size : form.bottom * rows // form.size]
    height = max(1, round(POSTER_WIDTH * whole.shape[0] / whole.shape[1]))
    small = cv2.resize(whole, (POSTER_WIDTH, height), interpolation=cv2.INTER_AREA)
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
    """A copy that browsers play: the file itself where it is H.264 and AAC, else encoded anew."""
    with open_container(path) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        kinds = (video.codec_context.name, video.codec_context.pix_fmt, audio.codec_context.name)
    if kinds[0] in ("h264", "libx264") and kinds[1:] in (
        ("yuv420p", "aac"),
        ("yuv420p", "mp3float"),
    ):
        shutil.copyfile(path, target)
    else:
        clip.write(target)
    return target


def _spots(item: BenchItem, view: View | None, labels: ClipLabels) -> list[tuple[float, float]]:
    if view is None:
        return []
    columns, rows = place(*directions(view, labels.x, labels.y))
    height = HEIGHT if item.panorama is not None else HEIGHT // 2
    down = (rows - (HEIGHT - height) / 2) / height
    across = columns % WIDTH / WIDTH
    return [(round(float(u), 4), round(float(v), 4)) for u, v in zip(across, down, strict=True)]


def _read_picture(path: Path | None) -> NDArray[np.uint8] | None:
    if path is None:
        return None
    picture = cv2.imread(str(path))
    return None if picture is None else np.ascontiguousarray(picture[..., ::-1], np.uint8)


def _data_url(picture: NDArray[np.uint8]) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(picture)).decode()


def _key(path: Path) -> tuple[str, int]:
    try:
        return str(path), path.stat().st_mtime_ns
    except OSError:
        return str(path), 0
