"""What directed clips are asked for: places spread over the frame, moving paths, sounds, people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from savg.errors import SavgError
from savg.format import SAVGBENCH
from savg.models.direction import SOUNDS
from savg.pipelines.direction import Direction

EDGE = 32.0
"""Pixels between the outermost places and the edges of the frame: about half a person."""

PATHS = ((48.0, 208.0), (208.0, 48.0), (64.0, 192.0, 64.0), (192.0, 64.0, 192.0))
"""Paths that are asked for in turns: across, back, there and back."""

EVERY = 3
"""Of so many groups one is asked to move."""


def plan(
    clips: int,
    group: int,
    people: Sequence[int] = (1, 2),
    weights: Mapping[str, float] | None = None,
) -> list[Direction]:
    """The direction of each clip; clips of a group, which are made together, share it.

    Sounds alternate from group to group. Two of three groups stay at a place, evenly spread from left
    to right over all of them and visited in leaps, with `people` in turns; the third moves along the
    next of `PATHS` with one person.

    Args:
        clips, group: numbers ≥ 1.
        weights: of every direction.

    Raises:
        SavgError: no number of people, or one that cannot be asked for.
    """
    if not people:
        raise SavgError("people must be at least one number, got none.")
    groups = -(-clips // group)
    static = [g for g in range(groups) if g % EVERY != EVERY - 1]
    places, leap = spread(len(static)), _leap(len(static))
    told: list[Direction] = []
    for g in range(groups):
        sound = SOUNDS[g % len(SOUNDS)]
        if g in static:
            k = static.index(g)
            x: tuple[float, ...] = (places[k * leap % len(static)],)
            count = people[k % len(people)]
        else:
            x, count = PATHS[g // EVERY % len(PATHS)], 1
        told.append(Direction(sound, x, count, dict(weights or {})))
    return [told[index // group] for index in range(clips)]


def spread(count: int) -> list[float]:
    """`count` places in pixels, evenly spread from `EDGE` to as far from the right edge."""
    if count == 1:
        return [SAVGBENCH.size / 2]
    step = (SAVGBENCH.size - 2 * EDGE) / (count - 1)
    return [EDGE + step * k for k in range(count)]


def _leap(count: int) -> int:
    """A step near 0.4 of `count` that visits all places, so that neighbours in time are far apart."""
    from math import gcd

    return next((s for s in range(round(0.4 * count), count) if s and gcd(s, count) == 1), 1)
