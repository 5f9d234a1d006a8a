"""The Results tab: benchmark tables beside the published one, and reports of listening tests."""

from __future__ import annotations

from typing import Any

import gradio as gr

from savg.studio.results.components import board
from savg.studio.results.study_results import Findings
from savg.studio.shared.context import Context, Page

TITLE, NAME = "Results", "results"


def build(context: Context, page: Page) -> None:
    """Lay out the tab and connect it; it fills itself when it is first seen."""
    findings = Findings(context.reports, context.library.root / "results")
    methods = board("savg-results-methods", findings.methods())
    with gr.Row(elem_id="savg-results-figure"):
        figure = gr.Plot(show_label=False, visible=False, elem_id="savg-results-plot-methods")
    tables = findings.tables()
    with gr.Accordion(
        "Whole tables of all benchmarks",
        open=False,
        visible=bool(tables),
        elem_id="savg-results-all",
    ):
        table = gr.Dropdown(
            tables,
            value=tables[0][1] if tables else None,
            label="Benchmark",
            elem_id="savg-results-table",
        )
        document = gr.Markdown(
            findings.document(tables[0][1]) if tables else "",
            elem_classes="rb-doc",
            elem_id="savg-results-document",
        )
    choices, _ = context.reports.choices()
    report = gr.Dropdown(
        choices,
        value=choices[0][1] if choices else None,
        label="Report of a listening test",
        visible=len(choices) > 0,
        elem_id="savg-results-report",
    )
    head = board("savg-results-head", findings.start())
    with gr.Row(elem_id="savg-results-figures"):
        plots = [
            gr.Plot(show_label=False, visible=False, elem_id=f"savg-results-plot-{name}")
            for name in ("mos", "differences", "clips")
        ]
    more = board("savg-results-more")
    dark = gr.Checkbox(visible=False)

    quick: dict[str, Any] = {
        "show_progress": "hidden",
        "concurrency_limit": 4,
        "trigger_mode": "always_last",
    }
    shown = [head, *plots, more]

    def arrive(event: gr.EventData, key: str | None) -> list[Any]:
        night = bool((event._data or {}).get("dark"))  # type: ignore[attr-defined]
        return [findings.methods(), findings.figure(night), *findings.report(key, night)]

    def choose(key: str | None, night: bool) -> list[Any]:
        return findings.report(key, night)

    methods.select(arrive, report, [methods, figure, *shown], **quick)
    look = "(key) => [key, document.body.classList.contains('dark')]"
    report.change(choose, [report, dark], shown, js=look, **quick)
    table.change(findings.document, table, document, **quick)
