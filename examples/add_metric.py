"""Adds a metric, and evaluates a folder by it and another: `python examples/add_metric.py DIR`.

In the project the class is a file of savg/metrics, and the line with METRICS one of its registry.
"""

import sys
from typing import ClassVar

import numpy as np

from savg.audio.levels import level_db
from savg.cli import main
from savg.metrics.base import Metric, MetricResult, Need
from savg.metrics.registry import METRICS
from savg.metrics.statistics import mean_interval


class Level(Metric):
    """Mean level of the clips, in dB below full scale."""

    name, label, unit = "level", "level", "dB"
    needs = frozenset({Need.FEATURES})
    features: ClassVar = {"level": lambda clip: np.array(level_db(clip.audio))}

    def compute(self) -> MetricResult:
        levels = [float(item.observation.features["level"]) for item in self.items]
        if not levels:
            return self.undefined("There is no clip.")
        return MetricResult(self.name, float(np.mean(levels)), *mean_interval(levels), len(levels))


METRICS["level"] = "__main__:Level"
main(["evaluate", *sys.argv[1:], "--metrics", "level", "spatial_av_align"])
