"""How much a video moves: mean optical flow between its frames, and where that peaks [code]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FARNEBACK = (0.5, 3, 15, 3, 5, 1.2, 0)
"""Pyramid scale, levels, window, iterations, size and width of the polynomials, flags."""


def grey_frames(video: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB frames [F, H, W, 3] as grey ones [F, H, W]."""
    import cv2

    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in video])


def flow_magnitudes(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean length in pixels of Farneback's optical flow into each of the grey frames [F, H, W]: [F].

    The first frame has the second one's value, as published, so neither is ever a peak; a single
    frame has 0. Every pixel counts: black padding, which never moves, makes all values smaller alike.
    """
    import cv2

    means = [0.0] * len(grey)
    for index in range(1, len(grey)):
        flow = cv2.calcOpticalFlowFarneback(grey[index - 1], grey[index], None, *FARNEBACK)  # type: ignore[call-overload]
        means[index] = float(np.hypot(flow[..., 0], flow[..., 1]).mean(dtype=np.float64))
    means[:1] = means[1:2] or means[:1]
    return np.array(means)


def flow_peaks(flow: NDArray[np.floating], fps: float) -> NDArray[np.float64]:
    """Seconds [N] of the frames whose flow [F] is above both neighbours'."""
    inner = (flow[1:-1] > flow[:-2]) & (flow[1:-1] > flow[2:])
    return (np.flatnonzero(inner) + 1) / fps
