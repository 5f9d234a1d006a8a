"""Two channels from one excitation: their levels from their mel spectrograms, a room between them.

Channels that a vocoder makes one by one have unrelated phases, as if all sound were diffuse; channels
of the same phases have no room at all. What is heard of a room lies between: the diffuse part of
coincident stereo makes the level differences of bands and frames waver around that of the source, so
their spread tells how much of it there is.

Shapes: B clips, M mel bands, F mel frames.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

DIFFUSE = 0.88
"""Diffuse side signal relative to the middle one, for a spread of 1 of the level differences (nepers).

Over 40 synthetic rooms the true share is 0.77 times the spread, with r = 0.83; the imitated room needs
a little more of it before SELD hears it as one (benchmarks/log.md)."""
REACH = 15
"""Frames on both sides over which a source stays where it is."""
QUIET = 1e-4
"""Power relative to a clip's loudest, below which bands and frames do not count."""


def common_mel(mel: Tensor) -> Tensor:
    """Base-10 log mel spectrograms [B, M, F] of the mean power of channels [B, 2, M, F]."""
    return torch.log10((10 ** (2 * mel.float())).mean(1).sqrt())


def diffuse_share(mel: Tensor) -> Tensor:
    """How loud a diffuse side signal is, relative to the middle one [B], from channels [B, 2, M, F].

    The deviation of the level differences from their smooth course, weighted by amplitude; 0 for
    channels that are equal, or differ by a pan alone.
    """
    logs = mel.float() * math.log(10)
    difference, power = logs[:, 0] - logs[:, 1], logs.mul(2).exp().sum(1)
    weight = power.sqrt() * (power > QUIET * power.amax((1, 2), keepdim=True))
    kernel = torch.hann_window(2 * REACH + 3, periodic=False, device=mel.device)[None, None, 1:-1]
    course, total = (
        functional.conv1d(x.sum(1, keepdim=True), kernel, padding=REACH)
        for x in (difference * weight, weight)
    )
    deviation = (difference - course / total.clamp_min(1e-9)).square() * weight
    return DIFFUSE * (deviation.sum((1, 2)) / weight.sum((1, 2)).clamp_min(1e-9)).sqrt()
