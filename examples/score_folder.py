"""Scores a folder of clips by all metrics of clips alone: `python examples/score_folder.py DIR`.

`python -m savg evaluate DIR` does the same, and more.
"""

import argparse
from pathlib import Path

from savg.evaluation.cache import Cache, default_cache
from savg.evaluation.clip_set import ClipSet
from savg.evaluation.observe import Detectors
from savg.evaluation.report import as_text
from savg.evaluation.run_files import about, run_of, write_run
from savg.evaluation.runs import Request, evaluate_sets
from savg.evaluation.selection import select_metrics
from savg.metrics.base import Need

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("--cache", type=Path, default=default_cache())
parser.add_argument("--out", type=Path, help="folder for results.json, tables and reports")
arguments = parser.parse_args()

clips = ClipSet.of(arguments.folder)
inputs = {Need.PERSONS, Need.SOUNDS, Need.FEATURES, Need.CLIP}
metrics = select_metrics(None, inputs).metrics
with evaluate_sets(Request(clips, metrics, Detectors.load, Cache(arguments.cache))) as outcome:
    print(as_text(outcome.sets["generated"]))
    if arguments.out:
        facts = about(clips.folder.name, clips.folder.resolve())
        write_run(arguments.out, run_of(outcome, facts), outcome)
