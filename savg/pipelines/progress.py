"""Progress of a pipeline over all its batches and stages, and the way to stop it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from savg.errors import Cancelled

OnStep = Callable[[int, int, NDArray[np.uint8]], object]
"""on_step(done, total, preview): preview is uint8 frames [F, H, W, 3] of the current clip, as
predicted at this step; returning False (or raising Cancelled) stops."""


@dataclass
class Progress:
    """Steps counted over all batches and stages.

    total: of the whole call; flip: flip previews left to right, as the clip will be; base: steps of
    the parts that are complete.
    """

    on_step: OnStep | None
    total: int
    flip: bool = False
    base: int = 0

    def report(self, done: int, preview: Callable[[], NDArray[np.uint8]]) -> None:
        """Report `done` steps of the current part; Cancelled if the listener returns False."""
        if self.on_step is None:
            return
        frames = flipped(preview()) if self.flip else preview()
        if self.on_step(self.base + done, self.total, frames) is False:
            raise Cancelled(f"stopped after step {self.base + done} of {self.total}")


def flipped(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames [F, H, W, 3] flipped left to right."""
    return np.ascontiguousarray(frames[:, :, ::-1])
