"""Scores a folder of clips: `python examples/score_folder.py clips`.

By every metric that needs detectors alone; `python -m savg evaluate` gives that of the benchmark.
"""

import argparse
from pathlib import Path

from savg.clip import Clip
from savg.detectors import person_detector, sound_detector
from savg.metrics.base import Item, Need, Observation
from savg.metrics.registry import metric_classes

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
arguments = parser.parse_args()

persons, sounds = person_detector("yolox"), sound_detector("seld")
metrics = [metric() for metric in metric_classes(None, {Need.PERSONS, Need.SOUNDS}).values()]
for file in sorted(arguments.folder.glob("*.mp4")):
    clip = Clip.read(file)
    item = Item(file.stem, Observation(sounds(clip), persons(clip), clip.format))
    for metric in metrics:
        metric.update(item)
for metric in metrics:
    result = metric.compute()
    print(f"{metric.label}: {metric.text(result)}, {result.n} clips")
