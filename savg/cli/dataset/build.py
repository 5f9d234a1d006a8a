"""`python -m savg dataset build`."""

from __future__ import annotations

import argparse

HELP = "Turn STARSS23 into clips in the published layout."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    raise NotImplementedError
