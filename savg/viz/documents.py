"""A document of sections with texts, tables and figures, rendered as Markdown or as one HTML page.

The page has no scripts and no external resources; all texts are escaped except for pairs of ** and *.
A missing number is None and reads "not enough data" everywhere.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

NOT_ENOUGH = "not enough data"


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; marks are other values of the same row by name (chance)."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    marks: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Table:
    """A table; every row has as many cells as the head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """Estimates as dots with their intervals as lines, on an axis from `low` to `high`."""

    rows: tuple[Estimate, ...]
    low: float
    high: float
    caption: str


Block = str | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading with its blocks; `key` identifies the section."""

    key: str
    heading: str
    blocks: tuple[Block, ...]

    @property
    def tables(self) -> list[Table]:
        """The tables among its blocks."""
        return [block for block in self.blocks if isinstance(block, Table)]

    @property
    def figures(self) -> list[Figure]:
        """The figures among its blocks."""
        return [block for block in self.blocks if isinstance(block, Figure)]

    @property
    def texts(self) -> list[str]:
        """The paragraphs among its blocks."""
        return [block for block in self.blocks if isinstance(block, str)]


def finite(value: object) -> float | None:
    """A finite number, None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        result = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return None
    return result if math.isfinite(result) else None


def number(value: object, digits: int = 2) -> str:
    """A number as text with `digits` decimals; NOT_ENOUGH if it is not finite."""
    usable = finite(value)
    return NOT_ENOUGH if usable is None else f"{usable:.{digits}f}".replace("-", "−")


def interval(low: object, high: object, digits: int = 2) -> str:
    """Both ends of an interval as text; NOT_ENOUGH if one of them is not finite."""
    if finite(low) is None or finite(high) is None:
        return NOT_ENOUGH
    return f"{number(low, digits)} … {number(high, digits)}"


def percent(share: object) -> str:
    """A share in per cent as text; NOT_ENOUGH if it is not finite."""
    usable = finite(share)
    return NOT_ENOUGH if usable is None else f"{100 * usable:.0f} %"


def as_markdown(title: str, note: str, sections: Sequence[Section]) -> str:
    """The document as Markdown, without figures; their numbers are in the tables."""
    lines = [f"# {_plain(title)}", "", note]
    for section in sections:
        lines += ["", f"## {_plain(section.heading)}"]
        for block in section.blocks:
            if isinstance(block, str):
                lines += ["", _plain(block)]
            elif isinstance(block, Table):
                lines += ["", "| " + " | ".join(map(_plain, block.head)) + " |"]
                lines += ["|" + "---|" * len(block.head)]
                lines += ["| " + " | ".join(map(_plain, row)) + " |" for row in block.rows]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text for a line of Markdown: no line breaks, no markup of its own."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{border-bottom:1px solid #ccc;padding:.25rem .75rem;text-align:left}"
    "figure{margin:1rem 0;max-width:45rem}figcaption{color:#555}"
)

_MARKED = (
    "body::before{{content:'{0}';position:fixed;top:40%;left:0;right:0;text-align:center;"
    "font:bold 8vw sans-serif;color:#c001;transform:rotate(-25deg);pointer-events:none;z-index:1}}"
    ".mark{{background:#a00;color:#fff;padding:.5rem 1rem;font-weight:bold;position:sticky;top:0}}"
    "figure::after{{content:'{0}';display:block;color:#a00;font-weight:bold}}"
)


def as_html(title: str, note: str, sections: Sequence[Section], mark: str = "") -> str:
    """The document as one HTML page; mark: watermark (letters and spaces) on it and on every figure."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{html.escape(title)}</title>"
        f"<style>{_STYLE}{_MARKED.format(mark) if mark else ''}</style>"
        + (f'<p class="mark">{mark}: no result of this page is real.</p>' if mark else "")
        + f"<h1>{html.escape(title)}</h1><p>{html.escape(note)}</p>"
    ]
    for section in sections:
        parts.append(f"<h2>{html.escape(section.heading)}</h2>")
        parts += map(_html_block, section.blocks)
    return "".join(parts) + "</html>"


def _html_block(block: Block) -> str:
    if isinstance(block, str):
        return f"<p>{emphasis(block)}</p>"
    if isinstance(block, Figure):
        caption = html.escape(block.caption)
        return f"<figure>{as_svg(block)}<figcaption>{caption}</figcaption></figure>"
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in block.head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in block.rows
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def emphasis(text: str) -> str:
    """Escaped text in which pairs of ** and * are as in Markdown."""
    text = html.escape(text)
    for mark, tag in (("**", "strong"), ("*", "em")):
        pieces = text.split(mark)
        if len(pieces) % 2:
            text = "".join(
                f"<{tag}>{piece}</{tag}>" if i % 2 else piece for i, piece in enumerate(pieces)
            )
    return text


def as_svg(figure: Figure) -> str:
    """The figure as SVG, one row per estimate; values beyond the axis are drawn at its end."""
    left, width, step = 240, 420, 30
    low, high = figure.low, figure.high
    height = step * len(figure.rows) + 40

    def x(value: float) -> float:
        return left + width * (min(max(value, low), high) - low) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 30} {height}" '
        'role="img" font-family="sans-serif" font-size="13">'
    ]
    for tick in (low + (high - low) * i / 4 for i in range(5)):
        label = f"{tick:.3g}".replace("-", "−")
        parts.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="8" y2="{height - 28}" stroke="#ccc"/>'
            f'<text x="{x(tick):.1f}" y="{height - 10}" text-anchor="middle">{label}</text>'
        )
    for i, row in enumerate(figure.rows):
        y = 22 + step * i
        name = html.escape(row.name)
        parts.append(f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{name}</text>')
        if row.low is not None and row.high is not None:
            parts.append(
                f'<line x1="{x(row.low):.1f}" x2="{x(row.high):.1f}" y1="{y}" y2="{y}" '
                'stroke="#1d4e89" stroke-width="3"/>'
            )
        if row.value is None:
            parts.append(f'<text x="{left}" y="{y + 4}" fill="#555">{NOT_ENOUGH}</text>')
        else:
            parts.append(f'<circle cx="{x(row.value):.1f}" cy="{y}" r="5" fill="#1d4e89"/>')
    return "".join([*parts, "</svg>"])
