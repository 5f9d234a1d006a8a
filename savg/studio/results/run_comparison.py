"""Runs side by side: a table with intervals, a figure of one metric, one dot for each pair of clips."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import gradio as gr

from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.pairs import paired_rows
from savg.evaluation.report import label as label_of
from savg.evaluation.report_plots import in_words
from savg.evaluation.report_values import ACROSS_MODES, metric_of
from savg.evaluation.results_file import Run
from savg.media.channels import AudioRules
from savg.studio.results.components import board_value
from savg.studio.results.run_tables import board_of, columns_in, metrics_in, names_of
from savg.studio.results.runs import VARIABLE, Runs
from savg.studio.shared.library import MAX_UPLOAD_SECONDS, NOBODY, Library
from savg.viz.documents import Estimate, finite
from savg.viz.result_plots import intervals

HEADING = "Evaluations side by side"

START = (
    "Results of python -m savg evaluate appear here: add --out results, then start the studio with "
    f"{VARIABLE}=results. Name a folder that holds the clips too, and a click on a clip's dot opens it."
)

ABOUT = "Choose two or more runs. Values have 95 % intervals; chance: what chance baselines reach."

MOST_RUNS = 8
"""Columns of the table."""

MOST_POINTS = 3000

FIRST_COLUMN = "score"


class RunComparison:
    """What the tab shows of chosen runs; keys and names come from browsers."""

    def __init__(self, runs: Runs, library: Library) -> None:
        self.runs = runs
        self.library = library

    def choices(self) -> tuple[list[tuple[str, str]], list[str]]:
        """(title, key) of every run, and the keys that are chosen at first: two of one mode."""
        found = self.runs.choices()[0]
        modes: dict[str, list[str]] = {}
        for choice in found:
            modes.setdefault(choice.mode, []).append(choice.key)
        first = max(modes.values(), key=lambda keys: min(len(keys), 2), default=[])[:2]
        return [(choice.title, choice.key) for choice in found], first

    def head(self) -> dict[str, Any]:
        """The board above the choice of runs."""
        choices, problems = self.runs.choices()
        return board_value(HEADING, [ABOUT] if choices else [START], [], notes=problems)

    def show(self, keys: object, metric: object, column: object, dark: bool) -> list[Any]:
        """Updates of table, metric, figure, column and dots."""
        hidden = gr.update(visible=False)
        try:
            chosen = self._chosen(keys)
        except SavgError as error:
            return [board_value("", [], [], notes=[str(error)]), hidden, hidden, hidden, None]
        if not chosen:
            return [None, hidden, hidden, hidden, None]
        metrics = metrics_in(chosen)
        name = metric if metric in metrics else next(iter(metrics), None)
        columns = columns_in(chosen)
        first = FIRST_COLUMN if FIRST_COLUMN in columns else next(iter(columns), None)
        shown = str(column) if column in columns else first
        return [
            board_of(chosen),
            gr.update(
                choices=[(label_of(n), n) for n in metrics], value=name, visible=name is not None
            ),
            _figure(chosen, str(name), dark) if name else hidden,
            gr.update(
                choices=[(in_words(c), c) for c in columns], value=shown, visible=shown is not None
            ),
            _dots(chosen, shown) if shown else None,
        ]

    def _chosen(self, keys: object) -> list[Run]:
        """The runs of keys; SavgError where they are of several modes."""
        wanted = list(dict.fromkeys(map(str, keys))) if isinstance(keys, list) else []
        if len(wanted) > MOST_RUNS:
            raise SavgError(f"At most {MOST_RUNS} runs stand side by side, got {len(wanted)}.")
        runs = [self.runs.open(key) for key in wanted]
        if len({run.mode for run in runs}) > 1:
            modes = ", ".join(f"{run.name}: {run.mode}" for run in runs)
            raise SavgError(f"{ACROSS_MODES} Chosen are {modes}.")
        return runs

    def inspect(self, keys: object, name: object, owner: str = NOBODY) -> list[str]:
        """Keys in the library of a clip of the first run and, behind it, of the clip that belongs to it
        in the second one; SavgError where the first cannot be opened."""
        runs = self._chosen(keys)[:2]
        if not runs:
            raise SavgError("No run is chosen.")
        stored = [self._store(runs[0], name, owner)]
        if len(runs) == 2:
            other = next(
                (
                    b["clip"]
                    for a, b in paired_rows(runs[0].each, runs[1].each)
                    if a["clip"] == name
                ),
                None,
            )
            with suppress(SavgError):  # one clip to look at is better than none
                stored.append(self._store(runs[1], other, owner))
        return stored

    def _store(self, run: Run, name: object, owner: str) -> str:
        path = self.runs.clip(run, name)
        try:
            clip = Clip.read(path, max_seconds=MAX_UPLOAD_SECONDS, audio=AudioRules(silent=True))
        except SavgError as error:
            raise SavgError(str(error).replace(str(path), f"“{name}”")) from error
        return self.library.add(clip, str(name)[:80], f"Run {run.name}"[:80], owner).key


def _figure(runs: Sequence[Run], name: str, dark: bool) -> Any:
    """One metric of all runs, with its chance baselines."""
    rows = []
    for label, run in zip(names_of(runs), runs, strict=True):
        result = run.generated.metrics.get(name)
        if result is None:
            rows.append(Estimate(label, None))
            continue
        marks = [
            (f"chance: {k}".replace("_", " "), v) for k, v in result.nulls.items() if v is not None
        ]
        rows.append(Estimate(label, result.value, result.low, result.high, tuple(marks)))
    metric = metric_of(name)
    title = f"{label_of(name)}, 95 %"
    unit = (metric.unit if metric else "") or "value"
    plot = intervals(rows, title, unit, _reach(rows), dark=dark)
    return gr.update(value=plot, visible=True)


def _reach(rows: Sequence[Estimate]) -> tuple[float, float]:
    """A range of the axis that holds all values and chance baselines."""
    values = [v for r in rows for v in (r.value, r.low, r.high) if v is not None]
    values += [v for r in rows for _, v in r.marks]
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.08 * (high - low) or 0.1 * max(abs(high), 0.1)
    return low - room, high + room


def _dots(runs: Sequence[Run], column: str) -> dict[str, Any]:
    """What the plane of pairs shows: one dot a pair, the first run to the right, the second up."""
    first, second = names_of(runs)[:2]
    points = [
        [str(one["clip"]), a, b]
        for one, two in paired_rows(runs[0].each, runs[1].each)
        if (a := finite(one.get(column))) is not None and (b := finite(two.get(column))) is not None
    ]
    return {
        "title": f"{in_words(column)}, clip by clip",
        "x": first,
        "y": second,
        "points": points[:MOST_POINTS],
        "note": "" if points else "The runs have no clips of the same names or seeds.",
    }
