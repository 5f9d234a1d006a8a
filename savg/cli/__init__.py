"""The command line: `python -m savg COMMAND …`.

A command is a module with `HELP` (one line), `add_arguments(parser)` and `run(args) -> int` (the exit
code). Errors of the user are SavgErrors: one sentence on standard error, exit code 1. Wrong usage exits
with 2, success with 0.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from savg import __version__
from savg.errors import Cancelled, SavgError

COMMANDS = {
    "generate": "savg.cli.generate",
    "v2a": "savg.cli.v2a",
    "annotate": "savg.cli.annotate",
    "evaluate": "savg.cli.evaluate",
    "compose": "savg.cli.compose",
    "dataset": "savg.cli.dataset",
    "mos": "savg.cli.mos",
    "weights": "savg.cli.weights",
}
"""Command → its module, which is imported only for its own command, so that `--help` is fast."""


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands; only `command`'s own arguments are filled in (None: all)."""
    parser = argparse.ArgumentParser(
        prog="python -m savg",
        description="Generate spatially aligned clips, annotate and evaluate them.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        if command is None or command == name:
            loaded = importlib.import_module(module)
            child = commands.add_parser(name, help=loaded.HELP, description=loaded.HELP)
            loaded.add_arguments(child)
        else:
            commands.add_parser(name)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments and arguments[0] in COMMANDS else None
    args = build_parser(command).parse_args(arguments)
    try:
        return importlib.import_module(COMMANDS[args.command]).run(args)
    except SavgError as error:
        print(f"error: {error}", file=sys.stderr)
    except (KeyboardInterrupt, Cancelled):
        print("Stopped.", file=sys.stderr)
    except BrokenPipeError:
        sys.stderr.close()
    except MemoryError:
        print("error: There is not enough memory; try fewer clips at a time.", file=sys.stderr)
    except OSError as error:
        prefix = f"{error.filename}: " if error.filename else ""
        print(f"error: {prefix}{error.strerror or error}.", file=sys.stderr)
    return 1
