"""Spatial AV-Align corrected for chance: 0 is what the best chance baseline reaches, 1 is perfect."""

from __future__ import annotations

from savg.metrics.base import Cells, Item, MetricResult, with_interval
from savg.metrics.spatial import SpatialAvAlign


class SpatialCorrected(SpatialAvAlign):
    """(score − best chance baseline) / (1 − best chance baseline), best of centre, swapped, shuffled.

    Notes: the score itself, its chance baselines, and the name of the best.
    """

    name = "spatial_corrected"
    label = "Spatial AV-Align, corrected for chance"
    unit = ""

    @classmethod
    def cells(cls, item: Item) -> Cells:
        return {}

    @classmethod
    def frame_cells(cls, item: Item) -> list[Cells]:
        return []

    def compute(self) -> MetricResult:
        report = self.report()
        corrected, baselines = report.corrected, report.baselines
        notes = {
            "score": report.score,
            "baseline": corrected.baseline,
            "baselines": {name: getattr(baselines, name) for name in report.baseline_intervals},
        }
        if corrected.value is None:
            reason = "No clip has a sound event to judge."
            if corrected.baseline:
                reason = (
                    f"The chance baseline {corrected.baseline!r} is 1: any score would be luck."
                )
            return self.undefined(reason, report.clips, **notes)
        warnings = self.notes(report)["warnings"]
        return MetricResult(
            self.name,
            corrected.value,
            corrected.low,
            corrected.high,
            report.clips,
            notes=notes | {"warnings": warnings},
        )

    @classmethod
    def text(cls, result: MetricResult) -> str:
        return with_interval(result)
