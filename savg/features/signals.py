"""What audio backbones hear of a clip: its views at the network's rate, in windows, in which batches.

Signals are mono, float32 [T]. Networks of one input channel hear each of the four `VIEWS` as a mono
signal by itself: a swap of the channels exchanges the rows left and right and leaves mid as it is, but
turns over the sign of side, which features of amplitudes do not tell either. What a mono network can
tell of the two channels is how much there is in side, and how left and right differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from savg.audio.resample import resample
from savg.clip import Clip
from savg.features.base import views
from savg.features.batches import described
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
    flat = [signal for several in clips for window in several for signal in window]
    rows = iter(described(flat, network, device, samples_at_once))
    return [
        np.stack([[next(rows) for _ in window] for window in several], axis=1) for several in clips
    ]
