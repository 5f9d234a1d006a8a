"""Rows of numbers that people write or draw, from a JSON or CSV file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savg.errors import SavgError, brief
from savg.json_files import read_json
from savg.tables import numbers, read_cells

MOST_ROWS = 100_000


def read_rows(
    path: str | os.PathLike[str], key: str, columns: str, what: str
) -> NDArray[np.float64]:
    """The rows [n, columns] of a file.

    JSON: {key: [[…], …]} or that list alone; any other ending: CSV rows without a header.

    Args:
        columns: their names, with commas.
        what: the file is, for messages.

    Raises:
        SavgError: a file without such rows, or with more than MOST_ROWS.
    """
    path, width = Path(path), columns.count(",") + 1
    if path.suffix.lower() == ".json":
        rows = _of_json(path, key, columns)
    else:
        rows = [_of_cells(row, columns, where) for where, row in read_cells(path, columns)]
    if len(rows) > MOST_ROWS:
        raise SavgError(f"{path}: {what} must have at most {MOST_ROWS} rows.")
    return np.array(rows, np.float64).reshape(-1, width)


def _of_cells(row: list[str], columns: str, where: str) -> list[float]:
    width = columns.count(",") + 1
    if len(row) != width:
        raise SavgError(f"{where}: expected {width} columns ({columns}), found {len(row)}.")
    return numbers(row, columns, where)


def _of_json(path: Path, key: str, columns: str) -> list[list[float]]:
    data = read_json(path)
    rows = data.get(key) if isinstance(data, dict) else data
    width = columns.count(",") + 1
    if not isinstance(rows, list) or not all(is_row(row, width) for row in rows):
        names = columns.replace(",", ", ")
        raise SavgError(f"{path}: {key} must be a list of [{names}], got {brief(rows)}.")
    return [[float(value) for value in row] for row in rows]


def is_row(row: object, width: int) -> bool:
    """Whether a value of JSON is a list of so many numbers."""
    return (
        isinstance(row, list)
        and len(row) == width
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in row)
    )
