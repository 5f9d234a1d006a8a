"""What fewer steps cost: `python -m benchmarks.few_steps`.

A row is a pipeline, a sampler and a number of steps, written PIPELINE:SAMPLER:STEPS. The steps are
those of the network that makes the frames; the audio of two stages keeps its own. All rows of a
pipeline start from the same noise, so that the difference of their alignment from that of the
pipeline's own sampler (the row `default`) is one of pairs. Clips whose people and sounds are all in
the middle are aligned by chance: the baselines and the spread of the panning tell.

Where sounds are is judged by the bundled SELD, where people are by NanoDet. Rows take turns batch by
batch, and seconds are told as multiples of the default's in the same run; evaluations of the network
depend on no machine. What was judged is cached in a folder, so that an interrupted run continues, with
the seconds of what it still makes.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.generated_sets import Sets
from benchmarks.judging import Judge, Judged
from benchmarks.synthetic import TRAINED_ON, WORLDS, progress
from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.cache import Cache, digest
from savg.evaluation.report import markdown_rows
from savg.evaluation.result_files import RESULTS, SetResult, provenance, setting, write_result
from savg.metrics.base import MetricResult, format_number
from savg.metrics.looks import EDGES
from savg.metrics.paired import share_difference
from savg.metrics.people_count import WRONG_PEOPLE
from savg.numerals import integer
from savg.pipelines.sampling import SamplerConfig

NAME, JUDGE = "few_steps", "nanodet"
ALIGNMENT = "spatial_av_align"

PIPELINES = {"joint": "joint", "two_stage": "two_stage_boxes"}
"""Pipeline → its set in `generated_sets`."""

SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "default": ("as described", {}),
    "dpmpp1": ("DPM-Solver++ of order 1, even in log-SNR", {"order": 1}),
    "dpmpp2": ("DPM-Solver++ of order 2, even in log-SNR", {"order": 2}),
    "dpmpp3": ("DPM-Solver++ of order 3, even in log-SNR", {"order": 3}),
    "dpmpp2_time": (
        "DPM-Solver++ of order 2, even in time",
        {"order": 2, "spacing": "time_uniform"},
    ),
    "dpm2": ("DPM-Solver of order 2, single steps", {"name": "dpm_singlestep", "order": 2}),
    "ddim": ("DDIM, even in time", {"name": "ddim"}),
}
"""Name → what tables call it, and its settings beside those of the pipeline."""

ROWS = [
    f"{pipeline}:{row}"
    for pipeline in PIPELINES
    for row in ("default", "dpmpp2:16", "dpmpp2:12", "dpmpp2:8", "dpmpp2:6", "dpmpp2:4", "dpmpp3:8",
                "dpmpp2_time:8", "dpm2:8", "ddim:8")
]  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A pipeline, a sampler of SAMPLERS, and its steps (None: the pipeline's own)."""

    pipeline: str
    sampler: str
    steps: int | None = None

    @classmethod
    def of(cls, text: str) -> Row:
        """A row as the command line takes it."""
        pipeline, _, rest = text.partition(":")
        sampler, _, steps = rest.partition(":")
        if pipeline not in PIPELINES or sampler not in SAMPLERS or (sampler == "default") == bool(
            steps
        ):  # fmt: skip
            raise argparse.ArgumentTypeError(
                f"a row must be PIPELINE:default or PIPELINE:SAMPLER:STEPS, PIPELINE one of "
                f"{', '.join(PIPELINES)} and SAMPLER one of {', '.join(SAMPLERS)}, got {text!r}"
            )
        return cls(pipeline, sampler, integer(steps) if steps else None)

    def __str__(self) -> str:
        return ":".join(map(str, filter(None, (self.pipeline, self.sampler, self.steps))))

    def config(self, own: SamplerConfig) -> SamplerConfig:
        """The sampler of the row, where the pipeline's is `own`."""
        changes = SAMPLERS[self.sampler][1]
        return replace(own, **changes, **({} if self.steps is None else {"steps": self.steps}))


class RowSets(Sets):
    """The clips of one row; networks are those of `shared`."""

    def __init__(self, shared: Sets, row: Row) -> None:
        super().__init__(shared.args)
        self.evaluations: dict[int, int] = {}
        if row.pipeline == "joint":
            self.frames = replace(shared.joint, sampler=row.config(shared.joint.sampler))
            self.joint = self.frames
        else:
            whole, video = shared.two_stage, shared.two_stage.video
            self.frames = replace(video, sampler=row.config(video.sampler))
            self.two_stage = replace(whole, video=self.frames)

    def key(self, name: str, index: int, video: bool = False) -> str:
        return digest([super().key(name, index, video), asdict(self.frames.sampler)])

    def _generate(self, name: str, numbers: Sequence[int]) -> list[Clip]:
        """The clips; counts the evaluations of the network that makes the frames."""
        calls: list[int] = []
        handle = self.frames.network.register_forward_hook(lambda *_: calls.append(1))
        try:
            return super()._generate(name, numbers)
        finally:
            handle.remove()
            self.evaluations[numbers[0]] = len(calls)


def main() -> None:
    """Measure, print and write."""
    args = build_parser().parse_args()
    rows = list(dict.fromkeys(args.rows))
    shared = Sets(args)
    judge = Judge(shared, Cache(args.keep))
    truth = Judged("ground_truth", judge)
    sets = {row: RowSets(shared, row) for row in rows}
    judged = {row: Judged(PIPELINES[row.pipeline], _judge_of(judge, sets[row])) for row in rows}
    starts = range(0, args.clips, args.batch)
    for start in progress(starts, len(starts), "batches of each row"):
        numbers = range(start, min(start + args.batch, args.clips))
        for one in (truth, *judged.values()):
            one.add_batch(numbers)
    results = {row: _result(row, one, sets[row], truth) for row, one in judged.items()}
    differences = {
        row: _difference(one, judged.get(Row(row.pipeline, "default")))
        for row, one in judged.items()
    }
    facts = setting(
        NAME,
        seed=args.seed,
        first=args.first,
        worlds=args.worlds,
        threads=torch.get_num_threads(),
        clips=args.clips,
    )
    named = {"ground_truth": truth.result(JUDGE, truth)} | {str(r): x for r, x in results.items()}
    result = {
        "setting": facts,
        "sets": {name: one.to_json() for name, one in named.items()},
        "differences": {str(row): value for row, value in differences.items()},
    }
    text = as_markdown(facts, named["ground_truth"], results, differences)
    write_result(NAME, result, text, args.out)


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--weights", default="demo", help="folder with the pipelines")
    add(
        "--rows",
        nargs="+",
        type=Row.of,
        default=[Row.of(row) for row in ROWS],
        metavar="PIPELINE:SAMPLER:STEPS",
        help=f"samplers: {', '.join(SAMPLERS)}; PIPELINE:default has the pipeline's own",
    )
    add("--clips", type=int, default=64, metavar="N", help="of each row and of the truth")
    add("--seed", type=int, default=0, help="of generated clips")
    add("--first", type=int, default=0, metavar="K", help="first held-out scene")
    add("--worlds", nargs="+", choices=WORLDS, default=TRAINED_ON[0], help="of the truth, in turns")
    add("--audio-steps", type=int, help="of the second stage")
    add("--batch", type=int, default=4, metavar="N", help="clips made at once")
    add("--judge-weights", default="demo", help="of the detectors")
    add("--keep", type=Path, default=Path("runs") / NAME, metavar="DIR", help="the cache")
    add("--out", type=Path, default=RESULTS)
    own = {"directed": 0, "small": 0, "steps": None, "bystanders": False, "people": [1]}
    parser.set_defaults(**own, strength={}, judges=[JUDGE])
    return parser


def _judge_of(judge: Judge, sets: Sets) -> Judge:
    """The same detectors and cache for other sets."""
    own = copy.copy(judge)
    own.sets = sets
    return own


def _result(row: Row, judged: Judged, sets: RowSets, truth: Judged) -> SetResult:
    """The measures of a row, with its sampler and evaluations of the network a batch."""
    result = judged.result(JUDGE, truth)
    facts = {"sampler": asdict(sets.frames.sampler), **result.facts}
    if sets.evaluations:
        facts["evaluations"] = max(sets.evaluations.values())
    return replace(result, label=str(row), facts=facts)


def _difference(judged: Judged, default: Judged | None) -> dict[str, Any] | None:
    """Alignment minus that of the default with an interval over pairs of clips."""
    if default is None or default is judged:
        return None
    pairs = (one.alignment_counts(JUDGE, ALIGNMENT) for one in (judged, default))
    difference = share_difference(*pairs)
    return None if difference is None else asdict(difference)


def as_markdown(
    facts: Mapping[str, Any],
    truth: SetResult,
    results: Mapping[Row, SetResult],
    differences: Mapping[Row, dict[str, Any] | None],
) -> str:
    """The table: a row for each sampler and number of steps."""
    heads = ["pipeline", "sampler", "steps", "evaluations", "seconds of the default's",
             "Spatial AV-Align", "chance: centre, swapped, shuffled", "minus the default's",
             "pan spread", "sound to person px", "frames with a person", "edges inside people",
             "duplicate or missing people"]  # fmt: skip
    lines = [heads, ["---"] * len(heads), ["truth", *["–"] * 4, *_measures(truth, None)]]
    for row, result in results.items():
        sampler = result.facts["sampler"]
        own = f"{SAMPLERS[row.sampler][0]}" + (f": {sampler['name']}" * (row.steps is None))
        lines.append(
            [
                row.pipeline,
                own,
                str(sampler["steps"]),
                str(result.facts.get("evaluations", "–")),
                _ratio(row, results),
                *_measures(result, differences[row]),
            ]
        )
    return "\n\n".join(
        [
            "# Steps and samplers",
            provenance(facts),
            f"{facts['clips']} clips of each row, seed {facts['seed']}; truth: as many held-out "
            f"scenes of {', '.join(facts['worlds'])} from number {facts['first']} on. People judged "
            "by NanoDet, sounds by SELD. Intervals (95 %) are bootstraps over clips, those of "
            "differences over pairs of clips from the same noise. Evaluations are of the network "
            "that makes the frames, guidance included; seconds are of whole clips, rows in turns "
            f"on {facts['threads']} thread(s), – where all clips came from the cache.",
            markdown_rows(lines),
        ]
    ) + "\n"  # fmt: skip


def _measures(result: SetResult, difference: dict[str, Any] | None) -> list[str]:
    """Cells of a row's measures."""
    alignment = result.metrics[ALIGNMENT]
    chance = (format_number(alignment.nulls.get(k), 2) for k in ("centre", "swapped", "shuffled"))
    minus = "–"
    if difference is not None:
        minus = _interval(difference["value"], difference["low"], difference["high"])
    names = ("pan_spread", "pixel_error", "person_share", EDGES, WRONG_PEOPLE)
    return [
        _cell(alignment),
        ", ".join(chance),
        minus,
        *(_cell(result.metrics.get(name)) for name in names),
    ]


def _cell(result: MetricResult | None) -> str:
    return "–" if result is None else _interval(result.value, result.low, result.high)


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    between = "" if low is None or high is None else f" ({low:.2f}…{high:.2f})"
    return format_number(value, 2) + between


def _ratio(row: Row, results: Mapping[Row, SetResult]) -> str:
    """Seconds a clip as a multiple of those of the pipeline's default."""
    default = results.get(Row(row.pipeline, "default"))
    seconds = [one.facts.get("seconds_a_clip") if one else None for one in (results[row], default)]
    if None in seconds:
        return "–"
    return format_number(float(seconds[0]) / float(seconds[1]), 2)  # type: ignore[arg-type]


if __name__ == "__main__":
    try:
        main()
    except SavgError as error:
        raise SystemExit(str(error)) from error
