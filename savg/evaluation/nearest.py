"""Which reference clip is nearest to each generated one, and image strips of the nearest pairs.

A generated clip that is a copy of a training clip shows at a glance: frames of it stand over those of
the nearest reference clip. The distance is that of `savg.metrics.nearest_clip`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.results_file import GENERATED, REFERENCE
from savg.metrics.base import Item, Reference
from savg.metrics.nearest_clip import EVERY, FEATURE, ThumbnailIndex
from savg.paths import atomic_file

FOLDER = "nearest"
"""Folder of the images, beside results.json."""

GAP = 4
"""Pixels between the frames of a strip, in white."""

WIDTH = 128
"""Of a strip's frames in pixels."""

Frames = NDArray[np.uint8]
ReadClip = Callable[[str, str], Clip]
"""(set, clip's name) → the clip; set: "generated" or "reference"."""


def nearest_strips(
    items: Iterable[Item],
    reference: Reference,
    clips: ReadClip | None,
    folder: Path,
    most: int = 12,
) -> list[dict[str, Any]]:
    """The nearest reference clip of every clip, nearest first, with images of the first `most`.

    Args:
        items: generated clips with the feature `thumbnails`.
        reference: a set with the same feature; clips of other lengths or shapes are not compared.
        clips: reads the clips whose frames are shown; None, or a SavgError for one of a pair: its
            thumbnails are shown.
        folder: where results.json will lie; images go to `nearest/01.jpg` … below it.
        most: number of images.

    Returns:
        Rows {"clip", "reference", "distance", "mirrored", "image"} for `nearest` of results.json;
        image is None beyond the first ones.

    Raises:
        SavgError: an image cannot be written.
    """
    found = _search(items, reference)
    found.sort(key=lambda pair: (pair[0]["distance"], pair[0]["clip"]))
    rows = []
    for number, (row, *thumbs) in enumerate(found, 1):
        if number <= most:
            frames = _frames(row, thumbs, clips)
            row["image"] = f"{FOLDER}/{number:02}.jpg"
            _write(folder / row["image"], strip(*frames))
        rows.append(row)
    return rows


def _search(
    items: Iterable[Item], reference: Reference
) -> list[tuple[dict[str, Any], Frames, Frames]]:
    """A row for each clip, with its thumbnails and those of the nearest reference clip."""
    thumbs = {name: row[FEATURE] for name, row in reference.features.items() if FEATURE in row}
    names: dict[tuple[int, ...], list[str]] = {}
    for name in sorted(thumbs):
        names.setdefault(thumbs[name].shape, []).append(name)
    indices = {
        shape: ThumbnailIndex(np.stack([thumbs[name] for name in same]))
        for shape, same in names.items()
    }
    found = []
    for item in items:
        own = item.observation.features.get(FEATURE)
        if own is None or own.shape not in indices:
            continue
        number, mirrored, distance = indices[own.shape].search(own)
        nearest = names[own.shape][number]
        row = {
            "clip": item.name,
            "reference": nearest,
            "distance": distance,
            "mirrored": mirrored,
            "image": None,
        }
        found.append((row, own, thumbs[nearest]))
    return found


def _frames(
    row: dict[str, Any], thumbs: list[Frames], clips: ReadClip | None
) -> tuple[Frames, Frames]:
    """Frames of both clips of a row at the same times; the reference's as they are nearest."""
    above, below = thumbs
    if clips is not None:
        try:
            above = _shown(clips(GENERATED, row["clip"]))
            below = _shown(clips(REFERENCE, row["reference"]))
        except SavgError:
            above, below = thumbs
    return above, below[:, :, ::-1] if row["mirrored"] else below


def _shown(clip: Clip) -> Frames:
    """The frames that thumbnails are made of, without padding."""
    return clip.picture[::EVERY]


def strip(above: Frames, below: Frames) -> Frames:
    """One image [h, w, 3] of two rows of frames [frames, height, width, 3]."""
    rows = [_row(frames) for frames in (above, below)]
    width = max(row.shape[1] for row in rows)
    wide = [np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=255) for r in rows]
    gap = np.full((GAP, width, 3), 255, np.uint8)
    return np.concatenate([wide[0], gap, wide[1]])


def _row(frames: Frames) -> Frames:
    import cv2

    height = max(1, round(WIDTH * frames.shape[1] / frames.shape[2]))
    smaller = frames.shape[2] > WIDTH
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    parts: list[Frames] = []
    for frame in frames:
        image = cv2.resize(np.ascontiguousarray(frame), (WIDTH, height), interpolation=way)
        parts += [np.full((height, GAP, 3), 255, np.uint8), np.asarray(image, np.uint8)]
    return np.concatenate(parts[1:], axis=1)


def _write(path: Path, image: Frames) -> None:
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as part:
        part.write_bytes(
            cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()
        )
