"""`python -m savg v2a`: new stereo audio for any video, or its own audio moved with a person.

A video's new audio depends on the video, the seed and the settings, not on the other videos.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from savg.cli import v2a_steering as steering
from savg.detectors import default_detector, detectors, person_detector
from savg.errors import SavgError, printable, whole_number
from savg.numerals import integer, number
from savg.paths import writable_folder

HELP = "Give videos stereo audio: generated for them, or their own moved with a person."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    from savg.pipelines.registry import AUDIO

    parser.add_argument("inputs", nargs="+", metavar="FILE|DIR", help="videos, or folders of them")
    parser.add_argument(
        "--weights",
        default="demo",
        metavar="SOURCE",
        help="'demo' (bundled), a pipeline folder, or a Hugging Face repo id",
    )
    parser.add_argument(
        "--pipeline",
        choices=sorted(AUDIO),
        help="video_to_audio makes audio; pan moves the video's own with a person; stereosync makes "
        "audio that follows a person and an envelope (default: the first of the weights')",
    )
    parser.add_argument(
        "--audio",
        metavar="own|network|FILE",
        help="what pan moves: the video's own audio (the default), what the network makes for it, or "
        "an audio file; always as mono",
    )
    parser.add_argument(
        "--person",
        metavar="longest|N|FILE",
        help="whom pan and stereosync follow: the person seen longest (the default), number N from the "
        "left, or boxes in a .json or .csv file: seconds,x0,y0,x1,y1 (pixels of the 256x256 frame)",
    )
    steering.add_arguments(parser)
    parser.add_argument("--seed", type=integer, default=0)
    parser.add_argument(
        "--steps", type=integer, metavar="K", help="of the network (default: its own, 25)"
    )
    parser.add_argument(
        "--guidance", type=number, metavar="G", help="strength (default: the pipeline's, 4.5)"
    )
    parser.add_argument(
        "--no-boxes",
        action="store_true",
        help="do not pass person boxes to the audio model",
    )
    persons = detectors("persons")
    parser.add_argument(
        "--detector",
        choices=list(persons),
        help="person detector for such a network, and of pan; default: "
        f"{default_detector('persons')} for the bundled weights, else the weights' own",
    )
    parser.add_argument(
        "--max-seconds", type=number, default=120.0, metavar="S", help="refuse longer videos"
    )
    parser.add_argument("--device", help="cpu, cuda, … (default: the best there is)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="number format")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print the files' names as JSON")


def run(args: argparse.Namespace) -> int:
    """Write DIR/NAME.mp4 for every video; a bad one becomes one sentence and exit code 1."""
    from tqdm import tqdm

    from savg.cli.annotate import find_videos, result_names
    from savg.pipelines.registry import AUDIO

    _check(args)
    files = find_videos(args.inputs)
    targets = _targets(files, result_names(files), args.out)
    pipeline = AUDIO.load(args.weights, args.pipeline, args.device, args.dtype)
    options = steering.options(args, pipeline.name)
    finder = ""
    detector = args.detector or (args.weights == "demo" and default_detector("persons"))
    needed = AUDIO.entries[pipeline.name].follows or not args.no_boxes
    if detector and pipeline.takes_boxes and needed:
        pipeline = pipeline.with_persons(person_detector(detector, device=args.device))
        finder = detector
    print(
        f"{AUDIO.entries[pipeline.name].title.lower()} on {pipeline.compute.reason}"
        + (f"; people by {finder}" if finder else ""),
        file=sys.stderr,
    )
    rows: list[dict[str, Any]] = []
    for source, target in zip(files, targets, strict=True):
        with tqdm(desc=printable(source.name), unit="step", file=sys.stderr) as bar:
            try:
                audio = pipeline.file(
                    source,
                    target,
                    seed=args.seed,
                    steps=args.steps,
                    guidance=args.guidance,
                    boxes=not args.no_boxes,
                    max_seconds=args.max_seconds,
                    on_step=_advance(bar),
                    comment=steering.settings(
                        args, pipeline.name, source, finder, options
                    ).to_text(),
                    **options,
                )
            except SavgError as error:
                told = str(error)
                if str(source) not in told:
                    told = f"{printable(str(source))}: {told}"
                tqdm.write(f"error: {told}", file=sys.stderr)
                rows.append({"source": str(source), "error": told})
                continue
        seconds = audio.shape[1] / pipeline.sample_rate
        rows.append({"source": str(source), "file": str(target), "seconds": round(seconds, 3)})
        if not args.json:
            print(target)
    failed = sum("error" in row for row in rows)
    if args.json:
        settings = {"weights": args.weights, "seed": args.seed}
        print(json.dumps({**settings, "videos": rows, "failed": failed}, indent=1))
    elif failed:
        print(f"{failed} of {len(rows)} videos got no audio.", file=sys.stderr)
    return 1 if failed else 0


def _check(args: argparse.Namespace) -> None:
    """Check the arguments before anything is loaded; SavgError for a wrong one."""
    writable_folder(args.out, "--out")
    for name, least in (("seed", 0), ("steps", 1)):
        value = getattr(args, name)
        if value is not None:
            whole_number(f"--{name}", value, least)
    if args.guidance is not None and not 0 <= args.guidance < float("inf"):
        raise SavgError(f"--guidance must be ≥ 0, got {args.guidance:g}.")
    if not args.max_seconds > 0:
        raise SavgError(f"--max-seconds must be > 0, got {args.max_seconds:g}.")


def _advance(bar: Any) -> Any:
    """A callback that sets the bar to the number of steps done."""

    def on_step(done: int, total: int, _: object) -> None:
        bar.total, bar.n = total, done
        bar.refresh()

    return on_step


def _targets(files: list[Path], names: list[str], out: Path) -> list[Path]:
    """The file of each video's copy; SavgError where one would replace its source."""
    targets = [out / f"{name}.mp4" for name in names]
    for file, target in zip(files, targets, strict=True):
        if target.exists() and file.exists() and target.samefile(file):
            raise SavgError(f"{file} would be replaced: choose another --out.")
    return targets
