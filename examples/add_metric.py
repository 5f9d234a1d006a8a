"""Adds a metric and scores a folder by it: `python examples/add_metric.py clips`.

In the project the class is a file of savg/metrics, and the line with METRICS one of its registry.
"""

import argparse
from pathlib import Path
from typing import ClassVar

import numpy as np

from savg.annotation import Boxes, SoundEvents
from savg.audio.levels import level_db
from savg.clip import Clip
from savg.metrics.base import Item, Metric, MetricResult, Need, Observation
from savg.metrics.registry import METRICS, metric_class
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

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
metric = metric_class("level")()
for file in sorted(parser.parse_args().folder.glob("*.mp4")):
    clip = Clip.read(file)
    found = {name: extract(clip) for name, extract in metric.features.items()}
    metric.update(Item(file.stem, Observation(SoundEvents.empty(), Boxes.empty(), features=found)))
result = metric.compute()
print(f"{metric.label}: {metric.text(result)} {metric.unit}, {result.n} clips")
