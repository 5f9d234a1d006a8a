"""`python -m savg mos ACTION`: make and report listening tests; see `savg.cli.actions`."""

from __future__ import annotations

import argparse

from savg.cli.actions import add_actions, run_action
from savg.private_files import private_umask

HELP = "Make and analyse listening tests over headphones."

ACTIONS = {
    "create": "savg.cli.mos.create",
    "demo": "savg.cli.mos.demo",
    "serve": "savg.cli.mos.serve",
    "invite": "savg.cli.mos.invite",
    "simulate": "savg.cli.mos.simulate",
    "report": "savg.cli.mos.report",
}
"""Action → its module."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command: those of each action."""
    add_actions(parser, ACTIONS)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action. What it writes is about listeners: no other account may read it."""
    with private_umask():
        return run_action(args, ACTIONS)
