"""`python -m savg space ACTION`: the studio as a Hugging Face Space; see `savg.cli.actions`."""

from __future__ import annotations

import argparse

from savg.cli.actions import add_actions, run_action

HELP = "Put the studio on Hugging Face as a Space."

ACTIONS = {"deploy": "savg.cli.space.deploy"}
"""Action → its module."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command: those of each action."""
    add_actions(parser, ACTIONS)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action."""
    return run_action(args, ACTIONS)
