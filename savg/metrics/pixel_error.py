"""How far sounds are from persons: the distance in pixels, and to which side.

Spatial AV-Align says near or not near within 40 pixels; these say how near. Pixels are those of a
256-wide frame; a sound belongs to the nearest person (`savg.metrics.person_position`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Boxes, SoundEvents
from savg.format import SAVGBENCH, ClipFormat
from savg.geometry import x_to_azimuth
from savg.metrics.base import Cells, Item, Metric, MetricResult, Need
from savg.metrics.chance import uninformative
from savg.metrics.event_rows import event_rows
from savg.metrics.person_position import person_centres
from savg.metrics.spatial import within
from savg.metrics.spatial_groups import by_class, by_position
from savg.metrics.statistics import other_pairs, pooled_median_interval, ratio_interval

Errors = NDArray[np.float64]

NO_EVENT = "No clip has a sound event while a person is in the frame."


def signed_errors(item: Item, events: SoundEvents | None = None) -> Errors:
    """x of each event minus x of the nearest person [N], NaN without a person; events: others than the
    item's own, all within the clip."""
    events = item.observation.events if events is None else events
    return (
        events.x - person_centres(events, item.observation.boxes, item.observation.format).nearest
    )


@dataclass(frozen=True)
class Distance:
    """How far sound events are from the nearest person on average, in pixels of a 256-wide frame and
    in degrees of azimuth, over `events` of them; None where no event has a person."""

    px: float | None
    degrees: float | None
    events: int


def mean_distance(events: SoundEvents, boxes: Boxes, format: ClipFormat = SAVGBENCH) -> Distance:
    """The mean distance of a clip's sound events to the nearest person's middle; events during which
    nobody is in the frame do not count."""
    persons = person_centres(events, boxes, format).nearest
    known = np.isfinite(persons)
    if not known.any():
        return Distance(None, None, 0)
    x, persons = events.x[known], persons[known]
    turned = x_to_azimuth(x, format.size) - x_to_azimuth(persons, format.size)
    px, degrees = np.abs(x - persons).mean(), np.abs(turned).mean()
    return Distance(float(px), float(degrees), int(known.sum()))


def mean_degrees(items: Sequence[Item]) -> float | None:
    """Mean distance of all clips' sound events to the nearest person in degrees of azimuth."""
    distances = [
        mean_distance(i.observation.events, i.observation.boxes, i.observation.format)
        for i in items
    ]
    known = [(d.degrees, d.events) for d in distances if d.degrees is not None]
    events = sum(n for _, n in known)
    return sum(degrees * n for degrees, n in known) / events if events else None


def summed(errors: Sequence[Errors]) -> tuple[list[float], list[int]]:
    """Sum and number of each clip's values that are not NaN."""
    return [float(np.nansum(e)) for e in errors], [int(np.isfinite(e).sum()) for e in errors]


def pooled_mean(errors: Sequence[Errors]) -> float | None:
    """Mean of all values that are not NaN; None without any."""
    sums, counts = summed(errors)
    return sum(sums) / sum(counts) if sum(counts) else None


def chance_errors(items: Sequence[Item], seed: int = 0) -> dict[str, float | None]:
    """Mean distance to the nearest person of sounds at the centre, swapped left to right, and of other
    clips."""
    distances: dict[str, list[Errors]] = {"centre": [], "swapped": [], "shuffled": []}
    for item in items:
        events, size = item.observation.events, item.observation.format.size
        centred = events.with_x(np.full(len(events), size / 2))
        distances["centre"].append(np.abs(signed_errors(item, centred)))
        distances["swapped"].append(np.abs(signed_errors(item, events.mirrored(size))))
    for i, j in other_pairs(len(items), seed):
        borrowed = within(items[j].observation.events, items[i].observation.format)
        distances["shuffled"].append(np.abs(signed_errors(items[i], borrowed)))
    return {name: pooled_mean(values) for name, values in distances.items()}


def with_median(errors: Sequence[Errors], seed: int) -> dict[str, float | None]:
    """Median of all values that are not NaN, with its 95 % interval over clips."""
    known = [e[np.isfinite(e)] for e in errors]
    pooled = np.concatenate(known)
    low, high = pooled_median_interval(known, seed)
    return {"value": float(np.median(pooled)), "low": low, "high": high}


class PixelError(Metric):
    """Mean distance of sound events to the nearest person, with its chance baselines.

    Notes: median; the mean distance in degrees of azimuth; the distance to the surest person; by
    position and class; events without a person, which do not count.
    """

    name = "pixel_error"
    label = "distance of sound and person"
    unit = "px"
    higher_is_better: ClassVar[bool | None] = False
    needs = frozenset({Need.PERSONS, Need.SOUNDS})

    @staticmethod
    def measure(errors: Errors) -> Errors:
        """What is averaged of signed errors [N]."""
        return np.abs(errors)

    @classmethod
    def cells(cls, item: Item) -> Cells:
        events, errors = item.observation.events, signed_errors(item)
        persons = events.x - errors
        return {
            "sound_x": _mean(events.x),
            "person_x": _mean(persons),
            "pixel_bias_px": _mean(errors),
            "pixel_error_px": _mean(np.abs(errors)),
        }

    @classmethod
    def frame_cells(cls, item: Item) -> list[Cells]:
        """Columns NAME_person_x and NAME_error_px of speech and instruments: the nearest person's x and
        the signed error."""
        events, errors = item.observation.events, signed_errors(item)
        return event_rows(events, {"person_x": events.x - errors, "error_px": errors})

    def compute(self) -> MetricResult:
        items = self.items
        errors = [self.measure(signed_errors(item)) for item in items]
        sums, counts = summed(errors)
        events = sum(len(item.observation.events) for item in items)
        notes: dict[str, Any] = {"events": events, "without_person": events - sum(counts)}
        if not sum(counts):
            return self.undefined(NO_EVENT, len(items), **notes)
        low, high = ratio_interval(sums, counts, self.seed)
        value, nulls = sum(sums) / sum(counts), self.nulls(items)
        warnings = uninformative(value, low, high, nulls, higher_is_better=False, digits=0)
        notes |= {"median": with_median(errors, self.seed), **self.more(items, errors)}
        notes |= {"distance_degrees": mean_degrees(items), "warnings": warnings}
        return MetricResult(self.name, value, low, high, len(items), nulls, notes)

    def nulls(self, items: Sequence[Item]) -> dict[str, float | None]:
        """The chance baselines."""
        return chance_errors(items, self.seed)

    def more(self, items: Sequence[Item], errors: Sequence[Errors]) -> dict[str, Any]:
        """Further notes: the surest person's distance, groups of events, warnings."""
        surest = []
        for item in items:
            seen = item.observation
            centres = person_centres(seen.events, seen.boxes, seen.format)
            surest.append(self.measure(seen.events.x - centres.surest))
        low, high = ratio_interval(*summed(surest), self.seed)
        judged = [(i.observation.events, e) for i, e in zip(items, errors, strict=True)]
        return {
            "surest": {"value": pooled_mean(surest), "low": low, "high": high},
            "by_position": by_position(judged, seed=self.seed),
            "by_class": by_class(judged, seed=self.seed),
        }


def _mean(values: Errors) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
