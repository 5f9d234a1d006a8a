"""`python -m savg dataset build`: clips in the published layout out of STARSS23."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from savg.errors import SavgError
from savg.numerals import integer, number
from savg.paths import writable_folder

if TYPE_CHECKING:
    from savg.data.starss.build import BuildOutcome
    from savg.data.starss.results import Construction

HELP = "Turn STARSS23 into clips in the published layout."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    parser.add_argument(
        "--starss",
        required=True,
        metavar="DIR",
        help="foa_dev, video_dev and metadata_dev, or zips",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the dataset")
    parser.add_argument("--split", choices=("dev", "eval"), default="dev", help="what is built")
    parser.add_argument(
        "--only",
        metavar="PATTERN",
        help="recordings, or folders of recordings, to use (for instance 'dev-train-*')",
    )
    parser.add_argument(
        "--preset",
        choices=("development", "evaluation"),
        default="development",
        help="windows every 0.5 s and views every 10°, or steps searched for that bring speech : "
        "instrument near 2 : 1",
    )
    parser.add_argument("--window-step", type=number, metavar="SECONDS", help="between windows")
    parser.add_argument("--view-step", type=integer, metavar="DEGREES", help="between views")
    parser.add_argument("--high-pass", type=number, metavar="HZ", help="cut-off, 0 for none (100)")
    parser.add_argument("--gain", type=number, metavar="DB", help="gain of the audio (38)")
    parser.add_argument(
        "--min-active",
        type=number,
        metavar="SHARE",
        help="of label frames with a sound event (0.8)",
    )
    parser.add_argument("--field-of-view", type=number, metavar="DEGREES", help="horizontal (100)")
    parser.add_argument(
        "--antialias",
        action="store_true",
        help="average the panorama before it is sampled (the published frames are not averaged)",
    )
    parser.add_argument("--processes", type=integer, metavar="N", help="by default one a core")
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first problem instead of reporting it"
    )
    parser.add_argument(
        "--restart",
        action="store_true",
        help="delete the results of an earlier call, finished or not",
    )
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")


def run(args: argparse.Namespace) -> int:
    """Build a split and print a summary of its windows and clips."""
    from savg.data.starss.build import build
    from savg.data.starss.report import summary

    writable_folder(args.out, "--out")
    settings = chosen_settings(args)
    with _bar() as progress:
        outcome = build(
            args.starss,
            args.out,
            settings,
            split=args.split,
            only=args.only,
            strict=args.strict,
            processes=args.processes,
            progress=progress,
            restart=args.restart,
        )
    if args.json:
        print(json.dumps(as_json(outcome), indent=1))
    else:
        print(summary(outcome.results, outcome.problems))
        print(f"{'folder':<11} {outcome.folder}")
    return 0


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error that appears with the first recording."""
    from tqdm import tqdm

    with ExitStack() as stack:
        bars: list[Any] = []

        def progress(done: int, total: int) -> None:
            if not bars:
                bar = tqdm(total=total, initial=done, unit="recording", file=sys.stderr)
                bars.append(stack.enter_context(bar))
            bars[0].update(done - bars[0].n)

        yield progress


def chosen_settings(args: argparse.Namespace) -> Construction:
    """The settings that the arguments describe; SavgError names the first impossible value."""
    from savg.data.starss.results import Construction

    values = {
        "min_active": args.min_active,
        "high_pass": args.high_pass,
        "gain_db": args.gain,
        "field_of_view": args.field_of_view,
        "antialias": args.antialias,
    }
    if args.processes is not None and args.processes < 1:
        raise SavgError(f"--processes must be ≥ 1, got {args.processes}.")
    try:
        settings = Construction(**{k: v for k, v in values.items() if v is not None})
        if args.preset == "evaluation":
            settings = _evaluation(args, settings)
        return _with_steps(args, settings)
    except ValueError as error:
        raise SavgError(str(error)) from error


def _with_steps(args: argparse.Namespace, settings: Construction) -> Construction:
    """`settings` with the given steps, for both categories."""
    steps: dict[str, int] = {}
    if args.window_step is not None:
        frames = args.window_step * settings.format.label_fps
        if not math.isfinite(frames) or abs(frames - round(frames)) > 1e-6:
            raise SavgError(
                f"--window-step must be a multiple of {1 / settings.format.label_fps:g} s, "
                f"got {args.window_step:g}."
            )
        steps["window"] = round(frames)
    if args.view_step is not None:
        steps["view"] = args.view_step
    return replace(
        settings,
        speech=replace(settings.speech, **steps),
        instrument=replace(settings.instrument, **steps),
    )


def _evaluation(args: argparse.Namespace, settings: Construction) -> Construction:
    """`settings` with the steps of the evaluation preset, searched in the labels."""
    from savg.data.starss.build import labels_of
    from savg.data.starss.presets import evaluation_steps

    return evaluation_steps(labels_of(args.starss, args.only), settings)


def as_json(outcome: BuildOutcome) -> dict[str, Any]:
    """The output of --json."""
    dropped: dict[str, int] = {}
    for result in outcome.results:
        for rule, count in result.dropped.items():
            dropped[rule] = dropped.get(rule, 0) + count
    from savg.data.starss.report import why_empty

    reason = why_empty(outcome.results)
    return {
        "folder": str(outcome.folder),
        "recordings": len(outcome.results),
        "seconds": round(sum(result.seconds for result in outcome.results), 3),
        "windows": sum(result.windows for result in outcome.results),
        "dropped": dropped,
        "clips": sum(len(result.clips) for result in outcome.results),
        **({"no_clips": reason} if reason else {}),
        "problems": [
            {"recording": p.recording, "sentence": p.sentence, "skipped": p.skipped}
            for p in outcome.problems
        ],
    }
