"""`python -m savg space deploy`: write the folder of a Space and push it to the Hub."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from savg.errors import SavgError
from savg.paths import writable_folder

if TYPE_CHECKING:
    from savg.space.plan import SpacePlan

HELP = "Write what a Space needs and push it to Hugging Face."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""
    from savg.space.hardware import HARDWARE

    add = parser.add_argument
    add("name", metavar="USER/NAME", help="of the Space")
    add(
        "--hardware",
        choices=list(HARDWARE),
        default="cpu-basic",
        help="what it runs on (default: cpu-basic); --dry-run tells what it costs",
    )
    add(
        "--weights",
        action="append",
        default=[],
        metavar="SOURCE",
        help="a pipeline folder or a Hugging Face repo id, beside the bundled weights; may be repeated",
    )
    add(
        "--study",
        type=Path,
        metavar="DIR",
        help="a listening test: it goes to the private dataset, never to the Space's own files",
    )
    add(
        "--dataset",
        metavar="USER/NAME",
        help="the private dataset of listening tests (default with --study: the Space's name and "
        "-listening)",
    )
    add(
        "--secret",
        action="append",
        default=[],
        metavar="NAME",
        help="set a secret to the value of this environment variable; may be repeated",
    )
    add("--private", action="store_true", help="only its owner may open it")
    add("--out", type=Path, metavar="DIR", help="keep the written folder here")
    add("--dry-run", action="store_true", help="write and tell everything, send nothing")


def run(args: argparse.Namespace) -> int:
    """Write the folder, say what it costs and what is public, and push it unless it is a dry run."""
    from savg.space.folder import write_space
    from savg.space.hardware import hardware_of
    from savg.space.plan import SpacePlan

    dataset = args.dataset or (f"{args.name}-listening" if args.study else "")
    plan = SpacePlan.of(
        args.name, hardware_of(args.hardware), args.weights, dataset, private=args.private
    )
    names = list(dict.fromkeys([*plan.secrets, *args.secret]))
    secrets = {} if args.dry_run else _values(names, os.environ)
    if args.study is not None:
        _check_study(args.study)
    with _folder(args.out) as folder:
        files = write_space(plan, folder)
        size = sum((folder / file).stat().st_size for file in files)
        where = f", in {folder}" if args.out else ""
        print(f"Space {plan.name}: {len(files)} files, {size / 1e6:.1f} MB{where}")
        print(f"Hardware {plan.hardware.name} ({plan.hardware.about}): {plan.hardware.cost}")
        for sentence in plan.public_words:
            print(f"- {sentence}")
        if args.dry_run:
            _tell(names, args.study, dataset)
            return 0
        return _deploy(plan, folder, secrets, args.study)


def _deploy(plan: SpacePlan, folder: Path, secrets: Mapping[str, str], study: Path | None) -> int:
    from savg.space.deploy import deploy, push_study

    def say(sentence: str) -> None:
        print(sentence, file=sys.stderr)

    if study is not None:
        say(f"{study} is pushed to the private dataset {plan.dataset} …")
        push_study(study, plan.dataset)
    print(deploy(plan, folder, secrets, say))
    return 0


def _tell(secrets: Sequence[str], study: Path | None, dataset: str) -> None:
    """What a dry run leaves undone."""
    if study is not None:
        print(f"Not sent: {study} to the private dataset {dataset}")
    if secrets:
        print(f"Not set: the secrets {', '.join(secrets)}")
    print("Dry run: nothing was sent.")


def _values(names: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Secrets by name; SavgError names those that the environment lacks."""
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise SavgError(
            f"Secrets are read from environment variables: set {', '.join(missing)} first (HF_TOKEN "
            "should be a fine-grained token that may write the listening tests' dataset alone)."
        )
    return {name: environment[name] for name in names}


def _check_study(study: Path) -> None:
    if not (study / "study.json").is_file():
        raise SavgError(f"{study} is no listening test: expected a study.json there.")


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    """Where the Space is written: DIR of --out, else a temporary folder."""
    if out is not None:
        writable_folder(out, "--out")
        yield out
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "space"
