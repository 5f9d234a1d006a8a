"""The RMS envelope of audio: how its level runs over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW, HOP = 512, 128
"""Samples of a window, and from one to the next [S3]."""


def rms_envelope(
    audio: NDArray[np.floating], window: int = WINDOW, hop: int = HOP
) -> NDArray[np.float32]:
    """RMS [channels, F] of windows of audio [channels, T], F = T // hop (0 where T < hop).

    The audio is mirrored at both ends by (window − hop) / 2 samples, so that frame i is centred on its
    hop, samples i · hop … (i + 1) · hop, as in the public code of E-L1 (librosa's `feature.rms` with
    `center=False` after `numpy.pad(mode="reflect")`). ValueError for a window shorter than its hop.
    """
    if window < hop or hop < 1 or (window - hop) % 2:
        raise ValueError(
            f"window must be ≥ hop ≥ 1 by an even number of samples, got {window} and {hop}."
        )
    edge = (window - hop) // 2
    if audio.shape[1] < hop:
        return np.zeros((len(audio), 0), np.float32)
    padded = np.pad(np.asarray(audio, np.float64), ((0, 0), (edge, edge)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, ::hop]
    return np.sqrt(np.square(windows).mean(axis=2)).astype(np.float32)
