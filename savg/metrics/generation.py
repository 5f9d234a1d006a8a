"""Do generated clips use the stereo picture, and does the figure stand where the sound comes from?

Pan is (right − left) / (right + left) of the two channels' RMS levels over a clip, −1 all left to
+1 all right. Its spread over clips says whether sounds come from anywhere but the centre; its
correlation with where the figure stands says whether the two agree. Figures are found by shape (a
person detector) or by motion, never by colour, which locks onto the edges of a picture.
x in pixels from the left of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes
from savg.clip import Clip


def pan_spread(pans: Sequence[float] | NDArray[np.floating]) -> float | None:
    """Standard deviation of the pans of clips, silent ones left out; None for fewer than two."""
    values = np.asarray(pans, np.float64)
    values = values[np.isfinite(values)]
    return float(values.std()) if len(values) > 1 else None


def figure_position(boxes: Boxes, frames: int) -> float:
    """Where the surest person of each frame stands: mean x of box centres, NaN if there is nobody."""
    centres = []
    scores = np.ones(len(boxes)) if boxes.scores is None else boxes.scores
    middle = boxes.xyxy[:, [0, 2]].mean(axis=1)
    for frame in range(frames):
        rows = np.flatnonzero((boxes.frames == frame) & (boxes.categories == 0))
        if len(rows):
            centres.append(middle[rows[np.argmax(scores[rows])]])
    return float(np.mean(centres)) if centres else float("nan")


def motion_position(clip: Clip) -> float:
    """Where a clip moves most: mean x of change against its median picture; NaN for a still.

    The change of each column is taken above the median column, so that even noise cancels out.
    """
    grey = clip.picture.astype(np.float64).mean(axis=3)
    change = np.abs(grey - np.median(grey, axis=0)).mean(axis=(0, 1))
    weight = np.maximum(change - np.median(change), 0.0)
    if not weight.any():
        return float("nan")
    return float(weight @ (np.arange(len(weight)) + 0.5) / weight.sum())


@dataclass(frozen=True)
class Correlation:
    """Pearson correlation of `clips` pairs; p: share of random pairings at least as strong.

    r and p are None where fewer than three clips have both values, or one of them never varies.
    """

    r: float | None
    p: float | None
    clips: int


def correlation(
    x: Sequence[float] | NDArray[np.floating],
    y: Sequence[float] | NDArray[np.floating],
    permutations: int = 10_000,
    seed: int = 0,
) -> Correlation:
    """Correlation of two values of each clip, NaNs left out, with a two-sided permutation test."""
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"two rows of one length expected, not {a.shape} and {b.shape}.")
    there = np.isfinite(a) & np.isfinite(b)
    a, b = a[there], b[there]
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return Correlation(None, None, len(a))
    a, b = ((v - v.mean()) / np.linalg.norm(v - v.mean()) for v in (a, b))
    r = float(a @ b)
    rng = np.random.default_rng(seed)
    shuffled = np.array([rng.permutation(b) @ a for _ in range(permutations)])
    as_strong = int((np.abs(shuffled) >= abs(r) - 1e-12).sum())
    return Correlation(r, (as_strong + 1) / (permutations + 1), len(a))


def person_share(found: Sequence[Boxes], frames: int) -> float | None:
    """Share of all frames of some clips in which a person was found; None without clips."""
    if not found:
        return None
    seen = [len(np.unique(boxes.frames[boxes.categories == 0])) for boxes in found]
    return float(np.sum(seen) / (frames * len(found)))
