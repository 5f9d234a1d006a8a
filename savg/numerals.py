"""Text to numbers, strictly: ASCII digits as people and programs write them.

Python's int() and float() also read `1_000`, and digits of other scripts such as `１２`, which in a
table or an option are mistakes. The names suit argparse, which shows them: "invalid integer value".
"""

from __future__ import annotations

from collections.abc import Sequence


def number(text: str) -> float:
    """A decimal number, "nan" or "inf"; ValueError for other text."""
    if not text.isascii() or "_" in text:
        raise ValueError(f"must be a number, got {text!r}.")
    return float(text)


def number_cells(cells: Sequence[str]) -> list[float]:
    """The numbers in a row's cells, as `number` reads them; ValueError where one is none."""
    row = "".join(cells)
    if not row.isascii() or "_" in row:
        raise ValueError(f"must be numbers, got {row[:50]!r}.")
    return list(map(float, cells))


def integer(text: str) -> int:
    """A whole number; ValueError for other text, also for one of more than a thousand digits."""
    if not text.isascii() or "_" in text or len(text) > 1000:
        raise ValueError(f"must be a whole number, got {text[:50]!r}.")
    return int(text)
