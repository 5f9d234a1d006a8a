"""Thresholding of predicted x_0 to the range of data; each function takes and returns a state."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from savg.diffusion.process import State

Thresholding = Callable[[State], State]


def clamp(state: State) -> State:
    """Every modality clipped to −1..1."""
    return tuple(x.clamp(-1.0, 1.0) for x in state)


def clamp_first(state: State) -> State:
    """The first modality (video) clipped to −1..1, the others unchanged."""
    return (state[0].clamp(-1.0, 1.0), *state[1:])


def dynamic_threshold(state: State, quantile: float = 0.995) -> State:
    """Each sample and modality clipped to ±s and divided by s = max(1, quantile of its magnitude).

    Saharia et al. 2022; the quantile is linear between ranks.
    """
    return tuple(_threshold(x, quantile) for x in state)


THRESHOLDING: dict[str, Thresholding | None] = {
    "clamp": clamp,
    "clamp_first": clamp_first,
    "dynamic_threshold": dynamic_threshold,
    "none": None,
}
"""By the name in a pipeline's file."""


def _threshold(x: Tensor, quantile: float) -> Tensor:
    magnitude = x.abs().flatten(1)
    rank = quantile * (magnitude.shape[1] - 1)
    below = int(rank)
    # only the ranks near the top are looked for: torch.quantile sorts all, and refuses large batches
    top = magnitude.topk(magnitude.shape[1] - below, dim=1).values
    low, high = top[:, -1], top[:, max(top.shape[1] - 2, 0)]
    limit = torch.lerp(low, high, rank - below).clamp_min(1.0)
    limit = limit.reshape(-1, *[1] * (x.ndim - 1))
    return x.clamp(-limit, limit) / limit
