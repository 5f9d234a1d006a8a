"""Scores a folder of clips by all metrics of clips alone: `python examples/score_folder.py DIR`.

`python -m savg evaluate DIR` does the same.
"""

import argparse
from functools import partial
from pathlib import Path

from savg.clip import Clip
from savg.evaluation.observers import Observers, Source, observe_all
from savg.evaluation.report import as_text, write_report
from savg.evaluation.score import evaluate
from savg.metrics.base import Need
from savg.metrics.registry import metric_classes

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("--out", type=Path, help="folder for report.json, report.md and clips.csv")
arguments = parser.parse_args()

metrics = metric_classes(None, {Need.PERSONS, Need.SOUNDS, Need.FEATURES, Need.CLIP})
files = sorted(arguments.folder.glob("*.mp4"))
sources = [Source(file.stem, partial(Clip.read, file)) for file in files]
evaluation = evaluate(observe_all(sources, Observers.for_metrics(metrics.values())), metrics)
print(as_text(evaluation))
if arguments.out:
    write_report(arguments.out, evaluation, f"Evaluation of {arguments.folder.name}")
