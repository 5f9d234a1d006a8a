"""The Results tab: evaluations side by side, benchmarks beside published tables, listening tests."""

from __future__ import annotations

from typing import Any

import gradio as gr

from savg.errors import SavgError
from savg.studio.results.benchmark_board import (
    document,
    methods_board,
    methods_figure,
    published_board,
    table_choices,
)
from savg.studio.results.layout import lay_out
from savg.studio.results.leaderboards import Leaderboards
from savg.studio.results.result_files import Reports
from savg.studio.results.run_comparison import RunComparison
from savg.studio.results.runs import Runs
from savg.studio.results.study_results import StudyResults
from savg.studio.shared import components
from savg.studio.shared.context import Context, Page
from savg.studio.shared.handlers import DARK, QUICK, event_data, inspect_clip, visitor

TITLE, NAME = "Results", "results"

LATEST: dict[str, Any] = QUICK | {"concurrency_limit": 4, "trigger_mode": "always_last"}


def build(context: Context, page: Page) -> None:
    """Lay out the tab and connect it; it fills itself when it is first seen."""
    results = StudyResults(Reports.of_environment(), context.library.root / "results")
    compared = RunComparison(context.option(Runs, Runs.of_environment), context.library)
    leaderboards = Leaderboards.of_environment(compared.runs)
    tables = table_choices()
    first = document(tables[0][1]) if tables else ""
    reports, _ = results.reports.choices()
    layout = lay_out(
        *compared.choices(),
        compared.head(),
        methods_board(),
        published_board(),
        tables,
        first,
        reports,
        results.start(),
    )
    runs = layout.compared

    def arrive(
        event: gr.EventData, key: str | None, keys: Any, metric: Any, column: Any
    ) -> list[Any]:
        dark = bool(event_data(event).get("dark"))
        report = [methods_board(), methods_figure(dark), *results.report(key, dark)]
        offered, chosen = compared.choices()
        keys = [k for k in keys or [] if k in dict((v, t) for t, v in offered)] or chosen
        choice = gr.update(choices=offered, value=keys, visible=bool(offered))
        shown = compared.show(keys, metric, column, dark)
        return [*report, compared.head(), choice, *shown, leaderboards.board()]

    def choose(key: str | None, dark: bool) -> list[Any]:
        return results.report(key, dark)

    def open_clip(event: gr.EventData, request: gr.Request, own: list[str], keys: Any) -> list[Any]:
        try:
            opened = compared.inspect(keys, event_data(event).get("open"), visitor(request))
        except SavgError as error:
            return [components.notice(str(error)), *[gr.skip()] * 3]
        return [components.notice(""), [*opened, *own], *inspect_clip(opened[0])]

    shown = [layout.head, *layout.plots, layout.more]
    everything = [layout.methods, layout.figure, *shown]
    comparison = [runs.table, runs.metric, runs.figure, runs.column, runs.pairs]
    chosen = [runs.runs, runs.metric, runs.column]
    runs.head.select(
        arrive,
        [layout.report, *chosen],
        [*everything, runs.head, runs.runs, *comparison, runs.leaderboard],
        **LATEST,
    )
    gr.on(
        [control.input for control in chosen],
        compared.show,
        [*chosen, layout.dark],
        comparison,
        js=f"(...all) => [...all.slice(0, 3), {DARK}]",
        **LATEST,
    )
    inspected = [runs.notice, page.clips, page.inspected, page.tabs]
    runs.pairs.select(open_clip, [page.clips, runs.runs], inspected, **LATEST)
    look = f"(key) => [key, {DARK}]"
    layout.report.change(choose, [layout.report, layout.dark], shown, js=look, **LATEST)
    layout.table.change(document, layout.table, layout.document, **LATEST)
