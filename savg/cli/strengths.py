"""`--strength CONDITION=W` of commands whose networks follow several conditions."""

from __future__ import annotations

import argparse

from savg.errors import SavgError
from savg.numerals import number


def strength(text: str) -> tuple[str, float]:
    """Name and weight of a condition; SavgError for another text."""
    name, _, value = text.partition("=")
    try:
        return name, number(value)
    except (SavgError, ValueError, argparse.ArgumentTypeError) as error:
        raise SavgError(f"--strength must be CONDITION=NUMBER, got {text!r}.") from error
