"""Progress of a pipeline over all its batches and stages, and the way to stop it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from savg.errors import Cancelled

OnStep = Callable[[int, int, NDArray[np.uint8]], object]
"""on_step(done, total, preview): preview is uint8 frames [F, H, W, 3] of the current clip, as
predicted at this step; returning False (or raising Cancelled) stops. One that was marked by
`without_preview` gets no frames (F = 0): they would be copied from the device at every step."""

L = TypeVar("L", bound=Callable[..., object])

NO_FRAMES = np.zeros((0, 1, 1, 3), np.uint8)


def without_preview(on_step: L) -> L:
    """The listener, marked as one that does not look at previews."""
    on_step.without_preview = True  # type: ignore[attr-defined]
    return on_step


def looks(on_step: OnStep | None) -> bool:
    """Whether a listener looks at previews."""
    return on_step is not None and not getattr(on_step, "without_preview", False)


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
        frames = preview() if looks(self.on_step) else NO_FRAMES
        frames = flipped(frames) if self.flip else frames
        if self.on_step(self.base + done, self.total, frames) is False:
            raise Cancelled(f"stopped after step {self.base + done} of {self.total}")


def flipped(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames [F, H, W, 3] flipped left to right."""
    return np.ascontiguousarray(frames[:, :, ::-1])
