"""`python -m savg dataset ACTION`: build, check and pack sets of clips; see `savg.cli.actions`."""

from __future__ import annotations

import argparse

from savg.cli.actions import add_actions, run_action

HELP = "Build, check, pack and synthesise datasets of clips."

ACTIONS = {
    "build": "savg.cli.dataset.build",
    "check": "savg.cli.dataset.check",
    "pack": "savg.cli.dataset.pack",
    "synth": "savg.cli.dataset.synth",
}
"""Action → its module."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command: those of each action."""
    add_actions(parser, ACTIONS)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action."""
    return run_action(args, ACTIONS)
