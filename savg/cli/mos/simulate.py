"""`python -m savg mos simulate`: a rehearsal of a listening test with simulated listeners."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from savg.errors import SavgError
from savg.numerals import integer, number
from savg.paths import writable_folder

HELP = "Rehearse a listening test: simulated listeners fill a copy of it over HTTP, and its report."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    from savg.mos.rehearsal import SUFFIX

    add = parser.add_argument
    add("study", type=Path, metavar="STUDY", help="the study's folder, which is only read")
    add("--listeners", type=integer, default=24, metavar="N", help="of all kinds (default: 24)")
    add("--careless", type=integer, metavar="N", help="of these straight-line (default: one in 12)")
    add("--failing", type=integer, metavar="N", help="of these fail the screening (default: 1)")
    add("--leaving", type=integer, metavar="N", help="of these leave half-way (default: 1)")
    add(
        "--means",
        nargs="+",
        default=[],
        metavar="NAME=MOS",
        help="mean of a condition or anchor on a scale of 1 to 5",
    )
    for name, default, text in (
        ("listener", 0.4, "listeners"),
        ("taste", 0.3, "listeners' taste for a condition"),
        ("clip", 0.5, "clips"),
        ("noise", 0.7, "single ratings"),
    ):
        add(
            f"--{name}-sd", type=number, default=default, metavar="POINTS", help=f"spread of {text}"
        )
    add("--seed", type=integer, default=0)
    clock = parser.add_mutually_exclusive_group()
    clock.add_argument(
        "--speed",
        type=number,
        default=60.0,
        help="factor by which the clock of the rehearsal's server is faster (default: 60)",
    )
    clock.add_argument("--real-time", action="store_true", help="the same as --speed 1")
    add("--out", type=Path, metavar="DIR", help=f"the copy (default: STUDY{SUFFIX})")
    add("--overwrite", action="store_true", help="replace an earlier rehearsal in that folder")
    add("--database", metavar="URL", help="of the database, where it is not in the study's folder")
    add("--json", action="store_true", help="print the outcome as JSON")


def run(args: argparse.Namespace) -> int:
    """Rehearse the study."""
    from tqdm import tqdm

    from savg.mos.rehearsal import SUFFIX
    from savg.mos.rehearsal.model import Crowd, ListenerModel
    from savg.mos.rehearsal.run import as_json, rehearse
    from savg.mos.study.folder import open_folder

    crowd = Crowd(args.listeners, args.careless, args.failing, args.leaving, args.seed)
    model = ListenerModel(
        _means(args.means), args.listener_sd, args.taste_sd, args.clip_sd, args.noise_sd
    )
    folder = args.study.resolve()
    out = args.out or folder.with_name(f"{folder.name}{SUFFIX}")
    writable_folder(out, "--out")
    study = open_folder(args.study, args.database)
    try:
        with tqdm(unit="rating", file=sys.stderr, mininterval=0.5) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            speed = 1.0 if args.real_time else args.speed
            done, analysis = rehearse(
                study,
                out,
                crowd,
                model,
                speed=speed,
                overwrite=args.overwrite,
                on_ratings=progress,
            )
    finally:
        study.store.close()
    if args.json:
        print(json.dumps(as_json(done, analysis), ensure_ascii=False))
        return 0
    kinds = ", ".join(f"{number} {kind}" for kind, number in done.listeners.items())
    print(f"SIMULATED: {args.listeners} listeners ({kinds}), {done.ratings} ratings over HTTP.")
    clock = "in real time" if speed == 1 else f"by a clock {speed:g} times as fast as a real one"
    print(f"{done.requests} requests in {done.seconds:.0f} s, {clock}; all ratings are stored.")
    for result in analysis.conditions:
        mos = result.mos
        bounds = "" if mos.low is None else f"  95 % {mos.low:.2f} … {mos.high:.2f}"
        print(
            f"{result.name:20} {mos.estimate:.2f}{bounds}  (expected {done.expected[result.name]:.2f})"
        )
    print(f"Copy: {out}")
    print(f"Report: {done.report}")
    return 0


def _means(arguments: list[str]) -> dict[str, float]:
    means = {}
    for item in arguments:
        name, sign, value = item.partition("=")
        try:
            means[name] = number(value)
        except ValueError:
            sign = ""
        if not sign or not name:
            raise SavgError(f"--means must be NAME=MOS, got {item!r}.")
    return means
