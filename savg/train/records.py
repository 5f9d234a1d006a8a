"""Records of a run: log.csv, scores.csv, and boards that show the same."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

from savg.paths import atomic_file
from savg.tables import read_csv
from savg.train.boards import Board, boards_of


class Table:
    """A CSV file with one row per step, whose columns may grow."""

    def __init__(self, path: Path, step: int) -> None:
        """Continue `path` after `step`; rows of later steps, whose work was lost, are dropped.

        SavgError for a file that is no table.
        """
        self.path = path
        self.rows: list[dict[str, str]] = []
        self.columns = ["step"]
        if path.is_file():
            rows = read_csv(path)
            self.columns = list(rows[0]) if rows else self.columns
            self.rows = [
                row
                for row in rows
                if re.fullmatch("[0-9]{1,15}", row.get("step", "")) and int(row["step"]) <= step
            ]
            self._rewrite()

    def add(self, values: Mapping[str, float]) -> None:
        """Append a row; it is on disk when this returns."""
        row = {key: _short(value) for key, value in values.items()}
        new_columns = [key for key in row if key not in self.columns]
        self.rows.append(row)
        if new_columns or not self.path.is_file():
            self.columns += new_columns
            self._rewrite()
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns).writerow(row)

    def _rewrite(self) -> None:
        with atomic_file(self.path) as part, part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)


class Records:
    """The tables and boards; inactive in all processes but the first."""

    def __init__(
        self, run: Path, step: int, active: bool = True, project: str | None = None
    ) -> None:
        """Go on after `step`; project: of Weights & Biases, see `boards_of`."""
        self.active = active
        self.boards: list[Board] = []
        if not active:
            return
        self.log = Table(run / "log.csv", step)
        self.scores = Table(run / "scores.csv", step)
        self.boards = boards_of(run, step, project)

    def training(self, step: int, values: Mapping[str, float]) -> None:
        """Scalars of training up to `step`."""
        self._add("log", "train", step, values)

    def samples(self, step: int, values: Mapping[str, float]) -> None:
        """Scores of samples at `step`."""
        self._add("scores", "samples", step, values)

    def close(self) -> None:
        """Write what the boards still hold, and close them."""
        for board in self.boards:
            board.close()

    def _add(self, table: str, tag: str, step: int, values: Mapping[str, float]) -> None:
        if not self.active:
            return
        getattr(self, table).add({"step": step, **values})
        for board in self.boards:
            board.add(step, {f"{tag}/{key}": value for key, value in values.items()})


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
