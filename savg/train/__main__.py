"""`python -m savg.train RECIPE …` trains or resumes; `python -m savg.train export RUN --out DIR`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from savg.command import run_command
from savg.errors import SavgError
from savg.extras import import_extra
from savg.numerals import integer, number
from savg.paths import writable_folder
from savg.train.recipe import get_recipe, override, recipe_names


def build_parser() -> argparse.ArgumentParser:
    """The parser of all recipes and of `export`."""
    parser = argparse.ArgumentParser(prog="python -m savg.train", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="RECIPE")
    for name in recipe_names():
        child = commands.add_parser(name, help=f"train or resume {name}")
        _training_arguments(child)
    child = commands.add_parser(
        "export",
        help="averaged weights of a run as a component, or (--pipeline) as a whole pipeline",
    )
    child.add_argument("run", type=Path, metavar="RUN")
    child.add_argument("--out", type=Path, required=True, metavar="DIR")
    child.add_argument(
        "--pipeline",
        nargs="?",
        const="demo",
        metavar="SOURCE",
        help="write a whole pipeline that `savg generate --weights` takes, with the other parts of this"
        " one ('demo' unless given)",
    )
    child.add_argument(
        "--dtype",
        choices=("float16", "bfloat16", "float32", "int8"),
        default="float16",
        help="of the weights in the file (float16); int8 has a scale for each output channel",
    )
    return parser


def _training_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--config", default="demo", help="full, demo or tiny (default: demo)")
    add("--data", default="synthetic", help="'synthetic' (default) or a folder of training data")
    add("--out", type=Path, metavar="RUN", help="folder of the run")
    add("--init", metavar="DIR", help="component folder whose weights a new run starts from")
    add("--steps", type=integer, help="last step (also the end of the learning-rate schedule)")
    add("--finish", type=integer, metavar="N", help="end after N steps of falling learning rate")
    add("--batch", type=integer, help="samples per step over all processes")
    add("--max-minutes", type=number, help="write a checkpoint and stop after this time")
    add("--stop-at", type=integer, metavar="STEP", help="write a checkpoint and stop at this step")
    add("--threads", type=integer, help="CPU threads")
    add("--precision", choices=("bfloat16", "float32"), help="default: chosen for this machine")
    add("--device", help="default: the first accelerator, else the CPU")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    add(
        "--list-settings",
        action="store_true",
        help="show what --set takes, with type, value and meaning, and end",
    )
    add("--fresh", action="store_true", help="remove the run's checkpoints and logs first")
    add("--compile", action="store_true", help="compile the network's blocks, for GPUs")
    add("--wandb", metavar="PROJECT", help="show the run in Weights & Biases too")
    add("--quiet", action="store_true", help="no progress bar")


def run_training(args: argparse.Namespace) -> int:
    """Train one recipe by the parsed arguments of its command; returns the exit code."""
    import torch

    import_extra("accelerate", "Training")
    from savg.train.bundle import describe
    from savg.train.loop import Session, train

    if args.threads is not None:
        if args.threads < 1:
            raise SavgError(f"--threads must be ≥ 1, got {args.threads}.")
        torch.set_num_threads(args.threads)
    changes = [*_earlier_end(args), *_asked(args), *_ending(args)]
    recipe = override(get_recipe(args.command, args.config), changes)
    for folder in (args.out, args.out / "checkpoints", args.out / "data"):
        writable_folder(folder, "--out")
    if args.fresh:
        for name in ("checkpoints", "samples", "tensorboard"):
            shutil.rmtree(args.out / name, ignore_errors=True)
        for name in ("log.csv", "scores.csv"):
            (args.out / name).unlink(missing_ok=True)
    args.out.mkdir(parents=True, exist_ok=True)
    describe(args.out, args.command, args.config, args.data, recipe, changes, args.init)
    session = Session(
        args.out,
        args.data,
        args.precision,
        args.device,
        args.max_minutes,
        args.stop_at,
        args.quiet,
        args.init,
        args.compile,
        args.wandb,
    )
    step = train(recipe, session)
    end = recipe.optim.steps
    past = f"past the last step, {end}: --steps makes it go on" if step > end else f"of {end}"
    print(f"{args.out}: step {step} {past}.", file=sys.stderr)
    return 0


def _asked(args: argparse.Namespace) -> list[str]:
    """The changes of settings that the arguments ask for."""
    changes = [f"optim.{k}={v}" for k in ("steps", "batch") if (v := getattr(args, k)) is not None]
    return [*changes, *args.set]


def _earlier_end(args: argparse.Namespace) -> list[str]:
    """The last step of a run that goes on without being given another: the one it was told before."""
    from savg.train import checkpoint as checkpoints
    from savg.train.bundle import earlier_steps

    if args.steps is not None or args.finish is not None or args.fresh:
        return []
    steps = earlier_steps(args.out) if checkpoints.folders(args.out) else None
    return [] if steps is None else [f"optim.steps={steps}"]


def _ending(args: argparse.Namespace) -> list[str]:
    """The settings of a run that ends `--finish` steps after its newest checkpoint."""
    from savg.train import checkpoint as checkpoints

    if args.finish is None:
        return []
    if args.finish < 1 or args.steps is not None or args.fresh:
        raise SavgError("--finish must be ≥ 1, without --steps and --fresh.")
    newest = checkpoints.newest(args.out, lambda sentence: None)  # the run itself says it
    last_step = newest.step if newest else 0
    return [f"optim.steps={last_step + args.finish}", f"optim.cooldown={args.finish}"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.command == "export":
        return run_command(lambda: run_export(args))
    if args.list_settings:
        return run_command(lambda: list_settings(args))
    if args.out is None:
        parser.error("the following arguments are required: --out")
    return run_command(lambda: run_training(args))


def list_settings(args: argparse.Namespace) -> int:
    """Print the settings that a run by these arguments would have; returns the exit code."""
    from savg.train.settings import listing

    print(listing(override(get_recipe(args.command, args.config), _asked(args))))
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Write the component folder of a run; returns the exit code."""
    from savg.train.bundle import export
    from savg.train.pipeline_folder import export_pipeline, has_pipeline

    writable_folder(args.out, "--out")
    if args.pipeline is None:
        print(export(args.run, args.out, args.dtype))
        if has_pipeline(args.run):
            print(
                "With --pipeline it is a whole pipeline, which generate and v2a take.",
                file=sys.stderr,
            )
    else:
        print(export_pipeline(args.run, args.out, args.dtype, args.pipeline))
    return 0


if __name__ == "__main__":
    sys.exit(main())
