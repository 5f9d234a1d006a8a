"""FAVD: Fréchet distance of video and audio features together [S3].

The published toolkit (Goncalves et al., PEAVS, 2024) joins I3D's and VGGish's features of the same
time in one vector and takes the Fréchet distance of all. I3D here describes a whole clip, so the
VGGish windows of that clip are averaged: one vector a clip, video before audio.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.metrics.distribution import FrechetMetric


def joined_features(video: NDArray[Any], audio: NDArray[Any]) -> NDArray[Any]:
    """One vector a view: mean over windows of video [W, D] and of audio [V, W', E]: [V, 1, D + E]."""
    heard = audio.mean(axis=1, dtype=np.float64)
    seen = np.broadcast_to(video.mean(axis=0, dtype=np.float64), (len(heard), video.shape[1]))
    return np.concatenate([seen, heard], axis=1)[:, None]


class Favd(FrechetMetric):
    """Fréchet audio-video distance of I3D's logits and VGGish embeddings [S3]."""

    name = "favd"
    label = "FAVD"
    backbones = ("i3d", "vggish")

    @classmethod
    def clip_features(cls, features: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
        video, audio = (features.get(name) for name in cls.backbones)
        return None if video is None or audio is None else joined_features(video, audio)
