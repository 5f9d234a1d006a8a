"""Pictures pushed away from worse ones that a network also foresees, in a stretch of the diffusion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Guidance:
    """The clean picture becomes x + weight · (x − x′), as classifier-free guidance does it without a
    class (Ho & Salimans 2022); what x′ is, a pipeline knows.

    weight: 0 for none; first, last: shares of the diffusion between which it acts, where it is decided
    what goes where; each step there costs a second evaluation.
    """

    weight: float = 0.0
    first: float = 0.5
    last: float = 0.96

    def __post_init__(self) -> None:
        if self.weight < 0 or not 0 <= self.first < self.last <= 1:
            raise ValueError(f"guidance needs weight ≥ 0 and 0 ≤ first < last ≤ 1, not {self}")

    def factor(self, t: Tensor, steps: int) -> Tensor:
        """What weighs the difference for each clip [B, 1, 1, 1, 1] at times t[B] of so many steps."""
        inside = (t >= self.first * steps) & (t <= self.last * steps)
        return (self.weight * inside.float()).reshape(-1, 1, 1, 1, 1)

    def pushed(self, picture: Tensor, t: Tensor, steps: int, worse: Callable[[], Tensor]) -> Tensor:
        """The picture [B, F, C, h, w] away from `worse()`, which is asked only where it matters."""
        factor = self.factor(t, steps)
        # On other devices, looking at the times would wait for them.
        if not self.weight or (t.device.type == "cpu" and not factor.any()):
            return picture
        picture = picture.float()
        return picture + factor * (picture - worse().float())
