"""Commands with actions, `python -m savg COMMAND ACTION`; a table maps actions to modules.

An action is a module with `HELP` (one line), `add_arguments(parser)` and `run(args) -> int`.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping


def add_actions(parser: argparse.ArgumentParser, actions: Mapping[str, str]) -> None:
    """Add the arguments of each action; actions: action → its module."""
    children = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, module in actions.items():
        loaded = importlib.import_module(module)
        child = children.add_parser(name, help=loaded.HELP, description=loaded.HELP)
        loaded.add_arguments(child)


def run_action(args: argparse.Namespace, actions: Mapping[str, str]) -> int:
    """Run the chosen action; returns the exit code."""
    return int(importlib.import_module(actions[args.action]).run(args))
