"""Text to numbers, strictly: ASCII digits as people and programs write them.

Python's int() and float() also read `1_000`, and digits of other scripts such as `１２`, which in a
table or an option are mistakes. The names suit argparse, which shows them: "invalid integer value".
"""

from __future__ import annotations


def number(text: str) -> float:
    """A decimal number, "nan" or "inf"; ValueError for other text."""
    if not text.isascii() or "_" in text:
        raise ValueError(f"must be a number, got {text!r}.")
    return float(text)


def integer(text: str) -> int:
    """A whole number; ValueError for other text, also for one of more than a thousand digits."""
    if not text.isascii() or "_" in text or len(text) > 1000:
        raise ValueError(f"must be a whole number, got {text[:50]!r}.")
    return int(text)
