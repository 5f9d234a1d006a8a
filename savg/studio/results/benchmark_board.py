"""Benchmarks as the Results tab shows them: a board of scores, a figure, whole tables."""

from __future__ import annotations

from typing import Any

import gradio as gr

from savg.evaluation.published import PublishedTable, published, shown
from savg.studio.results.components import board_value
from savg.studio.results.result_files import Benchmark, benchmarks
from savg.viz.documents import Estimate, interval, number
from savg.viz.result_plots import intervals

ABOUT = (
    "Spatial AV-Align is the share of sound events that have a person at their place. Sounds in the "
    "middle of the frame are easily matched, so each score stands beside three that chance reaches: "
    "the same boxes with every sound in the centre, with left and right swapped, and shuffled, with "
    "the sounds of other clips."
)


def methods_board() -> dict[str, Any]:
    """The board of benchmark scores and the published table."""
    tables = [_scores(benchmark) for benchmark in benchmarks() if benchmark.measures]
    tables += [_published(table) for table in published().tables if table.rows]
    lines = [ABOUT, published().note]
    return board_value("Where video and sound agree", lines, tables)


def methods_figure(dark: bool) -> Any:
    """Scores with intervals and chance baselines."""
    spatial = [b for b in benchmarks() if b.measures]
    rows = [
        Estimate(
            m.label if len(spatial) == 1 else f"{m.label} ({b.title})",
            m.score,
            m.low,
            m.high,
            tuple((f"chance: {name}", v) for name, v in m.baselines.items()),
        )
        for b in spatial
        for m in b.measures
    ]
    if not rows:
        return gr.update(visible=False)
    title = "Spatial AV-Align with 95 % intervals"
    plot = intervals(rows, title, "share of sound events matched", (-0.02, 1.03), dark=dark)
    return gr.update(value=plot, visible=True)


def table_choices() -> list[tuple[str, str]]:
    """(title, name) of every benchmark."""
    return [(b.title, b.name) for b in benchmarks()]


def document(name: object) -> str:
    """A benchmark's whole table with its command."""
    benchmark = next((b for b in benchmarks() if b.name == name), None)
    if benchmark is None:
        return "This table is not there any more."
    text, command, hardware = benchmark.markdown, benchmark.command, benchmark.hardware
    parts = [text.strip()]
    if command not in text:
        parts.append(f"`{command}`")
    if hardware and hardware not in text:
        parts.append(hardware)
    return "\n\n".join(parts)


def _published(table: PublishedTable) -> dict[str, Any]:
    arrows = {True: " ↑", False: " ↓", None: ""}
    head = ["method", *(c + arrows[table.higher_is_better[c]] for c in table.columns)]
    rows = [[row.name, *(shown(row.values[c]) for c in table.columns)] for row in table.rows]
    how = " ".join([f"{table.source}.", *table.notes])
    return {"caption": f"Published: {table.title}", "how": how, "head": head, "rows": rows}


def _scores(benchmark: Benchmark) -> dict[str, Any]:
    names = list(dict.fromkeys(k for m in benchmark.measures for k in m.baselines))
    head = ["clips of", "Spatial AV-Align", "95 %", *(f"chance: {n}" for n in names)]
    rows = [
        [
            m.label,
            f"{m.score:.3f}",
            interval(m.low, m.high, 3),
            *(number(m.baselines.get(n), 3) for n in names),
            str(m.clips),
            f"{m.tp} / {m.fn}",
        ]
        for m in benchmark.measures
    ]
    how = "Made by " + ", ".join(filter(None, (benchmark.command, benchmark.hardware)))
    head += ["number of clips", "TP / FN"]
    return {"caption": benchmark.title, "how": how, "head": head, "rows": rows}
