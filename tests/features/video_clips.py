"""Clips of moving patterns, for the tests of video backbones."""

from __future__ import annotations

import numpy as np

from savg.clip import Clip
from savg.features.base import Backbone
from savg.format import SAVGBENCH

SMALL = SAVGBENCH.with_size(64)


def moving_clip(seed: int, frames: int = 20, size: int = 64, speed: int = 3) -> Clip:
    """A coarse pattern that moves to the right by `speed` pixels a frame, with silent audio."""
    rng = np.random.default_rng(seed)
    format = SAVGBENCH.with_size(size).with_frames(frames)
    pattern = rng.integers(0, 256, (size // 8, size // 8, 3)).repeat(8, 0).repeat(8, 1)
    video = np.stack([np.roll(pattern, speed * t, 1) for t in range(frames)]).astype(np.uint8)
    return Clip(video, np.zeros((2, format.samples), np.float32), format)


def assert_independent(backbone: Backbone, width: int, rtol: float) -> None:
    """Features are those of the clip alone, whatever the others: within rtol of their spread."""
    clips = [moving_clip(0), moving_clip(1), moving_clip(2, 5), moving_clip(3, 21, 80)]
    together = backbone(clips)
    assert [f.shape for f in together] == [(1, width)] * 4
    assert all(f.dtype == np.float32 and np.isfinite(f).all() for f in together)
    spread = np.std(np.concatenate(together), 0).mean()
    alone = [backbone([clip])[0] for clip in clips]
    for batch in (together, list(reversed(backbone(clips[::-1])))):
        for features, expected in zip(batch, alone, strict=True):
            np.testing.assert_allclose(features, expected, atol=rtol * spread, rtol=0)
