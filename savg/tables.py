"""CSV tables, read and written: UTF-8, whole or not at all.

Tables of numbers have the published format without a header; tables for people have names in their
first line, and no cell that a spreadsheet would run.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from savg.errors import SavgError, printable
from savg.input_file import read_text
from savg.numerals import number_cells
from savg.paths import atomic_file

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
"""Beginnings of cells that a spreadsheet would run."""

MAX_COLUMNS = 1000
"""Largest number of cells of a row."""

_SHOWN = 60


def read_cells(path: str | os.PathLike[str], columns: str) -> Iterator[tuple[str, list[str]]]:
    """(where it is: "FILE, line 3", cells) for each row that is not empty.

    columns: the expected names, for messages. SavgError for a file that is not readable, no text in
    UTF-8 (with or without a byte order mark), too large, or that has rows or cells too large.
    """
    what = f"text table of {columns}"
    lines = io.StringIO(read_text(path, what), newline="")
    try:
        for number_of_row, row in enumerate(csv.reader(lines), 1):
            if len(row) > MAX_COLUMNS:
                raise SavgError(
                    f"{path}, line {number_of_row}: a row must have at most {MAX_COLUMNS} cells, "
                    f"got {len(row)}."
                )
            if row:
                yield f"{path}, line {number_of_row}", row
    except csv.Error as error:
        raise SavgError(f"{path} is not a {what}: {error}.") from error


def numbers(row: Sequence[str], columns: str, where: str, finite: bool = True) -> list[float]:
    """The numbers in a row's cells; SavgError for other text, or numbers that are not finite."""
    try:
        values = number_cells(row)
    except ValueError as error:
        raise SavgError(
            f"{where}: cells must be numbers ({columns}), got {_shown(row)}."
        ) from error
    if finite and not all(map(math.isfinite, values)):
        raise SavgError(f"{where}: cells must be finite numbers ({columns}), got {_shown(row)}.")
    return values


def _shown(row: Sequence[str]) -> str:
    return printable(",".join(cell[:_SHOWN] for cell in row), _SHOWN)


def write_cells(path: str | os.PathLike[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows of numbers without a header."""
    with atomic_file(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def read_csv(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Rows by the names in the first line, "" for missing cells; SavgError as of `read_cells`, and
    for a row that is longer than the first."""
    rows: list[dict[str, str]] = []
    names: list[str] | None = None
    for where, row in read_cells(path, "named columns"):
        if names is None:
            names = row
        elif len(row) > len(names):
            raise SavgError(f"{where}: a row must have {len(names)} cells, got {len(row)}.")
        else:
            rows.append(dict(zip_longest(names, row, fillvalue="")))
    return rows


def write_csv(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows under one line of names, those of all rows; no rows, no names."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_file(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        if names:
            writer.writeheader()
        writer.writerows({name: safe_cell(value) for name, value in row.items()} for row in rows)


def safe_cell(value: object) -> object:
    """Text that a spreadsheet would run gets an apostrophe in front; numbers stay numbers, None is
    empty."""
    if value is None:
        return ""
    if isinstance(value, str) and any(v.startswith(FORMULA) for v in (value, value.lstrip())):
        return f"'{value}"
    return value
