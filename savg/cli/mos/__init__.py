"""`python -m savg mos ACTION`: make listening tests and report what came of them.

An action is a module with `HELP` (one line), `add_arguments(parser)` and `run(args) -> int`.
"""

from __future__ import annotations

import argparse
import importlib

HELP = "Make and analyse listening tests over headphones."

ACTIONS = {"create": "savg.cli.mos.create", "report": "savg.cli.mos.report"}
"""Action → its module."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command: those of each action."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, module in ACTIONS.items():
        loaded = importlib.import_module(module)
        child = actions.add_parser(name, help=loaded.HELP, description=loaded.HELP)
        loaded.add_arguments(child)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action."""
    return int(importlib.import_module(ACTIONS[args.action]).run(args))
