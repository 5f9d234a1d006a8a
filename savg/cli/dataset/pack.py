"""`python -m savg dataset pack`: memory-mapped training arrays from a set of clips."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from savg.device import cores
from savg.errors import SavgError
from savg.numerals import integer
from savg.paths import writable_folder

if TYPE_CHECKING:
    from savg.data.packing import Purpose

HELP = "Write a dataset as memory-mapped training arrays."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    from savg.annotation import CATEGORY_NAMES
    from savg.data.pack_layout import RESIZES
    from savg.data.packing import PURPOSES
    from savg.data.savgbench import SPLITS

    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="clips as they are published or built")
    add("--out", type=Path, required=True, metavar="PACK", help="folder for the arrays")
    add(
        "--for",
        dest="purpose",
        choices=tuple(PURPOSES),
        default="joint",
        help="recipe that is trained on it (default: joint)",
    )
    add("--split", choices=SPLITS, help="needed where DIR holds both")
    add("--category", choices=CATEGORY_NAMES, help="pack only these clips")
    add("--frames", type=integer, help="frames of each clip (default: all that the recipe takes)")
    add(
        "--resize",
        choices=RESIZES,
        default="published",
        help="how frames are downscaled: bicubic like the published loader, or averaged",
    )
    add("--processes", type=integer, help="processes that decode (default: one a core)")
    add("--json", action="store_true", help="print what was packed as JSON")


def run(args: argparse.Namespace) -> int:
    """Pack the clips."""
    from tqdm import tqdm

    from savg.data.packing import bench_layout, pack_bench
    from savg.data.savgbench import SavgBench

    if args.processes is not None and args.processes < 1:
        raise SavgError(f"--processes must be ≥ 1, got {args.processes}.")
    writable_folder(args.out, "--out")
    bench = SavgBench(args.folder, args.split, args.category)
    layout = bench_layout(bench, _purpose(args, bench.format.frames), resize=args.resize)
    with tqdm(total=len(bench), unit="clip", desc="packing", file=sys.stderr) as bar:
        pack = pack_bench(
            args.out,
            bench,
            layout,
            processes=args.processes or _processes(len(bench)),
            progress=lambda done, total: bar.update(done - bar.n),
        )
    size = sum(path.stat().st_size for path in args.out.iterdir())
    if args.json:
        meta = {key: value for key, value in layout.meta().items() if key != "origin"}
        print(json.dumps({"pack": str(args.out), "bytes": size, **meta}))
        return 0
    _, frames, height, width, _ = pack.video.shape
    audio = "with audio" if pack.audio is not None else "without audio"
    clips = f"{len(pack)} clip{'s' * (len(pack) != 1)}"
    sizes = f"{frames} frame{'s' * (frames != 1)} {width}×{height}"
    print(
        f"{args.out}: {clips} of {sizes}, {audio}, {size / 2**20:.1f} MiB; train on it with "
        f"python -m savg.train {args.purpose} --data {args.out} --out RUN"
    )
    return 0


def _processes(clips: int) -> int:
    """One a core, but fewer for few clips: starting a process takes time."""
    return max(1, min(cores(), clips // 16))


def _purpose(args: argparse.Namespace, most: int) -> Purpose:
    from savg.data.packing import PURPOSES

    purpose = PURPOSES[args.purpose]
    if args.frames is None:
        return purpose
    if not 1 <= args.frames <= most:
        raise SavgError(f"--frames must be in 1..{most}, got {args.frames}.")
    if args.purpose == "joint" and args.frames != most:
        raise SavgError(f"--frames must be {most} for the joint model, got {args.frames}.")
    return replace(purpose, frames=args.frames)
