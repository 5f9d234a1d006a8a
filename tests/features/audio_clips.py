"""Clips of different sounds, for the tests of audio backbones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip
from savg.features.base import Backbone
from savg.format import SAVGBENCH


def clip_of(audio: NDArray[np.floating], rate: int = 16_000) -> Clip:
    """A dark clip of these samples [2, T], which must be whole frames at 4 fps."""
    frames = audio.shape[1] * 4 // rate
    format = replace(SAVGBENCH.with_size(16).with_frames(frames), sample_rate=rate)
    return Clip(np.zeros((frames, 16, 16, 3), np.uint8), audio.astype(np.float32), format)


def sounding_clip(seed: int, seconds: float = 1.0, rate: int = 16_000, pan: float = 0.3) -> Clip:
    """Noise and a tone that comes and goes; pan: −1 left to 1 right, of the tone."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    tone = np.sin(2 * np.pi * 200 * 2 ** (4 * rng.random()) * t) * np.exp(-((2 * t) % 1) * 4)
    noise = rng.normal(scale=0.01 + 0.05 * rng.random(), size=(2, len(t)))
    gains = np.array([[1 - pan], [1 + pan]]) * 0.2
    return clip_of((noise + gains * tone).clip(-1, 1), rate)


def spread(features: list[NDArray[np.float32]]) -> float:
    """By how much rows of clips differ, the yardstick of errors."""
    rows = np.concatenate([f.reshape(-1, f.shape[-1]) for f in features])
    return float(np.std(rows, 0).mean())


def assert_batch_independent(backbone: Backbone, views: int, width: int, rtol: float) -> None:
    """Features are those of the clip alone, whatever the others: within rtol of their spread."""
    clips = [
        sounding_clip(0),
        sounding_clip(1),
        sounding_clip(2, 0.5),
        sounding_clip(3, 1.5, 22_050),
        sounding_clip(4, 1.0, 48_000),
    ]
    together = backbone(clips)
    for features in together:
        assert features.shape[0] == views and features.shape[2] == width
        assert features.dtype == np.float32 and np.isfinite(features).all()
    allowed = rtol * spread(together)
    for clip, features in zip(clips, together, strict=True):
        np.testing.assert_allclose(backbone([clip])[0], features, atol=allowed, rtol=0)
    for features, other in zip(together, reversed(backbone(clips[::-1])), strict=True):
        np.testing.assert_allclose(other, features, atol=allowed, rtol=0)
    assert np.abs(together[0] - together[1]).max() > 0.01 * spread(together)


def assert_mono_views(backbone: Backbone, rtol: float = 1e-4) -> None:
    """What a network of one channel tells of two: each view is heard by itself."""
    clip = sounding_clip(5)
    plain, mirrored = backbone([clip, clip.mirrored()])
    allowed = rtol * spread([plain])
    np.testing.assert_allclose(mirrored[[1, 0, 2]], plain[:3], atol=allowed, rtol=0)
    left, right = clip.audio
    for view, mono in enumerate((left, right, (left + right) / 2)):
        (alone,) = backbone([clip_of(np.stack([mono, mono]))])
        for row in (0, 1, 2):  # both channels and mid are the signal, side is silent
            np.testing.assert_allclose(alone[row], plain[view], atol=allowed, rtol=0)
        assert np.abs(alone[3] - plain[3]).max() > 10 * allowed
    # mid does not tell how far to the side a sound is; side does
    centred = clip_of(np.stack([(left + right) / 2] * 2))
    (middle,) = backbone([centred])
    np.testing.assert_allclose(middle[2], plain[2], atol=allowed, rtol=0)
    assert np.abs(middle[3] - plain[3]).max() > np.abs(middle[2] - plain[2]).max()
