"""What a user asks of generated clips: who sounds, where, and how many people are seen.

Each condition has a weight of its own: prediction = all + Σ (weight − 1) · (all − all but it), so that
1 follows it as trained, more follows it more closely, and each weight but 1 costs an evaluation of
the network at every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from savg.diffusion.process import State
from savg.errors import SavgError, brief, is_whole
from savg.format import SAVGBENCH
from savg.geometry import on_path
from savg.models.direction import CONDITIONS, MOST_PEOPLE, SOUNDS, mirrored, row, without

LONGEST_PATH = 256
"""Points of a path, at most."""

MAX_WEIGHT = 100.0


@dataclass(frozen=True)
class Direction:
    """What clips shall be; None leaves it open.

    sound: "speech" or "instrument"; x: where it is, in pixels of the 256-wide frame: one place, or
    several spread evenly from the clip's start to its end; people: 1 … 3; weights: of "sound", "x" and
    "people" (1 each). SavgError for other values.

    Example:
        clips = pipeline(4, seed=0, direction=Direction("speech", x=(40, 200)))
    """

    sound: str | None = None
    x: tuple[float, ...] | None = None
    people: int | None = None
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.sound is not None and self.sound not in SOUNDS:
            raise SavgError(f"sound must be {' or '.join(SOUNDS)}, got {brief(self.sound)}.")
        if self.people is not None and not (
            is_whole(self.people) and 1 <= self.people <= MOST_PEOPLE
        ):
            raise SavgError(f"people must be in 1..{MOST_PEOPLE}, got {brief(self.people)}.")
        if self.x is not None:
            self._check_path(self.x)
        for name, weight in self.weights.items():
            if name not in CONDITIONS:
                raise SavgError(f"weights must be of {', '.join(CONDITIONS)}, got {brief(name)}.")
            if not _is_number(weight) or not 0 <= weight <= MAX_WEIGHT:
                raise SavgError(
                    f"The weight of {name} must be in 0..{MAX_WEIGHT:g}, got {brief(weight)}."
                )

    @staticmethod
    def _check_path(x: Sequence[float]) -> None:
        size = SAVGBENCH.size
        if not isinstance(x, tuple | list) or not 1 <= len(x) <= LONGEST_PATH:
            raise SavgError(f"x must be 1..{LONGEST_PATH} places in pixels, got {brief(x)}.")
        for place in x:
            if not _is_number(place) or not 0 <= place <= size:
                raise SavgError(f"x must be in 0..{size} pixels from the left, got {brief(place)}.")

    @property
    def is_open(self) -> bool:
        """Whether nothing is asked for."""
        return self.sound is None and self.x is None and self.people is None

    @property
    def evaluations(self) -> int:
        """Evaluations of the network at each step: one, and one for each weight that counts."""
        return 1 + len(self.with_weights_that_count().weights)

    def with_weights_that_count(self) -> Direction:
        """The same without weights of 1, and of what is left open."""
        asked = {"sound": self.sound, "x": self.x, "people": self.people}
        counting = {n: w for n, w in self.weights.items() if w != 1 and asked[n] is not None}
        return replace(self, weights=counting)

    def within(self, start: float, seconds: float, duration: float, points: int) -> Direction:
        """The direction of `seconds` from second `start` on of something that lasts `duration`."""
        if self.x is None or len(self.x) == 1:
            return self
        path = on_path(self.x, np.linspace(start, start + seconds, points), duration)
        return replace(self, x=tuple(path.tolist()))

    def to_options(self) -> dict[str, str | int]:
        """What is asked for as options of `savg generate`, by name."""
        options: dict[str, str | int] = {}
        if self.sound is not None:
            options["say"] = self.sound
        if self.x is not None:
            options["x_path"] = ",".join(f"{place:g}" for place in self.x)
        if self.people is not None:
            options["people"] = self.people
        if self.weights:
            options["strength"] = ",".join(f"{name}={w:g}" for name, w in self.weights.items())
        return options

    def row(self, points: int) -> Tensor:
        """As networks take it [2 + points]."""
        sound = None if self.sound is None else SOUNDS.index(self.sound)
        half = SAVGBENCH.size / 2
        path = None if self.x is None else [float(place) / half - 1 for place in self.x]
        return row(points, sound, self.people, path)


def asked(direction: Direction | None, points: int, weights: str) -> Direction | None:
    """The direction, None where it leaves all open; SavgError for weights that take none.

    points: of the paths that the network takes, 0 for none; weights: their name, for the message.
    """
    if direction is None or direction.is_open:
        return None
    if not points:
        raise SavgError(
            f"direction must be None: these {weights} weights were not trained with directions."
        )
    return direction


@dataclass(frozen=True, eq=False)
class Directed:
    """Directions [1, 2 + points] of a network, and the share of each one's prediction."""

    variants: tuple[tuple[float, Tensor], ...]

    @classmethod
    def of(cls, direction: Direction, points: int, device: torch.device | str = "cpu") -> Self:
        """The direction and, where weights ask for it, those without one condition."""
        weights = direction.with_weights_that_count().weights
        return cls.of_rows(direction.row(points)[None].to(device), weights)

    @classmethod
    def of_rows(cls, told: Tensor, weights: Mapping[str, float]) -> Self:
        """Directions [B, 2 + points] of clips, with weights of conditions that are not 1."""
        variants, own = [], 1.0
        for name in CONDITIONS:
            share = float(weights.get(name, 1.0)) - 1
            if share:
                variants.append((-share, without(told, name)))
                own += share
        return cls(((own, told), *variants))

    @classmethod
    def stack(cls, ones: Sequence[Directed]) -> Self:
        """Directions [B, 2 + points] of several clips that are asked for with the same weights."""
        columns = zip(*(one.variants for one in ones), strict=True)
        return cls(tuple((part[0][0], torch.cat([row for _, row in part])) for part in columns))

    def mirrored(self) -> Directed:
        """The same of clips flipped left to right."""
        return Directed(tuple((share, mirrored(one)) for share, one in self.variants))

    def predict(self, network: Callable[[Tensor], State], count: int) -> State:
        """The weighted predictions of a network that takes directions [count, 2 + points]."""
        total: State | None = None
        for share, one in self.variants:
            predicted = network(one.expand(count, -1))
            if len(self.variants) == 1:
                return predicted
            weighed = tuple(share * part.float() for part in predicted)
            total = weighed if total is None else tuple(map(torch.add, total, weighed))
        assert total is not None
        return total


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
