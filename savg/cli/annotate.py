"""`python -m savg annotate`: persons, sounds and their agreement in video files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savg.errors import SavgError

if TYPE_CHECKING:
    from savg.annotation import Alignment, Boxes, SoundEvents
    from savg.format import ClipFormat
    from savg.pipelines.annotate import Annotation

    Judged = tuple[SoundEvents, Boxes, Alignment, ClipFormat]

HELP = "Find persons and sounds in videos, judge their agreement, and draw it."

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv")
"""Files of a folder that count as videos; a file named by itself may be called anything."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("inputs", nargs="+", metavar="FILE|DIR", help="videos, or folders of them")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument(
        "--detector", choices=("yolox", "mmdet"), default="yolox", help="who finds the persons"
    )
    parser.add_argument(
        "--weights",
        default="demo",
        metavar="SOURCE",
        help="'demo', a pipeline folder, or a Hugging Face repo id, for both detectors",
    )
    parser.add_argument(
        "--person-weights", metavar="SOURCE", help="other weights for the person detector"
    )
    parser.add_argument(
        "--sound-weights", metavar="SOURCE", help="other weights for the sound detector"
    )
    parser.add_argument("--no-overlay", action="store_true", help="leave the overlay videos out")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")


def run(args: argparse.Namespace) -> int:
    """Annotate every input; a bad file costs one sentence, and the exit code, but not the others."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    files = find_videos(args.inputs)
    with _folder(Path(args.out)) as out:
        annotator = _annotator(args)
        rows: list[dict[str, Any]] = []
        judged: list[Judged] = []
        work = list(zip(files, result_names(files), strict=True))
        with logging_redirect_tqdm(), tqdm(work, unit="clip", file=sys.stderr) as progress:
            for path, stem in progress:
                try:
                    annotation = annotator(path)
                    written = annotation.write(out, stem, overlay=not args.no_overlay)
                except SavgError as error:
                    tqdm.write(f"error: {error}", file=sys.stderr)
                    rows.append({"file": str(path), "error": str(error)})
                    continue
                judged.append(
                    (annotation.events, annotation.boxes, annotation.alignment, annotation.format)
                )
                row = _row(path, written, annotation)
                rows.append(row)
                if not args.json:
                    tqdm.write(f"{path}: {_sentence(row)}", file=sys.stdout)
    _report(rows, judged, args.json)
    return 0 if len(judged) == len(files) else 1


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """The folder for results, made if needed, and taken away again if nothing came into it."""
    new = not path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SavgError(f"{path}: not a folder for results: {error.strerror}.") from error
    try:
        yield path
    finally:
        if new:
            with suppress(OSError):
                path.rmdir()


def find_videos(inputs: Sequence[str]) -> list[Path]:
    """The files named, and the videos in the folders named, in order and without repeats.

    Raises SavgError for a folder without videos; a missing file is left for its own sentence.
    """
    found: list[Path] = []
    for name in inputs:
        path = Path(name)
        if not path.is_dir():
            found.append(path)
            continue
        videos = sorted(p for p in path.iterdir() if _is_video(p))
        if not videos:
            raise SavgError(f"{path}: no video in this folder ({', '.join(SUFFIXES)}).")
        found += videos
    return list(dict.fromkeys(found))


def _is_video(path: Path) -> bool:
    named = path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    return named and not path.name.endswith(".overlay.mp4") and path.is_file()


def result_names(files: Iterable[Path]) -> list[str]:
    """A name for each file's results: its own without suffix, numbered where two would be equal."""
    names: list[str] = []
    for path in files:
        name, number = path.stem, 2
        while name in names:
            name, number = f"{path.stem}_{number}", number + 1
        names.append(name)
    return names


def _annotator(args: argparse.Namespace) -> Callable[[Path], Annotation]:
    from savg.clip import Clip
    from savg.detectors import person_detector, sound_detector
    from savg.media import MAX_SECONDS
    from savg.pipelines.annotate import annotate

    person_source = args.person_weights or args.weights
    sound_source = args.sound_weights or args.weights
    persons = person_detector(args.detector, person_source)
    sounds = sound_detector("seld", sound_source)
    words = {"persons": f"{args.detector}: {person_source}", "sounds": f"seld: {sound_source}"}
    return lambda path: annotate(Clip.read(path, max_seconds=MAX_SECONDS), persons, sounds, words)


def _row(path: Path, written: list[Path], annotation: Annotation) -> dict[str, Any]:
    """What the summary says about one clip."""
    from savg.pipelines.annotate import summary

    return {
        "file": str(path),
        "results": [str(p) for p in written],
        "persons": len(annotation.boxes),
        "sounds": len(annotation.events),
        "alignment": summary(annotation.alignment),
        "nulls": dict(annotation.nulls),
    }


def _sentence(row: dict[str, Any]) -> str:
    """One line about one clip."""
    boxes, events, judged = row["persons"], row["sounds"], row["alignment"]
    found = f"{boxes} person box{'es' * (boxes != 1)}, {events} sound event{'s' * (events != 1)}"
    if judged["score"] is None:
        return f"{found}, no Spatial AV-Align without a sound"
    return f"{found}, Spatial AV-Align {judged['score']:.2f} ({judged['tp']} TP, {judged['fn']} FN)"


def _report(rows: list[dict[str, Any]], judged: Sequence[Judged], as_json: bool) -> None:
    """The whole set's score with its null scores: all as one JSON object, or as lines."""
    total = dataset_summary(judged)
    failed = sum("error" in row for row in rows)
    if as_json:
        print(json.dumps({"files": rows, "dataset": total, "failed": failed}, indent=1))
        return
    score = total["alignment"]
    if score["score"] is not None:
        nulls = ", ".join(
            f"{name.replace('_', ' ')} {'–' if value is None else format(value, '.2f')}"
            for name, value in total["nulls"].items()
        )
        print(
            f"{len(judged)} clip{'s' * (len(judged) != 1)}: Spatial AV-Align {score['score']:.2f} "
            f"({score['tp']} TP, {score['fn']} FN); null scores: {nulls}"
        )
    if failed:
        print(f"{failed} of {len(rows)} files could not be annotated.", file=sys.stderr)


def dataset_summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """Spatial AV-Align over all events of all clips, its 95 % interval, and its null scores."""
    from savg.metrics.spatial import spatial_report
    from savg.pipelines.annotate import named_nulls

    pairs = [(events, boxes) for events, boxes, *_ in judged]
    report = spatial_report(pairs, [form for *_, form in judged])
    tp, fn = (sum(getattr(a, name) for *_, a, _ in judged) for name in ("tp", "fn"))
    score = tp / (tp + fn) if tp + fn else None
    shares = {"score": score, "low": report.low, "high": report.high}
    rounded = {k: None if value is None else round(value, 4) for k, value in shares.items()}
    return {
        "clips": len(judged),
        "alignment": {"tp": tp, "fn": fn, **rounded},
        "nulls": named_nulls(report.nulls),
    }
