"""Do sounds move as persons do? Correlation of the sounds' x with the person's x over time.

At each sound event the person is the surest one (`savg.metrics.person_position`): the nearest one
would follow the sound. x in pixels of a 256-wide frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from savg.annotation import SoundEvents
from savg.format import SAVGBENCH
from savg.metrics.base import Cells, Item, Metric, MetricResult, Need
from savg.metrics.chance import uninformative
from savg.metrics.person_position import person_centres
from savg.metrics.spatial import within
from savg.metrics.spatial_warnings import FEW_CLIPS
from savg.metrics.statistics import (
    fewer_than_two,
    mean_interval,
    other_pairs,
    percentiles,
    resampled_clips,
)

LEAST_EVENTS = 3
"""Sound events of a clip that a correlation needs."""

LEAST_SPREAD = 5.0
"""Standard deviation of x in pixels below which a person does not move: boxes of somebody who stands
still tremble by a pixel or two, which no sound can follow."""

Moments = NDArray[np.float64]
"""Number and sums of x, y, x², y², xy [6], from the centre of the frame."""


def trajectories(item: Item, events: SoundEvents | None = None) -> NDArray[np.float64]:
    """x of sounds and of persons [2, N] at the sound events that have a person; events: others than
    the item's own, all within the clip."""
    seen = item.observation
    events = seen.events if events is None else events
    person = person_centres(events, seen.boxes, seen.format).surest
    known = np.isfinite(person)
    return np.stack([events.x[known], person[known]])


def clip_correlation(paths: NDArray[np.float64]) -> float | None:
    """Pearson correlation of trajectories [2, N]; 0 where the sound stays in one place, None with fewer
    than three events or a person who does not move."""
    if paths.shape[1] < LEAST_EVENTS or paths[1].std() < LEAST_SPREAD:
        return None
    return pooled_correlation(moments(paths)) or 0.0


def moments(paths: NDArray[np.float64]) -> Moments:
    """The moments of trajectories [2, N]; those of clips add up."""
    x, y = paths - SAVGBENCH.size / 2
    return np.array([len(x), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()])


def pooled_correlation(total: Moments) -> float | None:
    """Pearson correlation from moments [6]; None where one side never varies."""
    n, x, y, xx, yy, xy = total
    if n < LEAST_EVENTS:
        return None
    spread_x, spread_y = xx - x * x / n, yy - y * y / n
    if min(spread_x, spread_y) <= 1e-6 * n:
        return None
    return float(np.clip((xy - x * y / n) / np.sqrt(spread_x * spread_y), -1, 1))


class TrajectoryWithin(Metric):
    """Mean over clips of the correlation, over time, of the sound's x with the person's.

    Clips in which nobody moves do not count, nor in n; a sound that stays in one place follows nobody:
    0. Notes: how many clips there are, how many count, and the median.
    """

    name = "trajectory_within"
    label = "sound and person over time, correlation within clips"
    higher_is_better = True
    needs = frozenset({Need.PERSONS, Need.SOUNDS})

    @classmethod
    def cells(cls, item: Item) -> Cells:
        return {"trajectory_r": clip_correlation(trajectories(item))}

    def compute(self) -> MetricResult:
        items = self.items
        known = [r for i in items if (r := clip_correlation(trajectories(i))) is not None]
        if not known:
            reason = "No clip has a person who moves and three sound events."
            return self.undefined(reason, clips=len(items), moving_clips=0)
        value = float(np.mean(known))
        low, high = mean_interval(known, self.seed)
        nulls = self._nulls(items)
        warnings = uninformative(value, low, high, nulls)
        if len(known) < FEW_CLIPS:
            warnings.append(f"Somebody moves in only {len(known)} of {len(items)} clips.")
        notes = {
            "clips": len(items),
            "moving_clips": len(known),
            "median": float(np.median(known)),
            "warnings": warnings,
        }
        return MetricResult(self.name, value, low, high, len(known), nulls, notes)

    def _nulls(self, items: Sequence[Item]) -> dict[str, float | None]:
        """The same with the sounds of other clips."""
        found = [clip_correlation(paths) for paths in _borrowed(items, self.seed)]
        known = [r for r in found if r is not None]
        return {"shuffled": float(np.mean(known)) if known else None}


class TrajectoryPooled(Metric):
    """Correlation of the sounds' x with the persons' over all sound events of all clips.

    It sees where clips place their persons as well as how they move. The interval is over clips; n is
    the number of those that have a sound and a person.
    """

    name = "trajectory_pooled"
    label = "sound and person over time, correlation of all clips"
    higher_is_better = True
    needs = frozenset({Need.PERSONS, Need.SOUNDS})

    def compute(self) -> MetricResult:
        items = self.items
        table = np.array([moments(trajectories(item)) for item in items]).reshape(-1, 6)
        value = pooled_correlation(table.sum(axis=0))
        events, used = int(table[:, 0].sum()), int((table[:, 0] > 0).sum())
        if value is None:
            reason = "A correlation needs three sounds with a person, and places that differ."
            return self.undefined(reason, used, clips=len(items), events=events)
        found = []
        if not fewer_than_two(table[:, 0]):
            drawn = resampled_clips(len(items), self.seed)
            found = [pooled_correlation(total) for total in table[drawn].sum(axis=1)]
        low, high = percentiles([r for r in found if r is not None])
        borrowed = [moments(paths) for paths in _borrowed(items, self.seed)]
        shuffled = pooled_correlation(np.sum(borrowed, axis=0)) if borrowed else None
        nulls = {"swapped": -value, "shuffled": shuffled}
        warnings = uninformative(value, low, high, nulls)
        notes = {"clips": len(items), "events": events, "warnings": warnings}
        return MetricResult(self.name, value, low, high, used, nulls, notes)


def _borrowed(items: Sequence[Item], seed: int) -> list[NDArray[np.float64]]:
    """Trajectories of each clip's persons and the sounds of other clips."""
    return [
        trajectories(items[i], within(items[j].observation.events, items[i].observation.format))
        for i, j in other_pairs(len(items), seed)
    ]
