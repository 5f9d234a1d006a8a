"""`python -m savg annotate`: persons, sound events and their agreement in video files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savg.cli.observing import (
    add_audio_arguments,
    add_detector_arguments,
    audio_rules,
    load_detectors,
    readers,
)
from savg.errors import SavgError, printable
from savg.evaluation.files import find_videos, new_folder, result_names
from savg.metrics.base import Item, MetricResult, Need, format_number
from savg.paths import writable_folder

if TYPE_CHECKING:
    from savg.evaluation.score import Evaluation

HELP = "Detect people and sound events in videos, score their agreement, and draw it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="FILE|DIR",
        help="videos, or folders of them; as in evaluate each clip has its file's own length, a minute "
        "at most",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    add_detector_arguments(parser)
    add_audio_arguments(parser)
    parser.add_argument("--no-overlay", action="store_true", help="leave the overlay videos out")
    parser.add_argument(
        "--json", action="store_true", help="print the results as JSON, in the form of evaluate"
    )


def run(args: argparse.Namespace) -> int:
    """Annotate every input; a bad file becomes a sentence and exit code 1, the others are annotated."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    from savg.evaluation.observe import Failure
    from savg.evaluation.observers import Observers, Source, observe_all
    from savg.evaluation.outcome import Outcome
    from savg.evaluation.results_file import GENERATED
    from savg.evaluation.run_files import about, run_of
    from savg.evaluation.score import Scorer
    from savg.media.clip_reader import audio_note
    from savg.metrics.registry import metric_classes

    files = find_videos(args.inputs)
    by_name = dict(zip(result_names(files), files, strict=True))
    rules = audio_rules(args)
    metrics = metric_classes(None, {Need.PERSONS, Need.SOUNDS})
    scorer = Scorer(metrics)
    with new_folder(writable_folder(args.out, "--out")) as out:
        detectors = load_detectors(args)
        observers = Observers.for_metrics(metrics.values(), detectors, clips=True)
        sources = [Source(name, read) for name, read in readers(by_name.items(), rules)]
        with logging_redirect_tqdm(), tqdm(total=len(by_name), unit="clip", file=sys.stderr) as bar:
            for item in observe_all(sources, observers):
                path, columns = str(by_name[item.name]), {}
                if isinstance(item, Item):
                    try:
                        columns = _write(item, detectors.names, out, not args.no_overlay)
                        if note := audio_note(path, rules):
                            columns["audio_note"] = note
                    except SavgError as error:
                        item = Failure(item.name, str(error))
                row = scorer.add(item, file=path, **columns)
                if "error" in row:
                    tqdm.write(f"error: {row['error']}", file=sys.stderr)
                elif not args.json:
                    tqdm.write(f"{printable(path)}: {_sentence(row)}", file=sys.stdout)
                bar.update()
    evaluation = scorer.evaluation()
    if args.json:
        facts = about("annotate", ", ".join(args.inputs))
        result = run_of(Outcome({GENERATED: evaluation}), facts)
        print(json.dumps(result.to_json(), indent=1, allow_nan=False))
    else:
        _report(evaluation, detectors.names)
    return 1 if evaluation.failed else 0


def _write(item: Item, names: Any, out: Path, overlay: bool) -> dict[str, Any]:
    """Write a clip's results; returns further columns of its row."""
    from savg.evaluation.annotate import distance_json, judge

    assert item.clip is not None
    observation = item.observation
    annotation = judge(item.clip, observation.boxes, observation.events, names)
    paths = annotation.write(out, item.name, overlay=overlay)
    return {
        "results": [str(path) for path in paths],
        "persons": len(annotation.boxes),
        "sounds": len(annotation.events),
        "nulls": dict(annotation.nulls),
        "distance": distance_json(annotation.distance),
        "warnings": annotation.warnings,
    }


def _sentence(row: dict[str, Any]) -> str:
    """One line about one clip."""
    boxes, events = row["persons"], row["sounds"]
    counts = f"{boxes} person box{'es' * (boxes != 1)}, {events} sound event{'s' * (events != 1)}"
    sentences = [row.get("audio_note") or "", *row["warnings"]]
    note = "".join(f". {sentence.rstrip('.')}" for sentence in sentences if sentence)
    if not boxes:
        return f"{counts}, no Spatial AV-Align without a person{note}" if events else counts + note
    if row["score"] is None:
        return f"{counts}, no Spatial AV-Align without a sound event{note}"
    score = f"Spatial AV-Align {row['score']:.2f} ({row['tp']} TP, {row['fn']} FN)"
    if (apart := row["distance"])["px"] is not None:
        score += f", sound and person {apart['px']:.0f} px ({apart['degrees']:.1f}°) apart"
    return f"{counts}, {score}{note}"


def _clips(evaluation: Evaluation) -> str:
    return f"{evaluation.clips} clip{'s' * (evaluation.clips != 1)}"


def _report(evaluation: Evaluation, names: Mapping[str, str]) -> None:
    """Print the set's score, its chance baselines and who judged, and the number of failed files."""
    result: MetricResult = evaluation.metrics["spatial_av_align"]
    seen = sum(row.get("persons", 0) for row in evaluation.rows)
    if result.value is not None and not seen:
        print(f"{_clips(evaluation)}: no Spatial AV-Align, as nobody was detected.")
    elif result.value is not None:
        baselines = ", ".join(
            f"{name} {format_number(value, 2)}" for name, value in result.nulls.items()
        )
        print(
            f"{_clips(evaluation)}: Spatial AV-Align {result.value:.2f} "
            f"({result.notes['tp']} TP, {result.notes['fn']} FN); chance baselines: {baselines}"
        )
    if evaluation.clips:
        by = f"Boxes by {names['persons']}, sound events by {names['sounds']}."
        print(printable(by))
    if evaluation.failed:
        count = f"{len(evaluation.failed)} of {len(evaluation.rows)}"
        print(f"{count} files could not be annotated.", file=sys.stderr)
