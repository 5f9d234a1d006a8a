"""Constant tables of a network, kept on the device where it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec

import torch
from torch import Tensor

P = ParamSpec("P")


def device_table(make: Callable[P, Tensor]) -> Callable[Concatenate[torch.device, P], Tensor]:
    """`table(device, *arguments)`: what `make(*arguments)` returns, made and copied there once.

    A copy in every evaluation would wait for the device. The arguments are hashable; the tensor can be
    used in training whatever first asked for it.
    """

    @lru_cache(maxsize=64)
    def kept(device: torch.device, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            return make(*args, **kwargs).to(device)

    return wraps(make)(kept)  # type: ignore[return-value]
