"""`python -m savg dataset synth`."""

from __future__ import annotations

import argparse

HELP = "Write synthetic recordings in the layout of STARSS23."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    raise NotImplementedError
