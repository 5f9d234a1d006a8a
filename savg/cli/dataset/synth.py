"""`python -m savg dataset synth`: synthetic recordings in the layout of STARSS23."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from savg.device import cores
from savg.errors import SavgError
from savg.numerals import integer, number
from savg.paths import writable_folder

HELP = "Write synthetic recordings in the layout of STARSS23."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the recordings")
    add(
        "--recordings",
        type=integer,
        default=4,
        metavar="N",
        help="number of recordings (default: 4)",
    )
    add("--seed", type=integer, default=0, metavar="S", help="of the recordings (default: 0)")
    add("--seconds", type=number, default=60.0, help="length of each (default: 60)")
    add("--size", type=_size, default=(1920, 960), metavar="WxH", help="default: 1920x960")
    add(
        "--world",
        type=_world,
        default="varied",
        help="varied (drawn, the default), furnished (textured people in furnished rooms), furnished1 "
        "or furnished2 (with one or two silent people), lounge (a small furnished one), demo, solo, "
        "stage or stroll",
    )
    add("--held-out", action="store_true", help="people, rooms, voices and notes never trained on")
    add("--processes", type=integer, help="recordings made at a time (default: one a core)")
    add("--json", action="store_true", help="print what was written as JSON")


def _size(text: str) -> tuple[int, int]:
    size = re.fullmatch(r"([0-9]{1,6})[x×]([0-9]{1,6})", text)
    if size is None:
        raise argparse.ArgumentTypeError(f"must be WIDTHxHEIGHT such as 1920x960, got {text}")
    return int(size[1]), int(size[2])


def _world(name: str) -> str:
    from savg.data.scenes.world import WORLDS

    if name not in WORLDS:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(WORLDS)}, got {name}")
    return name


def run(args: argparse.Namespace) -> int:
    """Write the recordings."""
    from tqdm import tqdm

    from savg.data.starss.synth import write_starss

    if args.processes is not None and args.processes < 1:
        raise SavgError(f"--processes must be ≥ 1, got {args.processes}.")
    writable_folder(args.out, "--out")
    processes = args.processes or max(1, min(args.recordings, cores()))
    with tqdm(total=args.recordings, unit="recording", desc="synth", file=sys.stderr) as bar:
        names = write_starss(
            args.out,
            args.recordings,
            args.seed,
            args.seconds,
            args.size,
            processes,
            progress=lambda done, total: bar.update(done - bar.n),
            world=args.world,
            held_out=args.held_out,
        )
    minutes = args.recordings * args.seconds / 60
    if args.json:
        print(json.dumps({"out": str(args.out), "recordings": names, "minutes": minutes}))
        return 0
    print(
        f"{args.out}: {len(names)} recording{'s' * (len(names) != 1)}, {minutes:.1f} minutes; "
        f"make clips of them with python -m savg dataset build --starss {args.out} --out DIR"
    )
    return 0
