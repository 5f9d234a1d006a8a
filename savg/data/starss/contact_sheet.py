"""Contact sheet of clips of a set: a few frames each, with the label drawn in and a caption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.audio.levels import level_difference_db
from savg.data.savgbench import BenchItem
from savg.errors import SavgError
from savg.format import ClipFormat
from savg.paths import atomic_file

Image = NDArray[np.uint8]

CLIPS, FRAMES, COLUMNS = 12, 4, 2
CAPTION, GAP, WIDTH = 20, 4, 192
GROUND, INK = (24, 26, 30), (232, 234, 238)
COLOURS = {"speech": (94, 214, 120), "instrument": (96, 156, 255), None: (200, 200, 200)}


def write_contact_sheet(path: Path, items: Sequence[BenchItem], format: ClipFormat) -> int:
    """Write a JPEG of up to `CLIPS` clips, evenly chosen by category and name; returns their number.

    Clips that cannot be read are empty tiles with the beginning of the error. Raises SavgError where
    the file cannot be written.
    """
    chosen = evenly_chosen(items, CLIPS)
    tiles = [_tile(item, format) for item in chosen] or [_empty(format)]
    while len(tiles) % COLUMNS and len(tiles) > 1:
        tiles.append(np.full_like(tiles[0], GROUND))
    per_row = COLUMNS if len(tiles) > 1 else 1
    rows = [np.concatenate(tiles[i : i + per_row], 1) for i in range(0, len(tiles), per_row)]
    sheet = np.concatenate(rows, 0)
    with atomic_file(path) as part:
        options = [cv2.IMWRITE_JPEG_QUALITY, 90]
        if not cv2.imwrite(str(part), np.ascontiguousarray(sheet[..., ::-1]), options):
            raise SavgError(f"{path} could not be written as an image.")
    return len(chosen)


def evenly_chosen(items: Sequence[BenchItem], count: int) -> list[BenchItem]:
    """Up to `count` items, evenly spread over all in order of category and name."""
    ordered = sorted(items, key=lambda item: (item.category or "", item.name))
    if len(ordered) <= count:
        return ordered
    places = np.linspace(0, len(ordered) - 1, count).round().astype(int)
    return [ordered[place] for place in places]


def _tile(item: BenchItem, format: ClipFormat) -> Image:
    """Caption and frames of one clip."""
    tile = _empty(format)
    colour = COLOURS[item.category]
    try:
        clip, labels = item.clip, item.labels
    except SavgError as error:
        _write(tile, f"{item.name}: {error}", colour)
        return tile
    difference = level_difference_db(clip.audio)
    where = f"x {labels.x.mean():.0f}" if len(labels) else "no label"
    category = item.category or "no category"
    _write(tile, f"{item.name}  {category}  {where}  L-R {difference:+.1f} dB", colour)
    size = (WIDTH, _height(format))
    for place, frame in enumerate(_frames(format)):
        image = np.asarray(
            cv2.resize(clip.picture[frame], size, interpolation=cv2.INTER_AREA), np.uint8
        )
        rows = np.flatnonzero(labels.frames == frame * format.label_fps // format.fps)
        for row in rows:
            scale = WIDTH / format.size
            _mark(image, labels.x[row] * scale, labels.y[row] * scale, colour)
        left = GAP + place * (WIDTH + GAP)
        tile[CAPTION : CAPTION + size[1], left : left + WIDTH] = image
    return tile


def _frames(format: ClipFormat) -> list[int]:
    """Numbers of the drawn frames, each in the middle of an equal part of the clip."""
    parts = (np.arange(FRAMES) + 0.5) * format.frames / FRAMES
    return parts.astype(int).tolist()


def _height(format: ClipFormat) -> int:
    return max(1, round(WIDTH * format.picture_height / format.size))


def _empty(format: ClipFormat) -> Image:
    width = GAP + FRAMES * (WIDTH + GAP)
    tile = np.empty((CAPTION + _height(format) + GAP, width, 3), np.uint8)
    tile[:] = GROUND
    return tile


def _write(tile: Image, text: str, colour: tuple[int, int, int]) -> None:
    """A caption in at most the tile's width, behind a mark in the category's colour."""
    cv2.circle(tile, (GAP + 5, CAPTION // 2), 4, colour, -1, cv2.LINE_AA)
    plain = text.encode("ascii", "replace").decode()
    place = (GAP + 15, CAPTION - 6)
    cv2.putText(tile, plain, place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, INK, 1, cv2.LINE_AA)


def _mark(image: Image, x: float, y: float, colour: tuple[int, int, int]) -> None:
    """A ring with a dark edge at a position in the image."""
    place = round(float(x)), round(float(y))
    cv2.circle(image, place, 7, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.circle(image, place, 7, colour, 2, cv2.LINE_AA)
