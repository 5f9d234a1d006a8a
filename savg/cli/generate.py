"""`python -m savg generate`: clips from a seed, written as mp4."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from savg.cli import directing
from savg.errors import SavgError, whole_number
from savg.numerals import integer, number
from savg.paths import writable_folder

HELP = "Generate clips of video and stereo audio."

MOST_TAKES = 64
"""Of one clip; they are kept in memory until the best is known."""

SECOND_STAGE = ("audio_steps", "guidance", "boxes")
"""Options of a pipeline that generates the audio in a stage of its own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    from savg.pipelines.registry import CLIPS

    parser.add_argument("--pipeline", choices=sorted(CLIPS), default="joint")
    parser.add_argument(
        "--weights",
        default="demo",
        metavar="SOURCE",
        help="'demo' (bundled), a pipeline folder, or a Hugging Face repo id",
    )
    parser.add_argument("--num", type=integer, default=1, metavar="N", help="number of clips")
    parser.add_argument("--seed", type=integer, default=0)
    parser.add_argument("--steps", type=integer, metavar="K", help="of the diffusion network")
    parser.add_argument("--superres-steps", type=integer, metavar="K", help="of super-resolution")
    parser.add_argument("--audio-steps", type=integer, metavar="K", help="of the second stage")
    parser.add_argument("--guidance", type=number, metavar="G", help="of the second stage")
    parser.add_argument(
        "--no-boxes", action="store_true", help="do not pass person boxes to the audio model"
    )
    directing.add_arguments(parser)
    parser.add_argument("--sampler", metavar="NAME", help="instead of the pipeline's own")
    parser.add_argument(
        "--takes",
        type=integer,
        metavar="N",
        help="make N clips of the seed for each clip, judge them and write takes.csv",
    )
    parser.add_argument(
        "--keep", choices=("best", "all"), help="which takes to write (default: best)"
    )
    parser.add_argument("--batch-size", type=integer, metavar="B", help="clips computed together")
    parser.add_argument("--device", help="cpu, cuda, … (default: the best there is)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="number format")
    parser.add_argument(
        "--as-published", action="store_true", help="do not flip the frames of mirrored weights"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the files' names as JSON; under torchrun each process prints a line, of its own",
    )


def run(args: argparse.Namespace) -> int:
    """Write DIR/PIPELINE_seedS_NNNN.mp4, each atomically, as soon as it is generated, with its settings
    as the file's comment. N takes of clip i are the seed's clips i·N … i·N + N − 1, each under its own
    number.

    Under `torchrun` each process takes its own GPU, makes its share of the batches and prints what it
    made; as JSON in one line with its number.
    """
    from tqdm import tqdm

    from savg.device import own_device, process, processes
    from savg.pipelines.registry import CLIPS

    _check(args)
    pipeline = CLIPS.load(args.weights, args.pipeline, own_device(args.device), args.dtype)
    print(f"{args.pipeline} pipeline on {pipeline.compute.reason}", file=sys.stderr)
    total = args.num * (args.takes or 1)
    batch = args.batch_size or min(pipeline.batch_size, -(-total // processes()))
    options = _options(args)
    if (direction := options.get("direction")) and (ignored := pipeline.ignored(direction)):
        print(ignored, file=sys.stderr)
    if unlearnt := pipeline.unlearnt(args.steps):
        print(unlearnt, file=sys.stderr)
    clip_rows: list[dict[str, Any]] = []

    def write(clip: Any, index: int) -> None:
        path = args.out / f"{args.pipeline}_seed{args.seed}_{index:04d}.mp4"
        clip.write(path, _settings(args, index, options).to_text())
        clip_rows.append({"file": str(path), "seed": args.seed, "index": index})
        if not args.json:
            tqdm.write(str(path), file=sys.stdout)

    selection = Selection(args, options, write) if args.takes else None
    with tqdm(unit="step", file=sys.stderr) as bar:
        for first in range(process() * batch, total, batch * processes()):
            count = min(batch, total - first)
            clips = pipeline(
                count,
                seed=args.seed,
                first=first,
                steps=args.steps,
                batch_size=batch,
                on_step=_advance(bar, first / total, count / total),
                **options,
            )
            for index, clip in enumerate(clips, first):
                (selection.add if selection else write)(clip, index)
    if selection:
        selection.write_table()
    if args.json:
        summary = {"pipeline": args.pipeline, "weights": args.weights, "clips": clip_rows}
        if processes() > 1:
            summary |= {"process": process(), "processes": processes()}
        sys.stdout.write(json.dumps(summary) + "\n")  # in one piece, as others write there too
    return 0


class Selection:
    """Takes of clips as they are made: judged at once, the best of each written, all in a table."""

    def __init__(
        self, args: argparse.Namespace, options: dict[str, Any], write: Callable[[Any, int], None]
    ) -> None:
        from savg.evaluation.observe import Detectors
        from savg.evaluation.takes import Asked, Take

        direction = options.get("direction")
        self.asked = Asked(direction.sound, direction.x, direction.people) if direction else Asked()
        self.number, self.keep_all, self.write = args.takes, args.keep == "all", write
        self.path = args.out / "takes.csv"
        self.detectors = Detectors.load(device=args.device)
        self.groups: list[list[Take]] = []
        self.clips: dict[int, Any] = {}

    def add(self, clip: Any, index: int) -> None:
        """Judge a take; with the last one of a clip, write the best."""
        from savg.evaluation.takes import best, judge

        if index % self.number == 0:
            self.groups.append([])
            self.clips = {}
        takes = self.groups[-1]
        takes.append(judge(clip, self.detectors, self.asked, index))
        self.clips[index] = clip
        if self.keep_all:
            self.write(clip, index)
        elif len(takes) == self.number:
            kept = best(takes).index
            self.write(self.clips[kept], kept)

    def write_table(self) -> None:
        """takes.csv with every take's scores."""
        from savg.evaluation.takes import write_takes

        write_takes(self.path, self.groups)


def _check(args: argparse.Namespace) -> None:
    """Check the arguments before anything is loaded; SavgError for a wrong one."""
    from savg.device import processes
    from savg.pipelines.registry import CLIPS

    least_of = {"num": 1, "seed": 0, "batch_size": 1}
    least_of |= {"steps": 1, "superres_steps": 1, "audio_steps": 1, "takes": 1}
    for name, least in least_of.items():
        value = getattr(args, name)
        if value is not None:
            whole_number(f"--{name.replace('_', '-')}", value, least)
    options = _options(args)
    unknown = options.keys() - CLIPS[args.pipeline].options if options else set()
    for name in sorted(unknown):
        if name == "direction":
            raise SavgError(
                f"--say, --x and --people: a {args.pipeline} pipeline takes no direction."
            )
        option = "no-boxes" if name == "boxes" else name.replace("_", "-")
        what = "second stage" if name in SECOND_STAGE else "such option"
        raise SavgError(f"--{option}: a {args.pipeline} pipeline has no {what}.")
    if args.keep is not None and args.takes is None:
        raise SavgError("--keep must come with --takes N.")
    if args.takes is not None and (args.takes > MOST_TAKES or processes() > 1):
        raise SavgError(
            f"--takes must be at most {MOST_TAKES} and of one process, got {args.takes} of "
            f"{processes()}."
        )
    if args.guidance is not None and not 0 <= args.guidance < float("inf"):
        raise SavgError(f"--guidance must be ≥ 0, got {args.guidance:g}.")
    writable_folder(args.out, "--out")


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """Given options that not every pipeline has."""
    options = {
        "sampler": args.sampler,
        "superres_steps": args.superres_steps,
        "as_published": args.as_published or None,
        "audio_steps": args.audio_steps,
        "guidance": args.guidance,
        "boxes": False if args.no_boxes else None,
        "direction": directing.direction_of(args),
    }
    return {name: value for name, value in options.items() if value is not None}


def _settings(args: argparse.Namespace, index: int, options: dict[str, Any]) -> Any:
    """What a clip was generated with, to be kept in its file."""
    from savg.pipelines.settings import GenerationSettings

    name = args.weights if args.weights == "demo" else Path(args.weights).name
    plain = {key: value for key, value in options.items() if key != "direction"}
    if "direction" in options:
        plain |= options["direction"].to_options()
    return GenerationSettings(args.pipeline, args.seed, index, args.steps, name, plain)


def _advance(bar: Any, start: float, share: float) -> Any:
    """A callback that updates the bar; steps are counted over all batches."""

    from savg.pipelines.progress import without_preview

    @without_preview
    def on_step(done: int, total: int, _: object) -> None:
        bar.total = round(total / share)
        bar.n = round(bar.total * (start + share * done / total))
        bar.refresh()

    return on_step
