"""Loudness of the two channels over time, for meters and plots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from savg.clip import Clip

FLOOR_DB = -80.0
"""Levels below this are drawn as silence."""


def levels_db(clip: Clip, rate: int) -> NDArray[np.float64]:
    """RMS level [2, N] in dB below full scale (a square wave of ±1 is 0) of each 1/`rate` second.

    N = seconds · rate, rounded up; row 0 is left. Never below FLOOR_DB.
    """
    form = clip.format
    count = -int(-form.duration * rate // 1)
    edges = np.minimum(np.arange(count + 1) * form.sample_rate // rate, form.samples)
    power = np.zeros((2, form.samples + 1))
    np.cumsum(np.square(clip.audio, dtype=np.float64), axis=1, out=power[:, 1:])
    lengths = np.maximum(np.diff(edges), 1)
    mean = np.maximum(np.diff(power[:, edges], axis=1), 0.0) / lengths
    return np.maximum(10.0 * np.log10(np.maximum(mean, 1e-12)), FLOOR_DB)
