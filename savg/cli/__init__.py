"""The command line: `python -m savg COMMAND …`.

A command is a module with `HELP` (one line), `add_arguments(parser)` and `run(args) -> int` (the exit
code). Errors of the user are SavgErrors: one sentence on standard error, exit code 1. Wrong usage exits
with 2, success with 0, SIGTERM with 143.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from savg import __version__
from savg.cli.actions import add_actions
from savg.command import run_command

COMMANDS = {
    "generate": "savg.cli.generate",
    "v2a": "savg.cli.v2a",
    "annotate": "savg.cli.annotate",
    "evaluate": "savg.cli.evaluate",
    "check-channels": "savg.cli.check_channels",
    "replicate": "savg.cli.replicate",
    "score-seld": "savg.cli.score_seld",
    "compare": "savg.cli.compare",
    "compose": "savg.cli.compose",
    "dataset": "savg.cli.dataset",
    "mos": "savg.cli.mos",
    "weights": "savg.cli.weights",
    "space": "savg.cli.space",
}
"""Command → its module, whose slow imports stand in its functions, so that every `--help` is fast."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; a command's own arguments are added when it is parsed."""
    parser = argparse.ArgumentParser(
        prog="python -m savg",
        description="Generate spatially aligned clips, annotate and evaluate them.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    add_actions(parser, COMMANDS, name="command")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = build_parser().parse_args(argv)
    return run_command(lambda: int(importlib.import_module(COMMANDS[args.command]).run(args)))
