"""A run's report as Markdown: the same tables as in HTML, without its figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from savg.evaluation.published import PublishedTable, published, shown
from savg.evaluation.report_text import how_to_read
from savg.evaluation.report_values import ARROWS, NOTHING, Cell, Content
from savg.evaluation.results_file import Run

NEAREST = 12
"""Rows of nearest clips."""


def as_markdown(run: Run, content: Content) -> str:
    """The report; links to images are relative to its folder."""
    lines = [f"# {plain(content.title)}", ""]
    lines += [f"- {plain(title)}: {plain(text)}" for title, text in content.facts]
    lines += ["", *(f"**Warning:** {plain(w)}\n" for w in run.warnings)]
    lines += ["## Results", "", *_results(content)]
    lines += ["", *(f"[{i}] {plain(note)}  " for i, note in enumerate(content.notes, 1))]
    lines += ["", "## Where each number comes from", ""]
    origins = [(o.label, o.mode, o.networks, o.n, o.facts) for o in content.origins]
    lines += _table(("metric", "mode", "networks", "n", "counts and facts"), origins)
    if content.networks:
        networks = [(n.name, n.backbone, n.sha256, n.input, n.precision) for n in content.networks]
        head = ("network", "backbone", "SHA-256 of the weights", "input", "precision")
        lines += ["", *_table(head, networks)]
    if run.nearest:
        lines += ["", "## Nearest training clips", "", *_nearest(run.nearest)]
    if run.failed:
        lines += ["", f"## Clips that could not be evaluated: {len(run.failed)}", ""]
        failed = [(r["clip"], r.get("set", ""), r.get("reason", "")) for r in run.failed]
        lines += _table(("clip", "set", "reason"), failed)
    if content.left_out:
        lines += ["", "## Metrics that were not computed", ""]
        lines += _table(("metric", "why"), content.left_out)
    lines += ["", "## How to read this", ""]
    for paragraph in how_to_read(content, bool(run.nearest)):
        lines += [plain(paragraph), ""]
    lines += ["## Published numbers", "", plain(published().note), ""]
    for table in published().tables:
        lines += _published(table)
    return "\n".join(lines).rstrip() + "\n"


def plain(text: object) -> str:
    """Text for a line or a cell of Markdown: no line breaks, no markup or HTML of its own."""
    one_line = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    for mark in "\\`*_[]|#~!":
        one_line = one_line.replace(mark, "\\" + mark)
    return one_line


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(map(plain, head)) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(map(plain, row)) + " |" for row in rows]


def _results(content: Content) -> list[str]:
    heads = [f"{plain(label)} (n {clips})" for label, clips in content.columns.values()]
    lines = ["| metric | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for group in dict.fromkeys(row.group for row in content.rows):
        lines.append(f"| *{plain(group)}* |" + " |" * len(heads))
        for row in (r for r in content.rows if r.group == group):
            cells = [_cell(row.cells.get(key)) for key in content.columns]
            name = f"**{plain(row.label)}** {row.arrow}".rstrip()
            unit = f" ({plain(row.unit)})" if row.unit else ""
            lines.append(f"| {name}{unit} | " + " | ".join(cells) + " |")
            for null in dict.fromkeys(n for cell in row.cells.values() for n, _ in cell.nulls):
                values = [
                    dict(row.cells[key].nulls).get(null, NOTHING) if key in row.cells else NOTHING
                    for key in content.columns
                ]
                lines.append(f"| chance: {plain(null)} | " + " | ".join(values) + " |")
    return lines


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return NOTHING
    interval = f" ({cell.interval})" if cell.interval else ""
    notes = "".join(f" [{n}]" for n in cell.notes)
    return f"**{cell.value}**{interval}{notes}"


def _nearest(rows: Sequence[Any]) -> list[str]:
    lines = ["| clip | nearest | distance | frames |", "|---|---|---|---|"]
    for row in rows[:NEAREST]:
        image = image_name(row.get("image"))
        frames = f"![frames of both]({image})" if image else NOTHING
        mirrored = ", mirrored" if row.get("mirrored") else ""
        clip, near = plain(row["clip"]), plain(f"{row.get('reference', NOTHING)}{mirrored}")
        lines.append(f"| {clip} | {near} | {distance(row)} | {frames} |")
    return lines


def image_name(value: object) -> str | None:
    """The name of an image that `savg.evaluation.nearest` writes; None for anything else."""
    import re

    return value if isinstance(value, str) and re.fullmatch(r"nearest/\d+\.jpg", value) else None


def distance(row: Any) -> str:
    """The distance of a row of nearest clips as text."""
    value = row.get("distance")
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.1f}" if usable else NOTHING


def _published(table: PublishedTable) -> list[str]:
    lines = [f"**{plain(table.title)}** ({plain(table.source)})", ""]
    if table.rows:
        head = [
            "method",
            *(f"{c} {ARROWS[table.higher_is_better[c]]}".strip() for c in table.columns),
        ]
        rows = [[r.name, *(shown(r.values[c]) for c in table.columns)] for r in table.rows]
        lines += [*_table(head, rows), ""]
    return [*lines, *(f"- {plain(note)}" for note in table.notes), ""]
