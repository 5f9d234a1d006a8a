"""Commands with actions, `python -m savg COMMAND ACTION`; a table maps actions to modules.

An action is a module with `HELP` (one line), `add_arguments(parser)` and `run(args) -> int`. What is
slow to import is imported in its functions, so that `--help` of all is fast.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable, Mapping
from typing import Any


class LazyParser(argparse.ArgumentParser):
    """A parser that is given its arguments by `fill(parser)` when it first parses or shows help."""

    def __init__(
        self, *, fill: Callable[[argparse.ArgumentParser], None] | None = None, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self._fill = fill

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As of `ArgumentParser`; `parse_args` calls it too."""
        if self._fill is not None:
            fill, self._fill = self._fill, None
            fill(self)
        return super().parse_known_args(args, namespace)


def add_actions(
    parser: argparse.ArgumentParser, actions: Mapping[str, str], *, name: str = "action"
) -> None:
    """Add a parser for each action, filled in when it is used.

    Args:
        parser: gets them.
        actions: action → its module.
        name: attribute of the parsed arguments that tells the action.
    """
    children = parser.add_subparsers(
        dest=name, required=True, metavar=name.upper(), parser_class=LazyParser
    )
    for action, module in actions.items():
        loaded = importlib.import_module(module)
        children.add_parser(
            action, help=loaded.HELP, description=loaded.HELP, fill=loaded.add_arguments
        )


def run_action(args: argparse.Namespace, actions: Mapping[str, str]) -> int:
    """Run the chosen action; returns the exit code."""
    return int(importlib.import_module(actions[args.action]).run(args))
