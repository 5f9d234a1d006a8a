"""Leaderboards that `evaluate --leaderboard` appends to, as the Results tab shows them, by mode."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from savg.errors import SavgError
from savg.evaluation.leaderboard import Entry, read_leaderboard
from savg.evaluation.report import label as label_of
from savg.evaluation.report_values import (
    ACROSS_MODES,
    ARROWS,
    NOTHING,
    cell_of,
    decimals,
    figure,
    metric_of,
)
from savg.metrics.base import MetricResult
from savg.metrics.registry import METRICS
from savg.studio.results.components import board_value, listed
from savg.studio.results.run_tables import in_one_line, lines_of
from savg.studio.results.runs import Runs

VARIABLE = "SAVG_LEADERBOARD"
"""Environment variable: leaderboards, separated as in PATH; those in folders of runs are found too."""

NAME = "leaderboard.json"


class Leaderboards:
    """The leaderboards of a studio, read anew each time somebody asks."""

    def __init__(self, files: Sequence[Path], runs: Runs) -> None:
        self._files = tuple(files)
        self.runs = runs

    @classmethod
    def of_environment(
        cls, runs: Runs, environment: Mapping[str, str] = os.environ
    ) -> Leaderboards:
        """Those of SAVG_LEADERBOARD, and those in the folders of runs."""
        return cls([Path(p) for p in environment.get(VARIABLE, "").split(os.pathsep) if p], runs)

    def files(self) -> list[Path]:
        """The files there are now."""
        beside = [folder / NAME for folder in self.runs.folders]
        beside += [path.parent / NAME for path in self.runs.files()]
        paths = [*self._files, *(path for path in beside if path.is_file())]
        return list(dict.fromkeys(path.resolve() for path in paths))

    def board(self) -> dict[str, Any] | None:
        """What the board shows, None without any leaderboard."""
        entries: list[Entry] = []
        problems: list[str] = []
        for path in self.files():
            try:
                entries += read_leaderboard(path)
            except SavgError as error:
                problems.append(str(error).replace(f"{path.parent}{os.sep}", ""))
        modes = dict.fromkeys(entry.mode for entry in entries)
        tables = [table for mode in modes for table in _tables(mode, entries)]
        if not tables and not problems:
            return None
        lines = [ACROSS_MODES] if len(modes) > 1 else []
        return board_value("Leaderboard", lines, tables, notes=problems)


def _tables(mode: str, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Scores of a mode, and where they come from."""
    own = [entry for entry in entries if entry.mode == mode]
    present = dict.fromkeys(name for entry in own for name in entry.metrics)
    names = [*(n for n in METRICS if n in present), *(n for n in present if n not in METRICS)]
    head = ["entry", "clips", "reference clips", *map(_head, names)]
    rows = [
        [
            entry.name,
            str(entry.n),
            _count(entry.reference_n),
            *(_cell(entry.metrics.get(name)) for name in names),
        ]
        for entry in own
    ]
    origins = [
        [
            entry.name,
            *map(in_one_line, (entry.created, dict(entry.reading))),
            listed("networks", lines_of(entry.networks)),
            listed("warnings", entry.warnings),
        ]
        for entry in own
    ]
    origin_head = ["entry", "computed", "read as", "networks", "warnings"]
    return [
        {"caption": f"Mode {mode}", "how": "", "head": head, "rows": rows},
        {
            "caption": f"Origins, mode {mode}",
            "how": "",
            "head": origin_head,
            "rows": origins,
            "words": True,
        },
    ]


def _head(name: str) -> str:
    metric = metric_of(name)
    return f"{label_of(name)} {ARROWS[metric.higher_is_better] if metric else ''}".strip()


def _cell(result: MetricResult | None) -> str:
    """A value with its interval, and below it the best of its chance baselines."""
    if result is None:
        return NOTHING
    places = decimals(result)
    cell = cell_of(result, places=places)
    interval = f" ({cell.interval})" if cell.interval else ""
    metric = metric_of(result.name)
    better = metric.higher_is_better if metric else None
    nulls = {name: value for name, value in result.nulls.items() if value is not None}
    if better is None or not nulls:
        return cell.value + interval
    best = (max if better else min)(nulls, key=nulls.__getitem__)
    told = f"best by chance: {best.replace('_', ' ')} {figure(nulls[best], places)}"
    return f"{cell.value}{interval}\n{told}"


def _count(value: int | None) -> str:
    return NOTHING if value is None else str(value)
