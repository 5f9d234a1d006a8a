"""What the player shows of a dataset's clip beside its media: labels, panorama, facts."""

from __future__ import annotations

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
from savg.evaluation.annotate import Annotation
from savg.format import SAVGBENCH
from savg.geometry import wrap_degrees
from savg.metrics.spatial import spatial_av_align
from savg.studio.dataset.selection import THIRD
from savg.studio.shared.images import data_url
from savg.viz import palette
from savg.viz.panorama import (
    HEIGHT,
    WIDTH,
    View,
    directions,
    draw_view,
    panorama_position,
    signed_azimuth,
)


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
    image = _read_image(item.panorama)
    drawn = draw_view(image, view, labels)
    where = f"The view at azimuth {view_words(int(view.azimuth))}"
    if image is None:
        return data_url(drawn), f"{where}, among all directions; 90 is left, −90 right."
    return data_url(drawn), f"{where}, in the panorama at the middle of the clip."


def view_words(view: int) -> str:
    """The azimuth of a view with its side."""
    turn = int(wrap_degrees(view))
    if turn in (0, -180):
        side = "ahead" if turn == 0 else "behind"
    else:
        side = f"{abs(turn)}° to the {'left' if turn > 0 else 'right'}"
    return f"{signed_azimuth(view)}, {side}"


def side_words(x: float) -> str:
    """The third of the frame that a position is in."""
    return "left" if x < THIRD else "centre" if x < 2 * THIRD else "right"


def facts(
    item: BenchItem, clip: Clip, labels: ClipLabels, boxes: Boxes | None
) -> list[tuple[str, str]]:
    """Names and values of what is known about a clip, as text."""
    rows = [("Recording", item.recording)]
    if item.view is not None:
        rows.append(("View", view_words(item.view)))
    if item.start is not None:
        rows.append(("Start", f"{item.start / clip.format.label_fps:g} s, frame {item.start}"))
    rows += [*_label_facts(clip, labels), *_level_facts(clip, labels)]
    if boxes is not None:
        score = spatial_av_align(labels.events(), boxes, clip.format).score
        if score is not None:
            rows.append(("Spatial AV-Align", f"{score:.2f} of labels and stored boxes"))
    return rows


def _label_facts(clip: Clip, labels: ClipLabels) -> list[tuple[str, str]]:
    """What sounds, and where."""
    if not len(labels):
        return [("Sound", "no label")]
    active = len(np.unique(labels.frames)) / clip.format.label_frames
    counts = np.bincount(labels.categories, minlength=len(CATEGORY_NAMES))
    names = " and ".join(name for name, n in zip(CATEGORY_NAMES, counts, strict=True) if n)
    x = float(labels.x.mean())
    spread = float(labels.x.max() - labels.x.min())
    moves = f", moves over {spread:.0f} px" if spread >= 1 else ""
    return [
        ("Sound", f"{names}, {100 * active:.0f} % of the time"),
        ("Position", f"x {x:.0f} of {SAVGBENCH.size}, {side_words(x)}{moves}"),
    ]


def _level_facts(clip: Clip, labels: ClipLabels) -> list[tuple[str, str]]:
    """Level, peak, and by how much the left channel is louder."""
    level = f"{level_db(clip.audio):.1f} dB, peak {float(np.abs(clip.audio).max()):.2f}"
    difference = f"{level_difference_db(clip.audio):+.1f} dB"
    if len(labels):
        expected = float(expected_difference_db(labels.x.mean()))
        difference += f" ({expected:+.1f} dB without a room)"
    rows = ("Level", level), ("Left − right", difference)
    return [(name, words.replace("-", "−")) for name, words in rows]


def _spots(item: BenchItem, view: View | None, labels: ClipLabels) -> list[tuple[float, float]]:
    if view is None:
        return []
    columns, rows = panorama_position(*directions(view, labels.x, labels.y))
    height = HEIGHT if item.panorama is not None else HEIGHT // 2
    down = (rows - (HEIGHT - height) / 2) / height
    across = columns % WIDTH / WIDTH
    return [(round(float(u), 4), round(float(v), 4)) for u, v in zip(across, down, strict=True)]


def _read_image(path: Path | None) -> NDArray[np.uint8] | None:
    if path is None:
        return None
    bgr = cv2.imread(str(path))
    return None if bgr is None else np.ascontiguousarray(bgr[..., ::-1], np.uint8)
