"""Reading the authors' constructor arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def numbers(value: Any) -> tuple[int, ...]:
    """The integers of a comma-separated string, a sequence or a single number.

    Raises ValueError for text that is no integer.
    """
    if isinstance(value, str):
        return tuple(int(part) for part in value.split(",") if part.strip())
    return tuple(int(v) for v in value) if isinstance(value, Sequence) else (int(value),)
