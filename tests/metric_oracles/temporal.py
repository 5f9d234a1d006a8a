"""Oracles of alignment in time: onsets by hand, OpenCV's own calls, sets and SciPy's matching."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import onsets_by_hand
import scipy.signal
from metric_items import REFERENCE_CLIPS
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial.distance import cosine

from savg.clip import Clip
from savg.metrics.base import Item

Seconds = list[float]


@cache
def events(item: Item) -> tuple[Seconds, Seconds]:
    """Onsets and flow peaks of a clip."""
    assert item.clip is not None
    clip = item.clip
    pcm = np.round(clip.audio * 2.0**15).clip(-(2**15), 2**15 - 1).astype(np.int16)
    audio = onsets_by_hand.resampled(pcm.mean(axis=0) / 2.0**15, clip.format.sample_rate)
    frames = onsets_by_hand.peaks(onsets_by_hand.strength(audio))
    onsets = [frame * 512 / 22_050 for frame in frames]
    grey = [cv2.cvtColor(frame[..., ::-1].copy(), cv2.COLOR_BGR2GRAY) for frame in clip.video]
    fields = [
        cv2.calcOpticalFlowFarneback(
            a, b, None,
            pyr_scale=0.5, levels=3, winsize=15, iterations=3, poly_n=5, poly_sigma=1.2, flags=0,
        )
        for a, b in pairwise(grey)
    ]  # fmt: skip
    flow = [float(np.linalg.norm(field, axis=-1).mean()) for field in fields]
    peaks, _ = scipy.signal.find_peaks([flow[0], *flow])
    return onsets, [float(peak) / clip.format.fps for peak in peaks]


def shared(item: Item) -> float:
    """The published count."""
    onsets, peaks = events(item)
    near = [t for t in onsets if any(p - 0.25 < t < p + 0.25 for p in peaks)]
    return len(near) / (len(onsets) + len(peaks) - len(near))


def matched(item: Item) -> float:
    """Each onset and each peak once."""
    onsets, peaks = events(item)
    near = csr_matrix([[p - 0.25 < t < p + 0.25 for p in peaks] for t in onsets])
    pairs = int((maximum_bipartite_matching(near) >= 0).sum())
    return pairs / (len(onsets) + len(peaks) - pairs)


def level(clip: Clip) -> np.ndarray:
    """The RMS envelope as in the public code of E-L1."""
    padded = np.pad(clip.audio, ((0, 0), (192, 192)), mode="reflect")
    starts = range(0, padded.shape[1] - 511, 128)
    windows = [padded[:, start : start + 512].astype(np.float64) for start in starts]
    return np.stack([np.sqrt((window**2).mean(axis=1)) for window in windows], axis=1)


def e_l1(items: Sequence[Item]) -> float:
    pairs = ((item, REFERENCE_CLIPS[int(item.name[-2:])]) for item in items)
    return statistics.fmean(
        float(np.abs(level(item.clip) - level(other)).mean()) for item, other in pairs if item.clip
    )


ORACLES: dict[str, Callable[[Sequence[Item]], float]] = {
    "temporal_av_align": lambda items: statistics.fmean(map(shared, items)),
    "temporal_av_align_matched": lambda items: statistics.fmean(map(matched, items)),
    "e_l1": e_l1,
    "desync": lambda items: statistics.fmean(
        statistics.fmean(map(abs, item.observation.features["synchformer_offsets"][0].tolist()))
        for item in items
    ),
    "ib-style": lambda items: statistics.fmean(
        1 - float(cosine(*item.observation.features["synchformer_means"])) for item in items
    ),
}
