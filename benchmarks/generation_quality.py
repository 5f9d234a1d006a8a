"""What weights generate, undirected and directed: `python -m benchmarks.generation_quality`.

Sets: held-out scenes (of furnished worlds with people, rooms, voices and notes that no training reads),
and the same frames made as small as the joint network's and upscaled; clips of the joint and of the
two-stage pipeline, of which nothing is asked, the latter with and without people's boxes on the same
frames; clips of both that are asked for a sound, a place or a moving path, and a number of people
(`benchmarks.directions`).

Where sounds are is judged by the bundled SELD, where people are by NanoDet, which was trained on
photographs alone; alignment by YOLOX, trained on drawn scenes, stands beside it. Edges and change
inside people are multiples of those of the held-out scenes (`savg.metrics.looks`). A clip has duplicate
or missing people where the number that NanoDet sees in most frames is not the one asked for, of a
held-out scene not that of the true boxes (so that its column is the detector's own error), and of a
clip of which nothing is asked below one or above the most that a held-out scene shows.

Each clip is generated once, in batches, and all is judged from it. What was judged is cached in a
folder, so that an interrupted run continues, and runs of some `--sets` at the same time, each with an
`--out` of its own, leave a last run of all sets little to do. Writes the tables as JSON and Markdown;
`--save DIR` also the first clips of each set, a sheet of their first frames, and spectrograms.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.contact_sheet import Sheets
from benchmarks.generated_sets import DIRECTED, SETS, Sets
from benchmarks.generation_goals import goals, goals_table
from benchmarks.judging import JUDGES, Judge, Judged
from benchmarks.synthetic import TRAINED_ON, WORLDS, progress, trained_on
from savg.evaluation.cache import Cache
from savg.evaluation.report import markdown_table
from savg.evaluation.result_files import RESULTS, SetResult, provenance, setting, write_result
from savg.metrics.base import format_number
from savg.pipelines.strengths import strength

NAME = "generation_quality"


def main() -> None:
    """Measure, print and write."""
    args = build_parser().parse_args()
    args.strength = dict(args.strength)
    sets = Sets(args)
    names, notes = available(sets, args)
    judge = Judge(sets, Cache(args.keep), trained_on(args.trained_on, args.trained_worlds))
    sheets = Sheets(args.save, args.save_clips) if args.save else None
    judged = {name: Judged(name, judge) for name in names}
    starts = range(0, max(map(sets.count, names)), args.batch)
    for start in progress(starts, len(starts), "batches of each set"):
        for name, one in judged.items():
            for index in range(start, min(start + args.batch, sets.count(name))):
                if sheets is not None and index < sheets.most:
                    sheets.add(name, index, sets.clip(name, index), sets.direction(name, index))
            one.add_batch(range(start, min(start + args.batch, sets.count(name))))
    if sheets is not None:
        sheets.write()
    result, text = written(args, sets, judged, notes)
    write_result(NAME, result, text, args.out)


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--weights", default="demo", help="folder with both pipelines")
    add("--sets", nargs="+", choices=SETS, default=list(SETS))
    add(
        "--clips", type=int, default=64, metavar="N", help="of each undirected set and of the truth"
    )
    add("--directed", type=int, default=64, metavar="N", help="clips of each directed set")
    add("--small", type=int, default=24, metavar="N", help="true clips that are made small")
    add("--seed", type=int, default=0, help="of generated clips")
    add("--first", type=int, default=0, metavar="K", help="first held-out scene")
    add("--worlds", nargs="+", choices=WORLDS, default=TRAINED_ON[0], help="of the truth, in turns")
    add("--steps", type=int, help="of the diffusion networks")
    add("--audio-steps", type=int, help="of the second stage")
    add(
        "--batch",
        type=int,
        default=4,
        metavar="N",
        help="clips made at once; they share directions",
    )
    add("--people", type=int, nargs="+", default=[1, 2], metavar="N", help="asked for, in turns")
    add("--strength", type=strength, nargs="+", default=[], metavar="CONDITION=W")
    add("--bystanders", action="store_true", help="two stages: one person, in a third of clips two")
    add(
        "--judges", nargs="+", choices=JUDGES, default=list(JUDGES), help="of people; first: of all"
    )
    add("--judge-weights", default="demo", help="of the detectors")
    add("--trained-on", type=int, default=0, metavar="N", help="training clips compared; 0: none")
    add("--trained-worlds", nargs="+", choices=WORLDS, default=TRAINED_ON[0])
    add("--save", type=Path, metavar="DIR", help="write clips, sheets and spectrograms")
    add("--save-clips", type=int, default=24, metavar="N", help="of each set")
    add("--keep", type=Path, default=Path("runs") / NAME, metavar="DIR", help="the cache")
    add("--out", type=Path, default=RESULTS)
    return parser


def available(sets: Sets, args: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The sets that these weights can make, and a sentence for what is left out."""
    names = [name for name in SETS if name in args.sets and sets.count(name)]
    notes = []
    for name in [n for n in names if n in DIRECTED]:
        if not sets.takes_direction(name):
            notes.append(f"No set {SETS[name]!r}: these weights were not trained with directions.")
            names.remove(name)
    of_frames = any(name in names for name in ("two_stage", "two_stage_boxes"))
    if args.bystanders and of_frames and not sets.takes_direction("two_stage"):
        notes.append("No bystander is asked for: the video weights take no direction.")
        args.bystanders = False
    for note in notes:
        print(note, file=sys.stderr)
    if not names:
        raise SystemExit("No set is left to measure.")
    return names, notes


def written(
    args: argparse.Namespace, sets: Sets, judged: Mapping[str, Judged], notes: list[str]
) -> tuple[dict[str, Any], str]:
    """The result as JSON and as Markdown."""
    truth = judged.get("ground_truth")
    first, *others = args.judges
    results = {name: one.result(first, truth) for name, one in judged.items()}
    beside = {
        judge: {name: one.evaluated(judge) for name, one in judged.items() if one.has_audio}
        for judge in others
    }
    reached = goals(judged, results, first)
    facts = setting(
        NAME,
        seed=args.seed,
        first=args.first,
        worlds=args.worlds,
        threads=torch.get_num_threads(),
        judges=args.judges,
        bystanders=args.bystanders,
        notes=notes,
    )
    result = {
        "setting": facts,
        "sets": {name: one.to_json() for name, one in results.items()},
        "judged_by": {
            judge: {name: one.to_json() for name, one in them.items()}
            for judge, them in beside.items()
        },
        "goals": reached,
    }
    return result, as_markdown(facts, results, beside, reached)


def as_markdown(
    facts: Mapping[str, Any],
    results: Mapping[str, SetResult],
    beside: Mapping[str, Mapping[str, SetResult]],
    reached: list[dict[str, Any]],
) -> str:
    """The tables: goals, all measures by the first judge, alignment by the others."""
    judge = facts["judges"][0]
    people = "one person, in a third of the clips two" if facts["bystanders"] else "nothing"
    seconds = [format_number(one.facts.get("seconds_a_clip"), 1) for one in results.values()]
    parts = [
        "# Generated clips, undirected and directed",
        provenance(facts),
        f"Truth: held-out scenes of {', '.join(facts['worlds'])} from number {facts['first']} on. "
        f"Generated: seed {facts['seed']}; the two-stage sets are asked for {people}, directed sets "
        "for a sound, a place or path, and people. Intervals (95 %) are bootstraps over clips; n is "
        "the number of clips. What counts as duplicate or missing, and all else, is told in the "
        "command's help text.",
        *facts["notes"],
        *([goals_table(reached)] if reached else []),
        f"People judged by {judge}, sounds by SELD:",
        markdown_table(
            {one.label: one.metrics for one in results.values()},
            first=[["clips", *(str(one.clips) for one in results.values())]],
            last=[["seconds a clip", *seconds]],
        ),
    ]
    for name, them in beside.items():
        parts.append(f"People judged by {name}, sounds by SELD:")
        parts.append(markdown_table({one.label: one.metrics for one in them.values()}))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
