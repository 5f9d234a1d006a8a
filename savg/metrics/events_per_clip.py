"""Sound events in a clip: one for each label frame (a tenth of a second) and class that sounds."""

from __future__ import annotations

from savg.metrics.base import Cells, Item, Metric, MetricResult, Need, with_interval
from savg.metrics.statistics import mean_interval


class EventsPerClip(Metric):
    """Mean number of sound events of a clip."""

    name = "events_per_clip"
    label = "sound events a clip"
    unit = "events"
    needs = frozenset({Need.SOUNDS})

    @classmethod
    def cells(cls, item: Item) -> Cells:
        return {"events": len(item.observation.events)}

    def compute(self) -> MetricResult:
        counts = [len(item.observation.events) for item in self.items]
        if not counts:
            return self.undefined("There is no clip.")
        mean = sum(counts) / len(counts)
        low, high = mean_interval(counts, self.seed)
        return MetricResult(self.name, mean, low, high, len(counts))

    @classmethod
    def text(cls, result: MetricResult) -> str:
        return with_interval(result, 1)
