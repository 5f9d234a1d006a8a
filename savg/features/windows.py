"""What video backbones see of a clip: all its frames, or windows of them, and in which batches.

Videos are uint8 RGB [T, H, W, 3].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.features.batches import described

Video = NDArray[np.uint8]


def stretched(video: Video, least: int) -> Video:
    """A video of at least that many frames: a shorter one has its frames repeated evenly."""
    frames = len(video)
    return video if frames >= least else video[np.arange(least) * frames // least]


def parts(video: Video, most: int) -> list[Video]:
    """The whole video, or as few parts of (nearly) equal length ≤ `most` as there can be."""
    return np.array_split(video, math.ceil(len(video) / most))


def windows(video: Video, length: int) -> list[Video]:
    """As few windows of `length` frames as cover the video, evenly spaced; they may overlap.

    A shorter video is stretched to one window.
    """
    video = stretched(video, length)
    return [video[start : start + length] for start in covering(len(video), length)]


def covering(total: int, length: int) -> NDArray[np.int64]:
    """The starts of as few windows of `length` as cover `total`, evenly spaced."""
    count = max(1, math.ceil(total / length))
    return np.linspace(0, max(0, total - length), count).round().astype(np.int64)


def describe(
    videos: Sequence[Sequence[Video]],
    network: Callable[[Tensor], Tensor],
    device: torch.device,
    frames_at_once: int,
) -> list[NDArray[np.float32]]:
    """Features [W, D] of each clip, given as its W videos.

    Args:
        network: videos [B, T, H, W, 3] to features [B, D].
        device: where it takes them.
        frames_at_once: B · T is at most this, but for single videos that are longer.
    """
    flat = [video for several in videos for video in several]
    rows = iter(described(flat, network, device, frames_at_once))
    return [np.stack([next(rows) for _ in several]) for several in videos]
