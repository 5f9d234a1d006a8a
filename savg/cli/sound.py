"""`python -m savg sound`: new stereo sound for any video, silent or sounding."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from savg.errors import SavgError

HELP = "Give videos new stereo sound (the second stage of the two-stage method)."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("inputs", nargs="+", metavar="FILE|DIR", help="videos, or folders of them")
    parser.add_argument(
        "--weights",
        default="demo",
        metavar="SOURCE",
        help="'demo' (bundled), a pipeline folder, or a Hugging Face repo id",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, metavar="K", help="of the flow network (default: 25)")
    parser.add_argument("--guidance", type=float, metavar="G", help="strength (default: 4.5)")
    parser.add_argument(
        "--max-seconds", type=float, default=120.0, metavar="S", help="refuse longer videos"
    )
    parser.add_argument("--device", help="cpu, cuda, … (default: the best there is)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="number format")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print the files' names as JSON")


def run(args: argparse.Namespace) -> int:
    """Write DIR/NAME.mp4 for every video; a bad one costs one sentence and the exit code."""
    from tqdm import tqdm

    from savg.cli.annotate import find_videos, result_names
    from savg.pipelines.video_to_audio import VideoToAudio

    if args.out.exists() and not args.out.is_dir():
        raise SavgError(f"{args.out}: expected a folder for the videos, found a file.")
    files = find_videos(args.inputs)
    targets = _targets(files, result_names(files), args.out)
    pipeline = VideoToAudio.from_pretrained(args.weights, args.device, args.dtype)
    print(f"video to audio on {pipeline.compute.reason}", file=sys.stderr)
    written, failed = [], 0
    for index, (source, target) in enumerate(zip(files, targets, strict=True)):
        with tqdm(desc=source.name, unit="step", file=sys.stderr) as bar:

            def on_step(done: int, total: int, _: object, bar: tqdm = bar) -> None:
                bar.total, bar.n = total, done
                bar.refresh()

            try:
                pipeline.file(
                    source,
                    target,
                    seed=args.seed,
                    index=index,
                    steps=args.steps,
                    guidance=args.guidance,
                    max_seconds=args.max_seconds,
                    on_step=on_step,
                )
            except SavgError as error:
                failed += 1
                tqdm.write(f"error: {error}", file=sys.stderr)
                continue
        written.append({"file": str(target), "source": str(source), "seed": args.seed})
        if not args.json:
            print(target)
    if args.json:
        print(json.dumps({"weights": args.weights, "videos": written}))
    return 1 if failed else 0


def _targets(files: list[Path], names: list[str], out: Path) -> list[Path]:
    """Where each video's copy goes; SavgError where one would replace its source."""
    targets = [out / f"{name}.mp4" for name in names]
    for file, target in zip(files, targets, strict=True):
        if target.exists() and file.exists() and target.samefile(file):
            raise SavgError(f"{file} would be replaced: choose another --out.")
    return targets
