"""CSV tables, read and written: UTF-8, whole or not at all.

Tables of numbers have the published format without a header; tables for people have names in their
first line, and no cell that a spreadsheet would run.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from savg.errors import SavgError
from savg.paths import atomic_file

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
"""Beginnings of cells that a spreadsheet would run."""


def read_cells(
    path: str | os.PathLike[str], columns: str, encoding: str = "utf-8"
) -> Iterator[tuple[str, list[str]]]:
    """(where it is: "FILE, line 3", cells) for each row that is not empty.

    columns: the expected names, for messages. SavgError for a file that is no text or not readable.
    """
    try:
        with Path(path).open(newline="", encoding=encoding) as file:
            for number, row in enumerate(csv.reader(file), 1):
                if row:
                    yield f"{path}, line {number}", row
    except (UnicodeDecodeError, csv.Error) as error:
        raise SavgError(f"{path} is not a text table of {columns}.") from error
    except OSError as error:
        raise SavgError(f"{path} could not be read: {error.strerror or error}.") from error


def numbers(row: Sequence[str], columns: str, where: str, finite: bool = True) -> list[float]:
    """The numbers in a row's cells; SavgError for other text, or numbers that are not finite."""
    try:
        values = [float(cell) for cell in row]
    except ValueError as error:
        raise SavgError(
            f"{where}: cells must be numbers ({columns}), got {','.join(row)}."
        ) from error
    if finite and not all(map(math.isfinite, values)):
        raise SavgError(f"{where}: cells must be finite numbers ({columns}), got {','.join(row)}.")
    return values


def write_cells(path: str | os.PathLike[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows of numbers without a header."""
    with atomic_file(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def read_csv(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Rows by the names in the first line; ValueError for a file that is no such table."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        try:
            return list(csv.DictReader(file))
        except csv.Error as error:
            raise ValueError(f"{path} is not a table: {error}.") from error


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
