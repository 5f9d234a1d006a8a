"""From a rendered band to the stored room: poles continued, distances as shares of the empty room's."""

from __future__ import annotations

import cv2
import numpy as np

BAND = 62.0
"""Elevations (degrees, up and down) that are rendered; towards the poles the picture is continued."""


def rendered_rows(height: int) -> np.ndarray:
    """Which rows [height] of a panorama were rendered."""
    elevation = (0.5 - (np.arange(height) + 0.5) / height) * 180
    return np.abs(elevation) < BAND - 180 / height


def continued(image: np.ndarray) -> np.ndarray:
    """The picture whose rows beyond the band run from the band's last into their mean at the poles."""
    done = np.flatnonzero(rendered_rows(image.shape[0]))
    made = _without_seam(image.astype(np.float32))
    for edge, rows in ((done[0], range(done[0])), (done[-1], range(done[-1] + 1, len(image)))):
        line = made[edge].copy()
        mean = line.mean(axis=0, keepdims=True)
        for row in rows:
            share = min(1.0, abs(row - edge) / (0.7 * (len(image) - len(done)) / 2))
            width = 1 + 2 * int(60 * share)
            wide = np.concatenate([line[-width:], line, line[:width]])[None]
            soft = cv2.GaussianBlur(wide, (width, 1), 0)[0, width:-width]
            made[row] = soft + (mean - soft) * share * share * (3 - 2 * share)
    return np.clip(np.round(made), 0, 255).astype(np.uint8)


def _without_seam(image: np.ndarray) -> np.ndarray:
    """The picture whose left and right edges, denoised apart, meet in one tone."""
    step = cv2.GaussianBlur((image[:, 0] - image[:, -1])[:, None], (1, 31), 0)[:, 0]
    width = image.shape[1] // 16
    ramp = 0.5 * (1 - np.arange(width) / width)[None, :, None]
    image[:, :width] -= ramp * step[:, None]
    image[:, -width:] += ramp[:, ::-1] * step[:, None]
    return image


def share_of_walls(distance: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Distances as shares of those of the empty room, uint8 of `empty`'s shape.

    255: nothing stands before wall, floor or ceiling. Rows beyond the band are 255.
    """
    height, width = empty.shape
    near = cv2.resize(distance, (width, height), interpolation=cv2.INTER_NEAREST)
    share = near / empty
    code = np.clip(np.round(255 * share), 0, 255).astype(np.uint8)
    code[(share > 0.97) | ~rendered_rows(height)[:, None]] = 255
    return code
