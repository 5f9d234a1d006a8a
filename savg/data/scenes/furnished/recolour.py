"""Other colours for hair and clothes of a sprite, light and folds as they are."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

PARTS = {"top": 85, "bottom": 170, "hair": 255}
"""Value of each part in a map of parts; 0 is everything else."""

Change = tuple[float, float, float, float]


@dataclass(frozen=True)
class Recolour:
    """What to change, each a colour (r, g, b in 0..1) and how much of it to take (0..1), or None."""

    top: Change | None = None
    bottom: Change | None = None
    hair: Change | None = None

    def __post_init__(self) -> None:
        for part in fields(self):
            change = getattr(self, part.name)
            if change is None:
                continue
            if len(change) != 4 or not all(0 <= c <= 1 for c in change):
                raise ValueError(f"{part.name} must be four numbers in 0..1, got {change}")


def recolour(
    rgba: NDArray[np.uint8], parts: NDArray[np.uint8], change: Recolour
) -> NDArray[np.uint8]:
    """The picture with other colours.

    Args:
        rgba: [h, w, 4], colours not multiplied by alpha.
        parts: [h', w'] of the same view, possibly smaller: the value in `PARTS` where each is seen.

    Returns:
        A new array, or `rgba` itself where nothing changes. The mean lightness of each part becomes
        that of its colour.
    """
    size = rgba.shape[1], rgba.shape[0]
    out = rgba[..., :3].astype(np.float32)
    for part, value in PARTS.items():
        target = getattr(change, part)
        if target is None:
            continue
        weight = cv2.resize((np.abs(parts - float(value)) < 30).astype(np.float32), size)
        seen = weight * (rgba[..., 3] > 0)
        total = float(seen.sum())
        if total < 1:
            continue
        grey = out @ np.array([0.299, 0.587, 0.114], np.float32)
        mean = max(float((grey * seen).sum()) / total, 8.0)
        painted = grey[..., None] / mean * np.array(target[:3], np.float32) * 255
        out += (weight * target[3])[..., None] * (painted - out)
    if change == Recolour():
        return rgba
    return np.concatenate([np.clip(out + 0.5, 0, 255).astype(np.uint8), rgba[..., 3:]], axis=-1)
