"""The Results tab: benchmark tables beside the published one, and reports of listening tests."""

from __future__ import annotations

from typing import Any

import gradio as gr

from savg.studio.results.benchmark_board import (
    document,
    methods_board,
    methods_figure,
    table_choices,
)
from savg.studio.results.layout import lay_out
from savg.studio.results.result_files import Reports
from savg.studio.results.study_results import StudyResults
from savg.studio.shared.context import Context, Page
from savg.studio.shared.handlers import DARK, QUICK, event_data

TITLE, NAME = "Results", "results"

LATEST: dict[str, Any] = QUICK | {"concurrency_limit": 4, "trigger_mode": "always_last"}


def build(context: Context, page: Page) -> None:
    """Lay out the tab and connect it; it fills itself when it is first seen."""
    results = StudyResults(Reports.of_environment(), context.library.root / "results")
    tables = table_choices()
    first = document(tables[0][1]) if tables else ""
    reports, _ = results.reports.choices()
    layout = lay_out(methods_board(), tables, first, reports, results.start())

    def arrive(event: gr.EventData, key: str | None) -> list[Any]:
        dark = bool(event_data(event).get("dark"))
        return [methods_board(), methods_figure(dark), *results.report(key, dark)]

    def choose(key: str | None, dark: bool) -> list[Any]:
        return results.report(key, dark)

    shown = [layout.head, *layout.plots, layout.more]
    everything = [layout.methods, layout.figure, *shown]
    layout.methods.select(arrive, layout.report, everything, **LATEST)
    look = f"(key) => [key, {DARK}]"
    layout.report.change(choose, [layout.report, layout.dark], shown, js=look, **LATEST)
    layout.table.change(document, layout.table, layout.document, **LATEST)
