"""Contact sheets: images side by side in one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError
from savg.paths import atomic_file

Image = NDArray[np.uint8]


def write_sheet(path: Path, rows: Sequence[Sequence[Image]], scale: int = 1) -> None:
    """Write rows of images [h, w, 3] RGB of one size as a PNG, each upscaled `scale` times.

    SavgError where the file cannot be written.
    """
    import cv2

    table = np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)
    table = table.repeat(scale, axis=0).repeat(scale, axis=1)
    with atomic_file(path) as part:
        if not cv2.imwrite(str(part), np.ascontiguousarray(table[..., ::-1])):
            raise SavgError(f"{path} could not be written as an image.")


def evenly_spaced(video: Image, count: int) -> list[Image]:
    """`count` frames [h, w, 3] of a video [F, h, w, 3], evenly spaced."""
    return [video[i] for i in np.linspace(0, len(video) - 1, count).round().astype(int)]


def with_boxes(image: Image, xyxy: NDArray[np.float64], colour: tuple[int, int, int]) -> Image:
    """A copy with boxes [N, 4] drawn on it."""
    import cv2

    image = np.ascontiguousarray(image).copy()
    for x0, y0, x1, y1 in np.asarray(xyxy).round().astype(int):
        cv2.rectangle(image, (int(x0), int(y0)), (int(x1), int(y1)), colour, 1)
    return image
