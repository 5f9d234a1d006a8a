"""CONDITION=W in commands, links and calls whose networks follow several conditions."""

from __future__ import annotations

from savg.errors import SavgError, brief
from savg.numerals import number


def strength(text: str, called: str = "--strength") -> tuple[str, float]:
    """Name and weight of a condition; SavgError for another text. called: what it stands in."""
    name, _, value = text.partition("=")
    try:
        return name.strip(), number(value)
    except ValueError as error:
        raise SavgError(f"{called} must be CONDITION=NUMBER, got {brief(text)}.") from error
