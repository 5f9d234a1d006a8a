"""Numbers that the host knows, brought to a device without waiting for it.

Samplers know their times before they ask the network. Whoever decides by them (guidance, a cache)
looks at the host's copy: a look at a device's waits for the device.
"""

from __future__ import annotations

import torch
from torch import Tensor


def times_on(device: torch.device, times: Tensor) -> Tensor:
    """Integer times [B] on the device; filled in there where they are all the same."""
    if times.device == device:
        return times
    if times.device.type == "cpu" and bool((times == times[0]).all()):
        return torch.full(times.shape, int(times[0]), dtype=times.dtype, device=device)
    return times.to(device)


def factor_for(values: Tensor, like: Tensor) -> Tensor | float:
    """The host's values [B] as a factor of `like` [B, …].

    One number where all samples share it, as with fixed steps: nothing is copied to the device.
    """
    if bool((values == values[0]).all()):
        return float(values[0])
    return values.to(like.device, like.dtype).reshape(-1, *[1] * (like.ndim - 1))
