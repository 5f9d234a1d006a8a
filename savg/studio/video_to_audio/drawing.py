"""What a visitor draws over a video: whom the audio follows, boxes, onsets.

It comes as a browser's text, which may be anything: what is no drawing is told in one sentence.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from savg.errors import SavgError, brief, is_whole
from savg.format import SAVGBENCH
from savg.pipelines.box_path import BoxPath
from savg.pipelines.envelope_file import Curve
from savg.pipelines.rows_file import is_row
from savg.studio.shared.library import MAX_UPLOAD_SECONDS
from savg.studio.video_to_audio.levels import FLOOR

MAX_TEXT = 40_000
"""Characters of a drawing."""

MAX_BOXES, MAX_ONSETS, MAX_PERSON, MAX_KEY = 200, 200, 64, 64

LEAST_SIDE = 2.0
"""Pixels of a box's side, at least."""

LENGTHS = 0.05, 5.0
"""Seconds in which the level after an onset falls by FALL dB, least and most."""

FALL, ATTACK, GRID = 40.0, 0.01, 0.05
"""dB; seconds in which it rises before the onset; seconds between the points of its fall."""

OWN, DRAWN, NONE = "own", "drawn", "none"
"""Where the envelope comes from, beside keys of recordings; "" where nothing was chosen yet."""

Rows = tuple[tuple[float, ...], ...]

NOBODY = "none"
"""As a person: boxes are withheld."""


@dataclass(frozen=True)
class Drawing:
    """person: "longest", a number or NOBODY; boxes: rows seconds, x0, y0, x1, y1, in place of a person;
    envelope: where it comes from; onsets: rows seconds, dB of full scale; length: of their fall."""

    person: str | int = "longest"
    boxes: Rows = ()
    envelope: str = ""
    onsets: Rows = ()
    length: float = 0.5

    @property
    def path(self) -> BoxPath | None:
        """The drawn boxes as a path."""
        if not self.boxes:
            return None
        table = np.array(self.boxes)
        return BoxPath(table[:, 0], table[:, 1:])

    @property
    def curve(self) -> Curve | None:
        """The envelope that the onsets draw: each rises at once and falls by FALL dB in `length`."""
        if not self.onsets:
            return None
        times, levels = np.array(self.onsets).T
        span = self.length * (levels - FLOOR) / FALL
        falls = [np.arange(t, t + s + GRID, GRID) for t, s in zip(times, span, strict=True)]
        points = np.concatenate([np.maximum(times - ATTACK, 0), times, *falls])
        points = np.unique(points.round(3))
        age = points[:, None] - times.round(3)
        each = np.where(age >= 0, levels - FALL * age / self.length, FLOOR)
        decibels = each.max(axis=1)
        rms = np.where(decibels > FLOOR, 10 ** (decibels / 20), 0.0).round(5)
        return Curve(points, rms)


def read_drawing(text: Any, video: str) -> Drawing:
    """The drawing in a browser's text; an empty one where it has none, or one of another video.

    video: key of the video that is to get audio. SavgError for a text that is no drawing.
    """
    if text in (None, ""):
        return Drawing()
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise SavgError(f"The drawing must be a text of at most {MAX_TEXT} characters.")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SavgError("The drawing must be JSON: reload the page.") from error
    if not isinstance(values, dict):
        raise SavgError(f"The drawing must be an object, got {brief(values)}.")
    if values.get("video") != video:
        return Drawing()
    person, envelope = values.get("person", "longest"), values.get("envelope", "")
    if person not in ("longest", NOBODY) and not (is_whole(person) and 1 <= person <= MAX_PERSON):
        raise SavgError(f"The person must be one of those in the video, got {brief(person)}.")
    if not isinstance(envelope, str) or len(envelope) > MAX_KEY:
        raise SavgError(f"The envelope must be one of the list, got {brief(envelope)}.")
    length = values.get("length", Drawing.length)
    least, most = LENGTHS
    if not is_row([length], 1) or not least <= length <= most:
        raise SavgError(
            f"The length of an onset must be {least:g} to {most:g} s, got {brief(length)}."
        )
    onsets = _rows("onsets", values.get("onsets", []), 2, MAX_ONSETS)
    for _, level in onsets:
        if not FLOOR <= level <= 0:
            raise SavgError(f"The level of an onset must be {FLOOR:g} to 0 dB, got {level:g}.")
    boxes = _rows("boxes", values.get("boxes", []), 5, MAX_BOXES)
    return Drawing(person, tuple(map(_box, boxes)), envelope, onsets, float(length))


def _rows(name: str, rows: Any, width: int, most: int) -> Rows:
    """Rows of finite numbers by their first one, a time; SavgError for others, or equal times."""
    if not isinstance(rows, list) or not all(is_row(row, width) for row in rows):
        raise SavgError(f"The {name} must be a list of {width} numbers each, got {brief(rows)}.")
    if len(rows) > most:
        raise SavgError(f"There must be at most {most} {name}, got {len(rows)}.")
    table = sorted(tuple(map(_finite, row)) for row in rows)
    times = [row[0] for row in table]
    if times and not (times[0] >= 0 and times[-1] <= MAX_UPLOAD_SECONDS):
        raise SavgError(f"Times of the {name} must be 0 to {MAX_UPLOAD_SECONDS:g} s.")
    if any(a == b for a, b in pairwise(times)):
        raise SavgError(f"Two of the {name} must not be at one time.")
    return tuple(table)


def _finite(value: float) -> float:
    """A JSON number as a float; infinity for one that is too large for a float."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise SavgError("The numbers of a drawing must be finite.")
    return number


def _box(row: tuple[float, ...]) -> tuple[float, ...]:
    """A row with its box within the frame; SavgError where too little of it is there."""
    time, *corners = row
    x0, y0, x1, y1 = (min(max(value, 0.0), float(SAVGBENCH.size)) for value in corners)
    if x1 - x0 < LEAST_SIDE or y1 - y0 < LEAST_SIDE:
        raise SavgError(
            "A box must lie in the frame, its left before its right, top before bottom."
        )
    return (round(time, 3), *(round(value, 1) for value in (x0, y0, x1, y1)))
