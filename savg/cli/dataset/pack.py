"""`python -m savg dataset pack`."""

from __future__ import annotations

import argparse

HELP = "Write a dataset as memory-mapped training arrays."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    raise NotImplementedError
