"""A table of coloured cells as SVG: rows by columns, each cell with a mark and a strength.

A cell says what it means by its mark, not by colour alone. Readable on light and dark pages.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ROW, COLUMN, GAP = 22, 34, 10
"""Height of a row, width of a column and space between groups of columns, in pixels."""

LETTER = 6.6
"""Width of a letter at the size of the labels, in pixels."""


@dataclass(frozen=True)
class HeatCell:
    """mark: a short text; strength: 0 (pale) to 1 (full); colour: "#RRGGBB"; title: shown on hover."""

    mark: str
    strength: float
    colour: str
    title: str = ""


def heat_table(
    rows: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    cells: Sequence[Sequence[HeatCell]],
    caption: str,
    legend: Sequence[tuple[HeatCell, str]] = (),
) -> str:
    """The table as an SVG document.

    Args:
        rows: labels of the rows.
        groups: labels of the columns by the group they stand in, in order; the name of a group of one
            column without a label stands in the label's place.
        cells: of each row, in the order of the columns.
        caption: says what is shown; also for those who do not see it.
        legend: cells with their meanings, below the table.

    Raises:
        ValueError: a row of another number of cells.
    """
    columns = [
        name if _stands_alone(labels) else label
        for name, labels in groups.items()
        for label in labels
    ]
    for row in cells:
        if len(row) != len(columns):
            raise ValueError(f"A row must have {len(columns)} cells, got {len(row)}.")
    left = 16 + round(LETTER * max(map(len, rows), default=0))
    top = 50 + round(LETTER * max(map(len, columns), default=0) * 0.8)
    starts = _starts(groups, left)
    parts = [_text(8, 18, caption, weight="bold")]
    for (name, labels), begin in zip(groups.items(), _group_starts(groups, left), strict=True):
        if not _stands_alone(labels):
            middle = begin + len(labels) * COLUMN / 2
            parts.append(_text(middle, 38, name, anchor="middle", weight="bold"))
    for x, label in zip(starts, columns, strict=True):
        parts.append(_slanted(x + COLUMN / 2 + 4, top - 6, label))
    for number, (label, row) in enumerate(zip(rows, cells, strict=True)):
        y = top + number * ROW
        parts.append(_text(left - 8, y + 15, label, anchor="end"))
        parts += [_cell(x, y, cell) for x, cell in zip(starts, row, strict=True)]
    bottom = top + len(rows) * ROW + 14
    for number, (cell, meaning) in enumerate(legend):
        y = bottom + number * ROW
        parts += [_cell(left, y, cell), _text(left + COLUMN + 8, y + 15, meaning)]
    height = bottom + len(legend) * ROW + 6
    right = (starts[-1] if starts else left) + COLUMN + 60
    width = max(right, 16 + round(LETTER * len(caption) * 1.1))
    style = "text{font:12px sans-serif;fill:#222}.page{fill:#fff}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'width="{width}" height="{height}"><title>{html.escape(caption)}</title>'
        f'<style>{style}</style><rect class="page" width="{width}" height="{height}"/>'
        + "".join(parts)
        + "</svg>\n"
    )


def _stands_alone(labels: Sequence[str]) -> bool:
    return list(labels) == [""]


def _group_starts(groups: Mapping[str, Sequence[str]], left: int) -> list[int]:
    starts, x = [], left
    for labels in groups.values():
        starts.append(x)
        x += len(labels) * COLUMN + GAP
    return starts


def _starts(groups: Mapping[str, Sequence[str]], left: int) -> list[int]:
    return [
        begin + number * COLUMN
        for begin, labels in zip(_group_starts(groups, left), groups.values(), strict=True)
        for number in range(len(labels))
    ]


def _cell(x: float, y: float, cell: HeatCell) -> str:
    opacity = 0.12 + 0.88 * min(max(cell.strength, 0.0), 1.0)
    ink = "#fff" if opacity > 0.6 else "#222"
    return (
        f'<g><title>{html.escape(cell.title)}</title><rect x="{x + 1:g}" y="{y + 1:g}" rx="3" '
        f'width="{COLUMN - 2}" height="{ROW - 2}" fill="{cell.colour}" fill-opacity="{opacity:.2f}"/>'
        f'<text x="{x + COLUMN / 2:g}" y="{y + 15:g}" text-anchor="middle" style="fill:{ink}">'
        f"{html.escape(cell.mark)}</text></g>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{html.escape(text)}</text>"
    )


def _slanted(x: float, y: float, text: str) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" transform="rotate(-50 {x:g} {y:g})">{html.escape(text)}</text>'
    )
