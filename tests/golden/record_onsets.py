"""Writes onsets.npz: what librosa 0.11 finds in the signals of onset_signals.py.

librosa is not among the project's packages. To run this again: `pip install librosa==0.11` in a copy of
the environment, then `python tests/golden/record_onsets.py`.

The arrays hold one signal after the other, `lengths` how much of each: `frames`, the onsets in frames
of 512 samples at 22,050 Hz, and `strength`, the onset strength, of the mean of the channels resampled
by librosa's default ("soxr_hq"). `resampled` is that resampling of `noise` from each of RATES.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import librosa
import numpy as np
from onset_signals import RATES, clips, noise, signals

OUT = Path(__file__).with_name("onsets.npz")


def resampled(mono: np.ndarray, rate: int) -> np.ndarray:
    return librosa.resample(mono, orig_sr=rate, target_sr=22_050).astype(np.float32)


def main() -> None:
    warnings.simplefilter("ignore")  # librosa notes that some signals are shorter than a window
    rows: dict[str, list[np.ndarray]] = {"frames": [], "strength": []}
    for _, pcm, rate in [*signals(), *clips()]:
        signal = resampled(librosa.to_mono((pcm / 2**15).astype(np.float32)), rate)
        strength = librosa.onset.onset_strength(y=signal, sr=22_050)
        frames = librosa.onset.onset_detect(onset_envelope=strength, sr=22_050)
        rows["frames"].append(frames.astype(np.int16))
        rows["strength"].append(strength.astype(np.float32))
    rows["resampled"] = [resampled(noise(rate), rate) for rate in RATES]
    arrays = {}
    for key, parts in rows.items():
        arrays[key] = np.concatenate(parts)
        arrays[f"{key}_lengths"] = np.array([len(part) for part in parts], np.int32)
    np.savez_compressed(OUT, meta=json.dumps({"librosa": librosa.__version__}), **arrays)


if __name__ == "__main__":
    main()
