"""Progress of a sampler, and stopping it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from savg.errors import Cancelled

OnStep = Callable[[int, int, tuple[Tensor, ...]], Any]
"""on_step(done, total, predicted x_0); returning False, or raising Cancelled, stops."""


def report(on_step: OnStep | None, done: int, total: int, clean: tuple[Tensor, ...]) -> None:
    """Call `on_step`; raises Cancelled if it returns False."""
    if on_step is not None and on_step(done, total, clean) is False:
        raise Cancelled(f"stopped after step {done} of {total}")
