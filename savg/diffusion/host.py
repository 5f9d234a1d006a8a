"""Numbers on the host, copied to a device without synchronising with it.

Samplers hold their times on the host. Code that branches on them (guidance, a cache) reads the host's
copy, because reading a device's copy waits for the device.
"""

from __future__ import annotations

import torch
from torch import Tensor


def on_device(values: Tensor, device: torch.device | str) -> Tensor:
    """The host's values on the device; to a GPU they go through pinned memory, without a wait."""
    device = torch.device(device)
    if device.type != "cuda" or values.device.type != "cpu":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def times_on(device: torch.device, times: Tensor) -> Tensor:
    """Integer times [B] on the device; where all are equal they are filled in there, without a copy."""
    if times.device == device:
        return times
    if times.device.type == "cpu" and bool((times == times[0]).all()):
        return torch.full(times.shape, int(times[0]), dtype=times.dtype, device=device)
    return on_device(times, device)


def factor_for(values: Tensor, like: Tensor) -> Tensor | float:
    """The host's values [B] as a factor of `like` [B, …].

    A float where all are equal, as with fixed steps: nothing is copied to the device.
    """
    if bool((values == values[0]).all()):
        return float(values[0])
    factor = on_device(values.to(like.dtype), like.device)
    return factor.reshape(-1, *[1] * (like.ndim - 1))
