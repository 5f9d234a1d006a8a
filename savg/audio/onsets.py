"""Onsets of audio: when sounds begin, in seconds [code].

librosa's onset detector on the mean of the channels at 22,050 Hz, in frames of 512 samples (23 ms).
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from savg.extras import import_extra

ONSET_RATE = 22_050
"""Sample rate in Hz at which onsets are found."""

HOP = 512
"""Samples between two values of the onset strength."""

PURPOSE = "Finding onsets"


def onset_signal(audio: NDArray[np.floating], sample_rate: int) -> NDArray[np.float32]:
    """Audio [channels, T] in −1..1 as the detector takes it: 16-bit samples, their mean, 22,050 Hz.

    The published reader hands librosa 16-bit samples. Their rounding noise decides where little else
    does: without it a quiet passage of a real clip got a ninth onset.
    """
    librosa = import_extra("librosa", PURPOSE)
    coded = np.clip(np.rint(np.asarray(audio, np.float64) * 32768.0), -32768, 32767)
    mono = (coded / 32768.0).astype(np.float32).mean(axis=0)
    return librosa.resample(
        mono, orig_sr=sample_rate, target_sr=ONSET_RATE, res_type="soxr_hq"
    ).astype(np.float32, copy=False)


def onset_times(audio: NDArray[np.floating], sample_rate: int) -> NDArray[np.float64]:
    """Seconds of the onsets [N] of audio [channels, T] in −1..1; none in silence.

    SavgError where librosa is not installed.
    """
    librosa = import_extra("librosa", PURPOSE)
    if audio.shape[1] == 0:
        return np.zeros(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # audio shorter than a window is padded
        strength = librosa.onset.onset_strength(y=onset_signal(audio, sample_rate), sr=ONSET_RATE)
        frames = librosa.onset.onset_detect(onset_envelope=strength, sr=ONSET_RATE)
    return np.asarray(librosa.frames_to_time(frames, sr=ONSET_RATE, hop_length=HOP), np.float64)
