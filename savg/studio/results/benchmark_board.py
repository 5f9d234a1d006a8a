"""Benchmarks as the Results tab shows them: a board of scores, a figure, whole tables."""

from __future__ import annotations

from typing import Any

import gradio as gr

from savg.evaluation.published import PublishedTable, published, shown
from savg.studio.results.components import board_value
from savg.studio.results.result_files import Benchmark, Measure, benchmarks
from savg.viz.documents import Estimate, interval, number
from savg.viz.result_plots import intervals

ABOUT = (
    "Spatial AV-Align is the share of sound events that have a person at their place. Sounds in the "
    "middle of the frame are easily matched, so each score stands beside three that chance reaches: "
    "the same boxes with every sound in the centre, with left and right swapped, and shuffled, with "
    "the sounds of other clips."
)

OWN_WORLD = (
    "These clips are synthetic: small worlds of drawn rooms and people, judged by the bundled "
    "detectors, which were trained on the same worlds. A score of 1.000 says that the chain works "
    "there, and nothing about real recordings: it is no better result than a lower one of a paper."
)

OTHER_WORLD = (
    "Other worlds and other judges than above: real recordings or game videos, other detectors, other "
    "numbers of clips. They are here to be read, not to be ranked against the scores above."
)


def methods_board() -> dict[str, Any]:
    """The board of our own benchmark scores, which says what they are scores of."""
    tables = [_scores(benchmark) for benchmark in benchmarks() if benchmark.measures]
    title = "Where video and sound agree: the bundled weights on synthetic clips"
    return board_value(title, [ABOUT, OWN_WORLD], tables)


def published_board() -> dict[str, Any]:
    """The board of published tables, apart from ours, with what makes them another measurement."""
    tables = [_published(table) for table in published().tables if table.rows]
    return board_value("What papers report", [OTHER_WORLD, published().note], tables)


def methods_figure(dark: bool) -> Any:
    """Scores with intervals and chance baselines."""
    spatial = [b for b in benchmarks() if b.measures]
    rows = [
        Estimate(
            _row_name(m, b, len(spatial)),
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
    title = "Synthetic clips: Spatial AV-Align, 95 %"
    plot = intervals(rows, title, "share of sound events matched", (-0.02, 1.03), dark=dark)
    return gr.update(value=plot, visible=True)


def _row_name(measure: Measure, benchmark: Benchmark, count: int) -> str:
    name = f"{measure.label}, n = {measure.clips}"
    return name if count == 1 else f"{name} ({benchmark.title})"


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
