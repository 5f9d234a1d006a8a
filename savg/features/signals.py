"""What audio backbones hear of a clip: its views at the network's rate, in windows, in which batches.

Signals are mono, float32 [T]. Networks of one input channel hear each of the four `VIEWS` as a mono
signal by itself: a swap of the channels exchanges the rows left and right and leaves mid as it is, but
turns over the sign of side, which features of amplitudes do not tell either. What a mono network can
tell of the two channels is how much there is in side, and how left and right differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.audio.resample import resample
from savg.clip import Clip
from savg.features.base import views
from savg.features.windows import covering

Signal = NDArray[np.float32]


def views_at(clip: Clip, rate: int) -> NDArray[np.float32]:
    """The four views [4, T] of a clip's audio at a sample rate."""
    return views(resample(clip.audio, clip.format.sample_rate, rate))


def windows(audio: NDArray[np.float32], length: int) -> list[NDArray[np.float32]]:
    """Audio [..., T] whole, or as few windows of `length` samples as cover it, evenly spaced.

    Windows may overlap.
    """
    return [audio[..., start : start + length] for start in covering(audio.shape[-1], length)]


def describe(
    clips: Sequence[Sequence[NDArray[np.float32]]],
    network: Callable[[Tensor], Tensor],
    device: torch.device,
    samples_at_once: int,
) -> list[NDArray[np.float32]]:
    """Features [V, W, D] of each clip, given as its W windows [V, T] of V signals each.

    Signals of one length go through the network together, whichever clips they are of.

    Args:
        network: signals [N, T] to features [N, D].
        device: where it takes them.
        samples_at_once: N · T is at most this, but for single signals that are longer.
    """
    by_length: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for c, several in enumerate(clips):
        for w, window in enumerate(several):
            by_length[window.shape[1]] += [(c, v, w) for v in range(len(window))]
    rows: dict[tuple[int, int, int], NDArray[np.float32]] = {}
    for samples, places in by_length.items():
        at_once = max(1, samples_at_once // samples)
        for first in range(0, len(places), at_once):
            batch = places[first : first + at_once]
            signals = np.stack([clips[c][w][v] for c, v, w in batch])
            with torch.inference_mode():
                features = network(torch.from_numpy(signals).to(device)).float().cpu().numpy()
            rows |= dict(zip(batch, features, strict=True))
    return [
        np.stack(
            [[rows[c, v, w] for w in range(len(several))] for v in range(len(several[0]))]
        ).astype(np.float32, copy=False)
        for c, several in enumerate(clips)
    ]
