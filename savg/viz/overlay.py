"""Burnt-in overlay: the upscaled clip with person boxes, sound bands, levels and the score.

Its frame rate is the least common multiple of the clip's frame rate and label rate (20 per second in
the published format), so that every box and every sound event is on screen for exactly its time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES, Alignment, Boxes, SoundEvents
from savg.audio.levels import FLOOR_DB, levels_db
from savg.clip import Clip
from savg.format import SAVGBENCH, ClipFormat
from savg.media.encode import write_video
from savg.viz import palette

Image = NDArray[np.uint8]

Area = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""

HEADER, FOOTER = 36, 100
"""Pixels above and below the clip's picture."""

_INK, _DIM, _PAPER = (240, 240, 240), (150, 156, 166), (16, 18, 22)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_MARGIN, _STRIP_TOP, _ROW, _CLOCK = 46, 10, 16, 74
_METER_FLOOR = -60.0
_SHORT = {"instrument": "instr."}


@dataclass(frozen=True)
class Layout:
    """Positions of the parts of an overlay frame, in its pixels.

    top, bottom: rows of the clip that are shown, in pixels of the tables (the 256×256 frame).
    """

    width: int
    top: float
    bottom: float

    @property
    def scale(self) -> float:
        """Overlay pixels per pixel of the tables."""
        return self.width / SAVGBENCH.size

    @property
    def picture_height(self) -> int:
        """Height of the upscaled picture in pixels, an even number."""
        return 2 * round((self.bottom - self.top) * self.scale / 2)

    @property
    def height(self) -> int:
        """Height of an overlay frame in pixels, an even number."""
        return HEADER + self.picture_height + FOOTER

    def x(self, x: float) -> int:
        """The overlay column of a table's x."""
        return round(float(np.clip(x * self.scale, -1e6, 1e6)))

    def y(self, y: float) -> int:
        """The overlay row of a table's y."""
        return HEADER + round(float(np.clip((y - self.top) * self.scale, -1e6, 1e6)))


def overlay_fps(format: ClipFormat) -> int:
    """Frames per second at which boxes and events all last whole frames."""
    return lcm(format.fps, format.label_fps)


def layout(clip: Clip, width: int = 640) -> Layout:
    """The layout of a clip's overlay; black padding above and below the picture is left out."""
    if width < 320 or width % 2:
        raise ValueError(f"width must be an even number of pixels ≥ 320, got {width}.")
    format = clip.format
    top, bottom = (format.top, format.bottom) if clip.has_dark_padding else (0, format.size)
    return Layout(width, top * SAVGBENCH.size / format.size, bottom * SAVGBENCH.size / format.size)


def overlay_frames(
    clip: Clip,
    boxes: Boxes,
    events: SoundEvents,
    alignment: Alignment,
    width: int = 640,
    note: str = "",
) -> Iterator[Image]:
    """The overlay's frames, uint8 [height, width, 3] RGB, in order.

    Args:
        boxes: people, in pixels of the 256×256 frame whatever the clip's size.
        events: sound events, in the same pixels.
        alignment: one judgement per event.
        width: of the overlay in pixels, even and at least 320.
        note: ASCII words behind the score, left out where they do not fit.

    Raises:
        ValueError: for another width, or another number of judgements.
    """
    if len(alignment.matched) != len(events):
        raise ValueError(
            "alignment must have one judgement per sound event, "
            f"got {len(alignment.matched)} for {len(events)}."
        )
    format, plan, fps = clip.format, layout(clip, width), overlay_fps(clip.format)
    loudness = levels_db(clip.audio, clip.format.sample_rate, fps)
    base = _base(format, plan, events, alignment, note)
    count = -int(-format.duration * fps // 1)
    frames_every, events_every = fps // format.fps, fps // format.label_fps
    for n in range(count):
        if n % frames_every == 0:
            frame = min(n // frames_every, format.frames - 1)
            shown = upscaled(clip, plan, frame)
        image = base.copy()
        image[HEADER : HEADER + plan.picture_height] = shown
        sounding = np.flatnonzero(events.frames == n // events_every)
        _draw_bands(image, plan, events, alignment, sounding)
        _draw_people(image, plan, boxes, np.flatnonzero(boxes.frames == frame))
        _draw_footer(image, plan, n / count, loudness[:, n])
        _text(image, f"{n / fps:5.2f} s", (width - _CLOCK, 24), _INK)
        yield image


def write_overlay(
    path: str | os.PathLike[str],
    clip: Clip,
    boxes: Boxes,
    events: SoundEvents,
    alignment: Alignment,
    width: int = 640,
    note: str = "",
) -> None:
    """Write the overlay as an mp4 with the clip's own audio, whole or not at all.

    Arguments and errors as in `overlay_frames`.
    """
    frames = overlay_frames(clip, boxes, events, alignment, width, note)
    fps, rate = overlay_fps(clip.format), clip.format.sample_rate
    write_video(path, frames, fps, clip.audio, rate)


def _text(image: Image, text: str, at: tuple[int, int], colour: tuple, size: float = 0.5) -> int:
    """Write text with its lower left corner at a point; returns the column after it."""
    cv2.putText(image, text, at, _FONT, size, colour, 1, cv2.LINE_AA)
    return at[0] + cv2.getTextSize(text, _FONT, size, 1)[0][0]


def _tag_area(width: int, text: str, centre: int, top: int) -> Area:
    """Where a label's box lies, kept inside an image of that width."""
    (w, h), _ = cv2.getTextSize(text, _FONT, 0.45, 1)
    left = int(np.clip(centre - w // 2 - 4, 0, width - w - 8))
    return left, top, left + w + 8, top + h + 8


def _tag(image: Image, text: str, area: Area, colour: tuple[int, int, int]) -> None:
    """A label in a box of one colour."""
    left, top, right, bottom = area
    cv2.rectangle(image, (left, top), (right, bottom), palette.rgb("#101418"), -1)
    cv2.rectangle(image, (left, top), (right, bottom), colour, 1)
    _text(image, text, (left + 4, bottom - 4), colour, 0.45)


def _free_area(area: Area, taken: Sequence[Area], step: int) -> Area:
    """The area, or the first one that lies a multiple of `step` px above it in the image and overlaps
    none of `taken`; the area itself where there is none."""
    left, top, right, bottom = area
    for up in range(0, top + 1, step):
        if not any(
            left <= c and a <= right and top - up <= d and b <= bottom - up for a, b, c, d in taken
        ):
            return left, top - up, right, bottom - up
    return area


def upscaled(clip: Clip, plan: Layout, frame: int) -> Image:
    """A frame of the clip without its padding, as wide as the layout."""
    rows = slice(*(round(y * clip.format.size / SAVGBENCH.size) for y in (plan.top, plan.bottom)))
    shown = clip.video[frame, rows]
    size = (plan.width, plan.picture_height)
    return np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _draw_people(image: Image, plan: Layout, boxes: Boxes, rows: NDArray[np.int64]) -> None:
    """Outline the people of one frame, with the detector's score at their lower edge, or above the
    label of a surer one that is there."""
    area = image[HEADER : HEADER + plan.picture_height]
    ink, casing = palette.rgb(palette.PERSON), palette.rgb(palette.PERSON_CASING)
    for row in rows.tolist():
        x0, y0, x1, y1 = boxes.xyxy[row]
        left, right = plan.x(x0), plan.x(x1)
        top, bottom = plan.y(y0) - HEADER, plan.y(y1) - HEADER
        cv2.rectangle(area, (left, top), (right, bottom), casing, 4)
        cv2.rectangle(area, (left, top), (right, bottom), ink, 2)
    if boxes.scores is None:
        return
    taken: list[Area] = []
    for row in rows[np.argsort(-boxes.scores[rows], kind="stable")].tolist():
        x0, y0, _, y1 = boxes.xyxy[row]
        top, bottom = plan.y(y0) - HEADER, plan.y(y1) - HEADER
        lowest = int(np.clip(bottom - 18, max(top, 0), plan.picture_height - 18))
        text = f"person {boxes.scores[row]:.2f}"
        own = _tag_area(plan.width, text, plan.x(x0) + 46, lowest)
        taken.append(_free_area(own, taken, step=4))
        _tag(area, text, taken[-1], ink)


def _draw_bands(
    image: Image,
    plan: Layout,
    events: SoundEvents,
    alignment: Alignment,
    sounding: NDArray[np.int64],
) -> None:
    """Shade x ± margin of each event over the picture's whole height, judged and named; names lie above
    all shades."""
    area = image[HEADER : HEADER + plan.picture_height]
    names = []
    for place, row in enumerate(sounding.tolist()):
        x, matched = float(events.x[row]), bool(alignment.matched[row])
        colour = palette.rgb(palette.judgement(matched))
        left, right = (plan.x(x + side * alignment.margin) for side in (-1, 1))
        _shade(area, max(left, 0), min(right, plan.width - 1), matched, colour)
        for edge in (left, right):
            if 0 <= edge < plan.width:
                cv2.line(area, (edge, 0), (edge, len(area) - 1), colour, 1)
        _centre_line(area, plan.x(x), matched, colour)
        category = int(events.categories[row])
        text = f"{palette.judgement_text(matched)} {palette.category_name(category)}"
        names.append((text, _tag_area(plan.width, text, plan.x(x), 6 + 24 * place), colour))
    for text, place_of_name, colour in names:
        _tag(area, text, place_of_name, colour)


def _shade(area: Image, left: int, right: int, matched: bool, colour: tuple) -> None:
    """A translucent column: even for true positives, hatched for false negatives."""
    if right < left:
        return
    part = area[:, left : right + 1]
    rows, columns = np.ogrid[: part.shape[0], : part.shape[1]]
    hatch = (rows + columns) % 14 < 4
    weight = np.full(part.shape[:2], 0.3) if matched else np.where(hatch, 0.6, 0.12)
    mixed = part + (np.array(colour) - part.astype(float)) * weight[..., None]
    part[:] = np.round(mixed).astype(np.uint8)


def _centre_line(area: Image, x: int, matched: bool, colour: tuple) -> None:
    """Solid for true positives, dashed for false negatives."""
    if not 0 <= x < area.shape[1]:
        return
    step, dash = (len(area), len(area)) if matched else (18, 10)
    for y in range(0, len(area), step):
        end = min(y + dash, len(area)) - 1
        cv2.line(area, (x, y), (x, end), palette.rgb(palette.PERSON_CASING), 4)
        cv2.line(area, (x, y), (x, end), colour, 2)


def _base(
    format: ClipFormat, plan: Layout, events: SoundEvents, alignment: Alignment, note: str
) -> Image:
    """The parts that are equal in every frame: score, legend, and the strip of judgements."""
    image = np.full((plan.height, plan.width, 3), _PAPER, np.uint8)
    score = "no sound event" if alignment.score is None else f"{alignment.score:.2f}"
    end = _text(image, f"Spatial AV-Align {score}", (10, 24), _INK, 0.55)
    end = _text(image, f"TP {alignment.tp}  FN {alignment.fn}", (end + 16, 24), _DIM)
    (room, _), _ = cv2.getTextSize(note, _FONT, 0.5, 1)
    if end + 16 + room < plan.width - _CLOCK:
        _text(image, note, (end + 16, 24), _INK)
    floor = HEADER + plan.picture_height
    for category, name in enumerate(CATEGORY_NAMES):
        top = floor + _STRIP_TOP + category * (_ROW + 4)
        _text(image, _SHORT.get(name, name), (4, top + 12), _DIM, 0.38)
        left, right = _strip(plan)
        cv2.rectangle(image, (left, top), (right, top + _ROW - 1), (40, 44, 52), -1)
        for row in np.flatnonzero(events.categories == category):
            _cell(image, format, plan, int(events.frames[row]), bool(alignment.matched[row]), top)
    _draw_legend(image, floor + 84)
    return image


def _strip(plan: Layout) -> tuple[int, int]:
    return _MARGIN, plan.width - 10


def _cell(
    image: Image, format: ClipFormat, plan: Layout, frame: int, matched: bool, top: int
) -> None:
    """One event in the strip: a filled cell is a true positive, a crossed one a false negative."""
    left, right = _strip(plan)
    edges = left + (right - left) * np.array([frame, frame + 1]) / max(format.label_frames, 1)
    if edges[0] >= right:
        return
    x0, x1 = int(edges[0]), max(int(edges[0]), int(min(edges[1], right)) - 2)
    colour = palette.rgb(palette.judgement(matched))
    if matched:
        cv2.rectangle(image, (x0, top), (x1, top + _ROW - 1), colour, -1)
    else:
        cv2.rectangle(image, (x0, top), (x1, top + _ROW - 1), colour, 1)
        cv2.line(image, (x0, top + _ROW - 1), (x1, top), colour, 1, cv2.LINE_AA)


def _draw_legend(image: Image, y: int) -> None:
    x = _MARGIN
    for matched, text in ((True, "TP: a person is near"), (False, "FN: nobody is near")):
        colour = palette.rgb(palette.judgement(matched))
        sample = image[y : y + 12, x : x + 26]
        _shade(sample, 0, 25, matched, colour)
        cv2.rectangle(image, (x, y), (x + 25, y + 11), colour, 1)
        x = _text(image, text, (x + 32, y + 10), _INK, 0.4) + 20
    cv2.rectangle(image, (x, y), (x + 25, y + 11), palette.rgb(palette.PERSON), 2)
    _text(image, "person", (x + 32, y + 10), _INK, 0.4)


def _draw_footer(
    image: Image, plan: Layout, progress: float, loudness: NDArray[np.float64]
) -> None:
    """The playhead on the strip and the two level meters."""
    left, right = _strip(plan)
    floor = HEADER + plan.picture_height
    x = left + round((right - left) * progress)
    cv2.line(image, (x, floor + 4), (x, floor + _STRIP_TOP + 2 * _ROW + 8), _INK, 2)
    for channel, (name, colour) in enumerate((("L", palette.LEFT), ("R", palette.RIGHT))):
        top = floor + 54 + 13 * channel
        _text(image, name, (left - 14, top + 9), _INK, 0.4)
        cv2.rectangle(image, (left, top), (right - 64, top + 9), (40, 44, 52), -1)
        part = float(np.clip(1.0 - loudness[channel] / _METER_FLOOR, 0.0, 1.0))
        end = left + round((right - 64 - left) * part)
        if end > left:
            cv2.rectangle(image, (left, top), (end, top + 9), palette.rgb(colour), -1)
        quiet = loudness[channel] <= FLOOR_DB
        _text(
            image,
            "quiet" if quiet else f"{loudness[channel]:.0f} dB",
            (right - 56, top + 9),
            _INK,
            0.4,
        )
