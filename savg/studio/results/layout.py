"""What lies where in the Results tab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from savg.studio.results.components import board


@dataclass(frozen=True)
class Layout:
    """The components of the tab: benchmarks first, then reports of listening tests; `plots` are of
    a report, `dark` tells handlers whether the page is."""

    methods: gr.HTML
    figure: gr.Plot
    table: gr.Dropdown
    document: gr.Markdown
    report: gr.Dropdown
    head: gr.HTML
    plots: list[gr.Plot]
    more: gr.HTML
    dark: gr.Checkbox


def lay_out(
    methods: dict[str, Any],
    tables: list[tuple[str, str]],
    document: str,
    reports: list[tuple[str, str]],
    head: dict[str, Any],
) -> Layout:
    """Everything but figures, which come when the tab is first seen.

    methods, head: what both boards show; tables, reports: titles and keys; document: the first table.
    """
    methods_board = board("savg-results-methods", methods)
    with gr.Row(elem_id="savg-results-figure"):
        figure = gr.Plot(show_label=False, visible=False, elem_id="savg-results-plot-methods")
    table, markdown = _whole_tables(tables, document)
    report = gr.Dropdown(
        reports,
        value=reports[0][1] if reports else None,
        label="Report of a listening test",
        visible=len(reports) > 0,
        elem_id="savg-results-report",
    )
    head_board = board("savg-results-head", head)
    with gr.Row(elem_id="savg-results-figures"):
        plots = [
            gr.Plot(show_label=False, visible=False, elem_id=f"savg-results-plot-{name}")
            for name in ("mos", "differences", "clips")
        ]
    more = board("savg-results-more")
    dark = gr.Checkbox(visible=False)
    return Layout(methods_board, figure, table, markdown, report, head_board, plots, more, dark)


def _whole_tables(tables: list[tuple[str, str]], document: str) -> tuple[gr.Dropdown, gr.Markdown]:
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
        markdown = gr.Markdown(document, elem_classes="rb-doc", elem_id="savg-results-document")
    return table, markdown
