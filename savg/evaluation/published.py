"""Tables that papers and their code report, as data: values without intervals, with notes on them.

The file's form: {"note", "tables": [{"key", "title", "source", "columns", "metrics",
"higher_is_better", "mode", "rows": [{"name", "values", "clips"}], "notes"}]}; metrics: our name of each
column's metric, or null; clips may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from savg.errors import SavgError
from savg.json_files import read_object

PUBLISHED = Path(__file__).with_name("published.json")
"""The tables that come with the package."""


@dataclass(frozen=True)
class PublishedRow:
    """A method of a published table: values by column (None: not reported), and how many clips."""

    name: str
    values: Mapping[str, float | None]
    clips: int | None = None


@dataclass(frozen=True)
class PublishedTable:
    """A published table. metrics: our names of metrics by column, where there is one; notes: sentences
    that belong beside it."""

    key: str
    title: str
    source: str
    columns: tuple[str, ...]
    metrics: Mapping[str, str]
    higher_is_better: Mapping[str, bool | None]
    mode: str
    rows: tuple[PublishedRow, ...]
    notes: tuple[str, ...]

    def row(self, name: str) -> PublishedRow:
        """The row of a method; SavgError lists those there are."""
        for row in self.rows:
            if row.name == name:
                return row
        names = ", ".join(row.name for row in self.rows)
        raise SavgError(f"{self.title} has rows {names}, got {name!r}.")


@dataclass(frozen=True)
class Published:
    """All published tables, and the sentence that holds for all of them."""

    note: str
    tables: tuple[PublishedTable, ...]

    def table(self, key: str) -> PublishedTable:
        """The table of a key; SavgError lists those there are."""
        for table in self.tables:
            if table.key == key:
                return table
        keys = ", ".join(table.key for table in self.tables)
        raise SavgError(f"Published table must be one of {keys}, got {key!r}.")


@cache
def published(path: Path = PUBLISHED) -> Published:
    """The published tables; SavgError for a file of another form.

    Example:
        >>> published().table("savgbench").row("Joint").values["Spatial AV-Align"]
        0.51
    """
    data = read_object(path)
    try:
        return Published(str(data["note"]), tuple(_table(table) for table in data["tables"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SavgError(
            f"{path} must hold published tables: see savg.evaluation.published."
        ) from error


def _table(data: Mapping[str, Any]) -> PublishedTable:
    columns = tuple(map(str, data["columns"]))
    names = dict(zip(columns, data["metrics"], strict=True))
    return PublishedTable(
        str(data["key"]),
        str(data["title"]),
        str(data["source"]),
        columns,
        {column: str(name) for column, name in names.items() if name is not None},
        dict(
            zip(
                columns,
                (b if b is None else bool(b) for b in data["higher_is_better"]),
                strict=True,
            )
        ),
        str(data["mode"]),
        tuple(
            PublishedRow(
                str(row["name"]),
                dict(zip(columns, map(_number, row["values"]), strict=True)),
                _count(row.get("clips")),
            )
            for row in data["rows"]
        ),
        tuple(map(str, data["notes"])),
    )


def _number(value: object) -> float | None:
    """A finite number, which JSON files here hold; TypeError for anything else but None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a value must be a number, got {value!r}")
    return float(value)


def _count(value: object) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise TypeError(f"a number of clips must be whole, got {value!r}")
    return value


def shown(value: float | None) -> str:
    """A published value with as many digits as it was published with; – where there is none."""
    if value is None:
        return "–"
    if value == int(value) and abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value * 100 - round(value * 100)) < 1e-9 else f"{value:g}"
