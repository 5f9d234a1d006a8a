"""`python -m savg replicate`: the published evaluation of the published weights, ours beside theirs.

Import, generation as published, metrics of the official mode and then of the standard one, of the
clips as published and of the same with their video flipped back (the published joint network was
trained on mirrored video). Each step leaves files in --out; a second run goes on where one stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savg.errors import SavgError, whole_number
from savg.evaluation.published import published
from savg.evaluation.results_file import RESULTS_JSON, Run, read_run
from savg.folders import videos_in
from savg.json_files import read_object
from savg.numerals import integer
from savg.paths import atomic_file, existing, writable_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from savg.pipelines.joint import JointPipeline

HELP = "Run the published evaluation of published joint weights, and print ours beside theirs."

CLIPS, SEED = 96, 1010
"""Of the published run."""

TRIAL_SAMPLER = "dpmpp_multistep"
"""Where --steps is given: the published adaptive solver takes as many steps as it needs."""

MODES = ("official", "standard")

SETTINGS_JSON = "settings.json"
SETTINGS = ["weights", "data", "num", "seed", "steps", "superres_steps", "batch_size", "dtype"]
"""Arguments that a second run in the same folder must share."""

TABLE, ROW = "savgbench-code", 0
"""The published table with the repository's own run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "--weights",
        required=True,
        metavar="ZIP",
        help="SAVGBench_PretrainedModels_V1.zip, or a folder of a joint pipeline with detectors",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="the evaluation set (…_Evaluation/video_eval), or a folder of videos",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--num", type=integer, default=CLIPS, metavar="N", help="number of clips")
    parser.add_argument("--seed", type=integer, default=SEED)
    parser.add_argument(
        "--steps",
        type=integer,
        metavar="K",
        help="of the joint network, by the multistep solver in place of the adaptive one; to try out",
    )
    parser.add_argument(
        "--superres-steps", type=integer, metavar="K", help="of super-resolution; to try out"
    )
    parser.add_argument("--batch-size", type=integer, metavar="B", help="clips computed together")
    parser.add_argument("--device", help="cpu, cuda, … (default: the best there is)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="of generation")
    parser.add_argument(
        "--networks", metavar="DIR", help="I3D and AudioCLIP, imported by `savg weights import`"
    )
    parser.add_argument("--json", action="store_true", help="print the table as JSON")


def run(args: argparse.Namespace) -> int:
    """Import, generate, evaluate, compare."""
    from savg.features.networks import check_source

    for name, least in {
        "num": 2,
        "seed": 0,
        "steps": 1,
        "superres_steps": 1,
        "batch_size": 1,
    }.items():
        value = getattr(args, name)
        if value is not None:
            whole_number(f"--{name.replace('_', '-')}", value, least)
    if args.networks:
        check_source(args.networks)
    out = writable_folder(args.out, "--out")
    reference = _evaluation_videos(args.data)
    weights = _weights(args.weights, out / "weights")
    sets = _generate(args, weights, out)
    metrics = _metrics(args.networks)
    runs: dict[str, Run] = {}
    for name, folder in sets.items():
        for mode in MODES:
            results = out / "results" / f"{name}_{mode}"
            runs[f"{name}, {mode}"] = _evaluate(
                args, weights, metrics, folder, reference, mode, results
            )
    rows = comparison(runs)
    text = as_markdown(rows, args)
    with atomic_file(out / "replication.md") as part:
        part.write_text(text, encoding="utf-8")
    with atomic_file(out / "replication.json") as part:
        part.write_text(json.dumps(rows, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(json.dumps(rows, allow_nan=False) if args.json else text)
    return 0


def _evaluation_videos(folder: Path) -> Path:
    """The folder of the reference's videos: that of the evaluation split, or the folder itself."""
    from savg.data.savgbench import find_split, splits_in

    existing(folder, "folder")
    if splits_in(folder):
        root, split = find_split(folder, "eval")
        return root / f"video_{split}"
    if not videos_in(folder):
        raise SavgError(f"{folder} must hold videos, or video_eval with the evaluation set.")
    return folder


def _weights(source: str, folder: Path) -> str:
    """The pipeline's folder: imported from a zip (once), or the source itself."""
    from savg.hub import PIPELINE_FILE

    if not source.lower().endswith(".zip"):
        return source
    if not (folder / PIPELINE_FILE).is_file():
        from savg.cli.weights import import_files

        print(f"Importing {source} …", file=sys.stderr)
        written, problems = import_files([Path(source)], folder)
        if problems or "pipeline" not in written:
            raise (
                problems[0]
                if problems
                else SavgError(
                    f"{source} must hold all four networks of the published joint method, got "
                    f"{', '.join(written) or 'none'}."
                )
            )
    return str(folder)


def _keep_settings(args: argparse.Namespace, out: Path) -> None:
    """Note what the clips in a folder are made of; SavgError where it holds those of other settings."""
    path = out / SETTINGS_JSON
    own = {
        name: str(value) if isinstance(value := getattr(args, name), Path) else value
        for name in SETTINGS
    }
    earlier = read_object(path) if path.is_file() else own
    for name, value in own.items():
        if earlier.get(name) != value:
            raise SavgError(
                f"{out} holds a replication with --{name.replace('_', '-')} {earlier.get(name)}, not "
                f"{value}: name another folder with --out."
            )
    with atomic_file(path) as part:
        part.write_text(json.dumps(own, indent=1) + "\n", encoding="utf-8")


def _generate(args: argparse.Namespace, weights: str, out: Path) -> dict[str, Path]:
    """The folders of the clips, as published and (of mirrored weights) flipped back; clips that are
    there from an earlier run are not generated again."""
    from tqdm import tqdm

    from savg.clip import Clip
    from savg.pipelines.joint import JointPipeline

    pipeline = JointPipeline.from_pretrained(weights, args.device, args.dtype)
    _keep_settings(args, out)
    names = ["as_published", *(["flipped_back"] if pipeline.mirrored else [])]
    sets = {name: out / "clips" / name for name in names}
    batch = args.batch_size or pipeline.batch_size
    for first in tqdm(range(0, args.num, batch), unit="batch", file=sys.stderr):
        count = min(batch, args.num - first)
        files = {
            name: [place / f"{index:04d}.mp4" for index in range(first, first + count)]
            for name, place in sets.items()
        }
        if all(file.is_file() for own in files.values() for file in own):
            continue
        clips = _clips(args, pipeline, first, count, batch)
        for number, clip in enumerate(clips):
            clip.write(files["as_published"][number])
            if pipeline.mirrored:
                Clip(_flipped(clip.video), clip.audio, clip.format).write(
                    files["flipped_back"][number]
                )
    return sets


def _clips(
    args: argparse.Namespace, pipeline: JointPipeline, first: int, count: int, batch: int
) -> Sequence[Any]:
    return pipeline(
        count,
        seed=args.seed,
        first=first,
        steps=args.steps,
        sampler=None if args.steps is None else TRIAL_SAMPLER,
        batch_size=batch,
        as_published=True,
        superres_steps=args.superres_steps,
    )


def _flipped(video: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import numpy as np

    return np.ascontiguousarray(video[:, :, ::-1])


def _evaluate(
    args: argparse.Namespace,
    weights: str,
    metrics: Sequence[str],
    clips: Path,
    reference: Path,
    mode: str,
    out: Path,
) -> Run:
    """One evaluation by `evaluate`, or its results of an earlier run by the same metrics."""
    from savg.cli import build_parser
    from savg.cli.evaluate import run as evaluate

    if (out / RESULTS_JSON).is_file():
        earlier = read_run(out)
        if set(earlier.generated.metrics) == set(metrics):
            return earlier
    command = ["evaluate", "--generated", str(clips), "--reference", str(reference)]
    command += ["--mode", mode, "--out", str(out), "--weights", weights, "--no-baselines"]
    command += ["--metrics", *metrics]
    command += ["--networks", args.networks] if args.networks else []
    command += ["--device", args.device] if args.device else []
    print(f"Evaluating {clips.name}, {mode} mode …", file=sys.stderr)
    with redirect_stdout(sys.stderr):  # the table alone is this command's result
        evaluate(build_parser().parse_args(command))
    return read_run(out)


def _metrics(networks: str | None) -> list[str]:
    """The benchmark's five metrics; those whose network is not here are left out with a sentence."""
    from savg.features.networks import missing_network

    names = list(published().table(TABLE).metrics.values())
    for kind, needed in {"i3d": ("fvd", "kvd"), "audioclip": ("fad-audioclip",)}.items():
        if reason := missing_network(kind, networks):
            print(f"{' and '.join(needed)} left out: {reason}", file=sys.stderr)
            names = [name for name in names if name not in needed]
    return names


def comparison(runs: Mapping[str, Run]) -> dict[str, Any]:
    """Values by row (theirs first) and metric, each {"value", "low", "high"}; ready for JSON."""
    table = published().table(TABLE)
    theirs = table.rows[ROW]
    columns = {name: column for column, name in table.metrics.items()}
    rows: dict[str, dict[str, Any]] = {
        f"{theirs.name} (published)": {
            name: {"value": theirs.values[column], "low": None, "high": None}
            for name, column in columns.items()
        }
    }
    for label, one in runs.items():
        rows[label] = {
            name: {"value": result.value, "low": result.low, "high": result.high}
            for name, result in one.generated.metrics.items()
            if name in columns
        }
    clips = {label: one.generated.clips for label, one in runs.items()}
    return {"columns": columns, "rows": rows, "clips": clips, "notes": list(table.notes)}


def as_markdown(rows: Mapping[str, Any], args: argparse.Namespace) -> str:
    """The table of `comparison`, with what must stand beside it."""
    columns = rows["columns"]
    lines = [["", *columns.values()], ["---"] * (len(columns) + 1)]
    for label, values in rows["rows"].items():
        lines.append([label, *(_cell(values.get(name)) for name in columns)])
    tried = [
        f"--{name.replace('_', '-')} {getattr(args, name)}"
        for name in ("steps", "superres_steps")
        if getattr(args, name) is not None
    ]
    notes = [
        "Official and standard numbers are not compared with each other; intervals are 95 %.",
        *([f"Generated with {', '.join(tried)}: not the published sampling."] if tried else []),
        *([] if args.num == CLIPS else [f"{args.num} clips instead of the published {CLIPS}."]),
        *rows["notes"],
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"# Replication\n\n{table}\n\n" + "\n".join(f"- {note}" for note in notes) + "\n"


def _cell(value: Mapping[str, Any] | None) -> str:
    if value is None or value["value"] is None:
        return "–"
    shown = f"{value['value']:.4g}"
    if value["low"] is None:
        return shown
    return f"{shown} ({value['low']:.4g}…{value['high']:.4g})"
