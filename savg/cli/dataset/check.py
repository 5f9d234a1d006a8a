"""`python -m savg dataset check`."""

from __future__ import annotations

import argparse

HELP = "Verify a dataset: counts, lengths, rates, labels."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the action."""


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    raise NotImplementedError
