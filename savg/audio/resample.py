"""Audio from one sample rate to another."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", bound=np.floating)


def resample(audio: NDArray[Sample], rate: int, new_rate: int) -> NDArray[Sample]:
    """Audio [channels, T] at `rate` Hz as [channels, ⌈T · new_rate / rate⌉] at `new_rate`, one type.

    A polyphase filter without delay (SciPy's `resample_poly`); the same array where the rates agree.
    """
    if rate == new_rate:
        return audio
    from scipy.signal import resample_poly

    ratio = Fraction(new_rate, rate)
    result = resample_poly(audio, ratio.numerator, ratio.denominator, axis=1)
    return np.asarray(result, audio.dtype)
