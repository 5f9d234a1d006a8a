"""A made-up clip with a known speaker on a known side, and detectors that know it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.format import SAVGBENCH, ClipFormat

LEFT_X, RIGHT_X = 70.0, 186.0


def side_of(seed: int) -> float:
    """Where the speaker of a made-up clip stands: left for even seeds."""
    return LEFT_X if seed % 2 == 0 else RIGHT_X


def scene(seed: int = 0, format: ClipFormat = SAVGBENCH, x: float | None = None) -> Clip:
    """A figure that sways on a floor, and a tone that comes from where it stands."""
    rng = np.random.default_rng(seed)
    x = side_of(seed) if x is None else x
    rows, columns = np.mgrid[: format.picture_height, : format.size]
    video = np.zeros((format.frames, format.size, format.size, 3), np.uint8)
    wall = 150 - rows // 3
    for f in range(format.frames):
        image = np.stack([wall, wall - 8, wall - 20], -1).clip(0, 255)
        image[rows > 104] = (96, 84, 74)
        centre = x + 6 * np.sin(f / 2)
        body = ((columns - centre) / 20) ** 2 + ((rows - 96) / 46) ** 2 < 1
        head = ((columns - centre) / 12) ** 2 + ((rows - 38) / 15) ** 2 < 1
        image[body] = (38, 70, 110 + 30 * (seed % 3))
        image[head] = (205, 165, 140)
        image = image + rng.integers(-4, 5, image.shape)
        video[f, format.top : format.bottom] = image.clip(0, 255).astype(np.uint8)
    time_ = np.arange(format.samples) / format.sample_rate
    envelope = (np.sin(2 * np.pi * 0.6 * time_) > -0.4) * (
        0.6 + 0.4 * np.sin(2 * np.pi * 5 * time_)
    )
    tone = sum(np.sin(2 * np.pi * 180 * k * time_) / k for k in range(1, 6)) * envelope * 0.14
    pan = (x / format.size) * np.pi / 2
    audio = np.stack([np.cos(pan) * tone, np.sin(pan) * tone]).astype(np.float32)
    return Clip(video, audio, format)


def find_persons(clip: Clip) -> Boxes:
    """A box around the bluish body of each picture."""
    frames, corners = [], []
    for f, image in enumerate(clip.picture.astype(int)):
        columns = np.flatnonzero((image[..., 2] - image[..., 0] > 40).sum(axis=0) > 8)
        if len(columns):
            frames.append(f)
            corners.append(
                (columns[0], clip.format.top + 22, columns[-1] + 1, clip.format.bottom - 4)
            )
    n = len(frames)
    scores = np.full(n, 0.9)
    return Boxes(np.array(frames), np.zeros(n), np.array(corners, float).reshape(-1, 4), scores)


def find_sounds(clip: Clip) -> SoundEvents:
    """Speech where the level is high, at the position that the level difference tells.

    Every seventh event is put at the other side, so that there are false negatives to see.
    """
    format = clip.format
    samples = format.sample_rate // format.label_fps
    whole = clip.audio[:, : clip.audio.shape[1] // samples * samples]
    blocks = whole.reshape(2, -1, samples)
    level: NDArray[np.float64] = np.sqrt((blocks.astype(float) ** 2).mean(axis=2))
    frames = np.flatnonzero(level.sum(axis=0) > 0.03)
    x = np.arctan2(level[1, frames], level[0, frames]) / (np.pi / 2) * format.size
    x = np.where(np.arange(len(frames)) % 7 == 6, format.size - x, x)
    return SoundEvents(frames, np.zeros(len(frames)), x)
