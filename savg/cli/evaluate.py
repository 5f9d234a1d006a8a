"""`python -m savg evaluate`: Spatial AV-Align of a folder, with its nulls and an interval."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.errors import SavgError
from savg.metrics.spatial import Pair, SpatialReport, spatial_av_align, spatial_report
from savg.paths import existing

HELP = "Score a folder of clips, or of tables written by annotate, by Spatial AV-Align."

BOXES, EVENTS = ".boxes.csv", ".events.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "folder", type=Path, help=f"mp4 clips, or pairs NAME{BOXES} and NAME{EVENTS}"
    )
    parser.add_argument("--detector", default="yolox", help="person detector (yolox or mmdet)")
    parser.add_argument("--weights", default="demo", help="of the detectors")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Score the folder."""
    folder = existing(args.folder, "folder")
    if not folder.is_dir():
        raise SavgError(f"{folder}: expected a folder of clips or tables, found a file.")
    tables = sorted(folder.glob(f"*{EVENTS}"))
    named = _read_tables(tables) if tables else _detect(folder, args)
    report = spatial_report(list(named.values()), seed=args.seed)
    if args.json:
        print(json.dumps(asdict(report) | {"each": clip_by_clip(named)}))
    else:
        print(as_text(report))
    return 0


def clip_by_clip(named: Mapping[str, Pair]) -> list[dict[str, Any]]:
    """The counts and the score of each clip; a clip without a sound event has the score None."""
    judged = {name: spatial_av_align(*pair) for name, pair in named.items()}
    return [{"clip": n, "tp": a.tp, "fn": a.fn, "score": a.score} for n, a in judged.items()]


def as_text(report: SpatialReport) -> str:
    """A report in a few lines."""

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    return "\n".join(
        [
            f"clips             {report.clips}",
            f"Spatial AV-Align  {number(report.score)}  (95 % {number(report.low)}…"
            f"{number(report.high)}; TP {report.tp}, FN {report.fn})",
            f"null: centre      {number(report.nulls.centre)}",
            f"null: swapped     {number(report.nulls.swapped)}",
            f"null: shuffled    {number(report.nulls.shuffled)}",
        ]
    )


def _read_tables(paths: list[Path]) -> dict[str, Pair]:
    pairs = {}
    for path in paths:
        name = path.name.removesuffix(EVENTS)
        boxes = path.with_name(name + BOXES)
        if not boxes.is_file():
            raise SavgError(f"{path} has no {boxes.name} beside it.")
        pair = SoundEvents.read_csv(path), Boxes.read_csv(boxes)
        try:
            spatial_av_align(*pair)
        except SavgError as error:
            raise SavgError(f"{path}: {error}") from error
        pairs[name] = pair
    return pairs


def _detect(folder: Path, args: argparse.Namespace) -> dict[str, Pair]:
    from tqdm import tqdm

    from savg.detectors import person_detector, sound_detector

    paths = sorted(p for p in folder.glob("*.mp4") if not p.name.endswith(".overlay.mp4"))
    if not paths:
        raise SavgError(f"{folder} holds neither mp4 clips nor tables named NAME{EVENTS}.")
    persons = person_detector(args.detector, source=args.weights)
    sounds = sound_detector("seld", source=args.weights)
    pairs = {}
    for path in tqdm(paths, unit="clip", file=sys.stderr):
        clip = Clip.read(path)
        pairs[path.stem] = (sounds(clip), persons(clip))
    return pairs
