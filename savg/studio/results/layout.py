"""What lies where in the Results tab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from savg.studio.results.components import board, pairs
from savg.studio.shared.components import notice_line


@dataclass(frozen=True)
class RunLayout:
    """The components that compare runs."""

    head: gr.HTML
    runs: gr.Dropdown
    notice: gr.HTML
    table: gr.HTML
    metric: gr.Dropdown
    figure: gr.Plot
    column: gr.Dropdown
    pairs: gr.HTML
    leaderboard: gr.HTML


@dataclass(frozen=True)
class Layout:
    """The components of the tab: runs first, then benchmarks, then reports of listening tests; `plots`
    are of a report, `dark` tells handlers whether the page is."""

    compared: RunLayout
    methods: gr.HTML
    figure: gr.Plot
    published: gr.HTML
    table: gr.Dropdown
    document: gr.Markdown
    report: gr.Dropdown
    head: gr.HTML
    plots: list[gr.Plot]
    more: gr.HTML
    dark: gr.Checkbox


def lay_out(
    runs: list[tuple[str, str]],
    chosen: list[str],
    runs_head: dict[str, Any],
    methods: dict[str, Any],
    published: dict[str, Any],
    tables: list[tuple[str, str]],
    document: str,
    reports: list[tuple[str, str]],
    head: dict[str, Any],
) -> Layout:
    """Everything but figures, which come when the tab is first seen.

    runs, tables, reports: titles and keys; chosen: the runs at first; runs_head, methods, published,
    head: what the boards show; document: the first table.
    """
    compared = _lay_out_runs(runs, chosen, runs_head)
    methods_board = board("savg-results-methods", methods)
    with gr.Row(elem_id="savg-results-figure"):
        figure = gr.Plot(show_label=False, visible=False, elem_id="savg-results-plot-methods")
    published_board = board("savg-results-published", published)
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
    return Layout(
        compared,
        methods_board,
        figure,
        published_board,
        table,
        markdown,
        report,
        head_board,
        plots,
        more,
        dark,
    )


def _lay_out_runs(
    runs: list[tuple[str, str]], chosen: list[str], head: dict[str, Any]
) -> RunLayout:
    heading = board("savg-results-runs-head", head)
    choice = gr.Dropdown(
        runs,
        value=chosen,
        multiselect=True,
        label="Runs",
        visible=len(runs) > 0,
        elem_id="savg-results-runs",
    )
    notice = notice_line("savg-results-notice")
    with gr.Row(elem_id="savg-results-side"):
        with gr.Column():
            metric = gr.Dropdown(label="Metric", visible=False, elem_id="savg-results-metric")
            figure = gr.Plot(show_label=False, visible=False, elem_id="savg-results-plot-runs")
        with gr.Column():
            column = gr.Dropdown(label="Clip by clip", visible=False, elem_id="savg-results-column")
            plane = pairs("savg-results-pairs")
    table = board("savg-results-runs-table")
    leaderboard = board("savg-results-leaderboard")
    return RunLayout(heading, choice, notice, table, metric, figure, column, plane, leaderboard)


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
