"""CSV tables that a spreadsheet may open: whole or not at all, and nothing in them runs."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from savg.paths import whole_file

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
"""What a cell must not begin with."""


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows under one line of names, those of the first row; no rows, no names."""
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        if rows:
            writer.writerow(rows[0].keys())
        writer.writerows([safe_cell(value) for value in row.values()] for row in rows)


def safe_cell(value: object) -> object:
    """Text that a spreadsheet would run gets an apostrophe in front; numbers stay numbers, None is
    empty."""
    if value is None:
        return ""
    if isinstance(value, str) and any(v.startswith(FORMULA) for v in (value, value.lstrip())):
        return f"'{value}"
    return value
