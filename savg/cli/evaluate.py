"""`python -m savg evaluate`: metrics of a folder of clips, with chance baselines and intervals."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from savg.cli.observing import add_detector_arguments, load_detectors, readers
from savg.errors import SavgError, whole_number
from savg.evaluation.files import (
    BOXES,
    EVENTS,
    read_tables,
    read_truth,
    result_names,
    tables_in,
)
from savg.evaluation.observe import Failure
from savg.evaluation.observers import Observers, Source, observe_all, reference_of
from savg.evaluation.report import as_text, to_json, write_report
from savg.evaluation.score import Scorer
from savg.folders import videos_in
from savg.metrics.base import Item, Metric, Need, Reference, Truth
from savg.metrics.registry import METRICS, metric_classes
from savg.numerals import integer
from savg.paths import existing, writable_folder

HELP = "Score a folder of clips, or of tables written by annotate, by Spatial AV-Align and others."

Items = Iterable[Item | Failure]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "folder",
        type=Path,
        help=f"videos, or pairs NAME{BOXES} and NAME{EVENTS}; as in annotate each clip has its file's "
        "own length, a minute at most (tables: that of NAME.json, else 5 s)",
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        choices=list(METRICS),
        metavar="NAME",
        help=f"of {', '.join(METRICS)}; default: all whose inputs are available",
    )
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="DIR",
        help=f"labels NAME.csv and boxes NAME{BOXES} of the clips",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="DIR",
        help="videos to compare with, such as training clips",
    )
    add_detector_arguments(parser)
    parser.add_argument("--seed", type=integer, default=0, help="of the bootstrap")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write report.json, report.md and clips.csv there"
    )


def run(args: argparse.Namespace) -> int:
    """Score the folder; a bad file becomes one sentence and exit code 1, the others are scored."""
    whole_number("--seed", args.seed, 0)
    folder = existing(args.folder, "folder")
    if not folder.is_dir():
        raise SavgError(f"{folder} must be a folder of clips or tables, got a file.")
    tables, videos = tables_in(folder), videos_in(folder)
    if not tables and not videos:
        raise SavgError(f"{folder} must hold videos or tables named NAME{EVENTS}.")
    if args.out:
        writable_folder(args.out, "--out")
    metrics = metric_classes(args.metrics, _available(args, bool(tables)))
    truth = partial(read_truth, existing(args.truth, "folder")) if args.truth else None
    if tables:
        items: Items = _read_all(tables, truth)
    else:
        items = _observed(videos, args, metrics, truth)
    scorer = Scorer(metrics, _reference(args, metrics), args.seed)
    for item in items:
        if "error" in (row := scorer.add(item)):
            print(f"error: {row['error']}", file=sys.stderr)
    evaluation = scorer.evaluation()
    if evaluation.failed and not evaluation.clips:
        if args.json:
            print(json.dumps(to_json(evaluation), allow_nan=False))
        return 1
    if args.out:
        write_report(args.out, evaluation, f"Evaluation of {folder.name}")
    print(json.dumps(to_json(evaluation), allow_nan=False) if args.json else as_text(evaluation))
    if evaluation.failed:
        count = f"{len(evaluation.failed)} of {len(evaluation.rows)}"
        print(f"{count} clips could not be evaluated.", file=sys.stderr)
    return 1 if evaluation.failed else 0


def _available(args: argparse.Namespace, tables: bool) -> set[Need]:
    """Inputs that are available to metrics."""
    inputs = {Need.PERSONS, Need.SOUNDS}
    inputs |= set() if tables else {Need.FEATURES, Need.CLIP}
    inputs |= {Need.TRUTH} if args.truth else set()
    return inputs | ({Need.REFERENCE} if args.reference else set())


def _read_all(
    tables: dict[str, Path], truth: Callable[[str], Truth] | None
) -> Iterator[Item | Failure]:
    for name, path in tables.items():
        try:
            yield Item(name, read_tables(path), truth=truth(name) if truth else None)
        except SavgError as error:
            yield Failure(name, str(error))


def _observed(
    videos: list[Path],
    args: argparse.Namespace,
    metrics: dict[str, type[Metric]],
    truth: Callable[[str], Truth] | None,
) -> Items:
    from tqdm import tqdm

    detectors = partial(load_detectors, args, candidates=args.truth is not None)
    sources = tqdm(_sources(videos), unit="clip", file=sys.stderr)
    return observe_all(sources, Observers.for_metrics(metrics.values(), detectors), truth=truth)


def _sources(videos: list[Path]) -> list[Source]:
    by_name = zip(result_names(videos), videos, strict=True)
    return [Source(name, read) for name, read in readers(by_name)]


def _reference(args: argparse.Namespace, metrics: dict[str, type[Metric]]) -> Reference | None:
    if not args.reference:
        return None
    folder = existing(args.reference, "folder")
    with_reference = [metric for metric in metrics.values() if Need.REFERENCE in metric.needs]
    if not with_reference:
        return None
    observers = Observers.for_metrics(with_reference, None)
    return reference_of(observe_all(_sources(videos_in(folder)), observers))
