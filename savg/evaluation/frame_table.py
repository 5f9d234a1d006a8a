"""The table of label frames of many clips: rows wait in a temporary file, not in memory."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from savg.metrics.base import Item, Metric
from savg.paths import atomic_file
from savg.tables import safe_cell


class FrameTable:
    """Columns of metrics for every tenth of a second of every clip."""

    def __init__(self, metrics: Iterable[type[Metric]]) -> None:
        self.metrics = list(metrics)
        self.columns: dict[str, None] = {"clip": None, "frame": None}
        self._rows = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (as long as this)

    def add(self, item: Item) -> None:
        """The rows of a clip: those of all metrics, joined by their frames."""
        rows: dict[int, dict[str, Any]] = {}
        for metric in self.metrics:
            for cells in metric.frame_cells(item):
                frame = int(cells["frame"] or 0)
                rows.setdefault(frame, {"clip": item.name, "frame": frame}).update(cells)
        for _, row in sorted(rows.items()):
            self.columns |= dict.fromkeys(row)
            self._rows.write(json.dumps(row) + "\n")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self._rows.seek(0)
        yield from map(json.loads, self._rows)

    def write_csv(self, path: Path) -> None:
        """Write the table under the names of all columns; SavgError where that is not possible."""
        with atomic_file(path) as part, part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.columns))
            writer.writeheader()
            writer.writerows({k: safe_cell(v) for k, v in row.items()} for row in self)

    def close(self) -> None:
        """Drop the rows."""
        self._rows.close()
