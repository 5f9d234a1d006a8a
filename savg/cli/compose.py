"""`python -m savg compose`: one video of several clips, for papers and talks."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savg.cli.observing import add_detector_arguments, load_detectors
from savg.errors import SavgError, printable
from savg.evaluation.files import find_videos
from savg.numerals import number
from savg.paths import writable_file

if TYPE_CHECKING:
    from savg.viz.compose import Entry

HELP = "Compose one video of several: side by side, in turn, or as overlays beside spectrograms."

LAYOUTS = ("side-by-side", "sequence", "overlay-spectrogram")
EACH = "each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "inputs", nargs="+", metavar="FILE|DIR", help="videos with stereo audio, or folders of them"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.mp4")
    parser.add_argument(
        "--layout", choices=LAYOUTS, default=LAYOUTS[0], help="how they are shown (%(default)s)"
    )
    parser.add_argument("--title", default="", metavar="TEXT", help="on a card at the start")
    parser.add_argument(
        "--labels", nargs="+", metavar="TEXT", help="one for each video (default: the files' names)"
    )
    parser.add_argument(
        "--audio",
        default=EACH,
        metavar="INDEX",
        help="side by side: the video that is heard, 1 for the first; %(default)s: one after the "
        "other, the comparison is shown once for each",
    )
    parser.add_argument(
        "--max-seconds", type=number, default=30.0, metavar="S", help="refuse longer videos"
    )
    add_detector_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def run(args: argparse.Namespace) -> int:
    """Write the composed video."""
    from tqdm import tqdm

    from savg.viz.compose import compose

    files = find_videos(args.inputs)
    labels, audio = _check(args, files)
    entries = _entries(args, files, labels)
    with tqdm(desc=printable(args.out.name), unit="frame", file=sys.stderr) as bar:

        def on_step(done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.refresh()

        composed = compose(
            args.out, entries, args.layout, title=args.title, audio=audio, on_step=on_step
        )
    if args.json:
        clips = [{"file": str(f), "label": e.label} for f, e in zip(files, entries, strict=True)]
        facts: dict[str, Any] = {"file": str(args.out), "layout": args.layout, **asdict(composed)}
        print(json.dumps({**facts, "clips": clips}, indent=1))
    else:
        print(args.out)
    return 0


def _check(args: argparse.Namespace, files: list[Path]) -> tuple[list[str], int | None]:
    """The labels, and the index of the one video that is heard; SavgError for wrong arguments."""
    from savg.viz.compose import MAX_CLIPS

    count = len(files)
    if args.out.suffix.lower() != ".mp4" or os.path.isdir(args.out):
        raise SavgError(f"--out must be a file NAME.mp4, got {args.out}.")
    writable_file(args.out, "--out")
    for file in files:
        if args.out.exists() and file.exists() and args.out.samefile(file):
            raise SavgError(f"{file} would be replaced: choose another --out.")
    if args.layout == LAYOUTS[0] and count > MAX_CLIPS:
        raise SavgError(f"Videos side by side must be at most {MAX_CLIPS}, got {count}.")
    if not args.max_seconds > 0:
        raise SavgError(f"--max-seconds must be > 0, got {args.max_seconds:g}.")
    if args.labels is not None and len(args.labels) != count:
        raise SavgError(f"--labels must name {count} videos, got {len(args.labels)} labels.")
    audio = None
    if args.audio != EACH:
        if args.layout != LAYOUTS[0]:
            raise SavgError(f"--audio is for --layout {LAYOUTS[0]}; in others each video is heard.")
        if not (args.audio.isascii() and args.audio.isdigit()) or not 1 <= int(args.audio) <= count:
            raise SavgError(f"--audio must be {EACH!r} or in 1..{count}, got {args.audio}.")
        audio = int(args.audio) - 1
    return args.labels or [file.stem for file in files], audio


def _entries(args: argparse.Namespace, files: list[Path], labels: list[str]) -> list[Entry]:
    """The clips with their labels, and with detections where overlays are drawn."""
    from savg.clip import Clip
    from savg.viz.compose import Entry, read_entry_clip

    if args.layout != "overlay-spectrogram":
        clips = [read_entry_clip(file, len(files), args.max_seconds) for file in files]
        return [Entry(clip, label) for clip, label in zip(clips, labels, strict=True)]
    from savg.evaluation.observe import observe
    from savg.metrics.spatial import spatial_av_align

    detectors = load_detectors(args)
    clips = [Clip.read(file, max_seconds=args.max_seconds) for file in files]
    entries = []
    for clip, label in zip(clips, labels, strict=True):
        observation = observe(clip, detectors)
        alignment = spatial_av_align(observation.events, observation.boxes, observation.format)
        entries.append(Entry(clip, label, (observation.boxes, observation.events, alignment)))
    return entries
