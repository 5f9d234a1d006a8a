"""Figures as SVG for pages without scripts: intervals, points, shares, a line through points.

Colours are classes that `STYLE` defines, so that a page can be light or dark; what a mouse over a mark
tells is its `<title>`. All names are escaped.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from savg.viz.documents import Estimate

WIDTH = 380
"""Of every figure in its own units; it takes the width that the page gives it."""

SIDE, TOP, BOTTOM = 14, 10, 40
"""Margins."""

ROW = 46
"""Height of an estimate: its name, and below it the mark."""

MOST = 2000
"""Points drawn; of more, evenly spaced ones."""

STYLE = """
.svg{display:block;width:100%;height:auto;font:12px system-ui,sans-serif}
.svg text{fill:var(--ink);stroke:var(--card);stroke-width:4;paint-order:stroke;stroke-linejoin:round}
.svg text.low{fill:var(--soft)}
.svg .grid{stroke:var(--line);stroke-width:1}.svg .axis{stroke:var(--soft);stroke-width:1}
.svg .arm{stroke-width:3}.svg .null{stroke:var(--soft);stroke-width:2;fill:none}
.svg .c0{fill:var(--c0);stroke:var(--c0)}.svg .c1{fill:var(--c1);stroke:var(--c1)}
.svg .c2{fill:var(--c2);stroke:var(--c2)}.svg .c3{fill:var(--c3);stroke:var(--c3)}
.svg .point{fill-opacity:.55;stroke-width:1}.svg .step{fill:none;stroke-width:2}
.svg .area{fill-opacity:.16;stroke:none}.svg .dash{stroke-dasharray:5 4}
"""
"""Style sheet of the figures; the page defines --ink, --soft, --line, --card and --c0 … --c3."""


@dataclass(frozen=True)
class Series:
    """Values of one set of clips."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Point:
    """One clip in a plane."""

    name: str
    x: float
    y: float


def intervals(
    rows: Sequence[Estimate], label: str, texts: Sequence[str] = (), colourful: bool = True
) -> str:
    """Estimates as dots with their intervals as lines, and their marks (nulls) as short strokes.

    texts: what stands at the right of each row, such as the value in words; colourful: a colour for
    each row, as for each set of clips elsewhere.
    """
    names = list(dict.fromkeys(name for row in rows for name, _ in row.marks))
    values = [v for row in rows for v in (row.value, row.low, row.high) if v is not None]
    axis = _Axis(values + [v for row in rows for _, v in row.marks])
    height = TOP + ROW * len(rows) + BOTTOM + (18 * len(names) + 6 if names else 0)
    bottom = TOP + ROW * len(rows)
    parts = axis.grid(bottom, label)
    for i, row in enumerate(rows):
        top = TOP + ROW * i
        parts.append(_text(SIDE, top + 13, row.name))
        if i < len(texts):
            parts.append(_text(WIDTH - SIDE, top + 13, texts[i], "low", "end"))
        parts += [_null(axis, names.index(n), v, top + 29, n) for n, v in row.marks]
        parts.append(_estimate(axis, row, top + 29, min(i, 3) if colourful else 0))
    for i, name in enumerate(names):
        y = bottom + BOTTOM + 18 * i
        parts.append(_mark(i, SIDE + 8, y) + "</g>")
        parts.append(_text(SIDE + 24, y + 4, f"chance: {name}", "low"))
    return _svg(height, label, parts)


def points(values: Sequence[Point], x: str, y: str, more: Sequence[Point] = ()) -> str:
    """One dot a clip; more: a second set, drawn below the first one."""
    shown = [*values, *more]
    horizontal = _Axis([p.x for p in shown], left=SIDE + 40)
    height, bottom = 300, 300 - BOTTOM
    vertical = _Axis([p.y for p in shown], left=bottom, right=TOP)
    parts = horizontal.grid(bottom, x)
    for tick in vertical.ticks:
        level = vertical.at(tick)
        parts.append(_line(SIDE + 40, level, WIDTH - SIDE, level, "grid"))
        parts.append(_text(SIDE + 34, level + 4, _number(tick), "low", "end"))
    middle = (TOP + bottom) / 2
    turn = f'transform="rotate(-90 {SIDE} {middle:.1f})"'
    parts.append(_text(SIDE, middle, y, "low", "middle", turn))
    for number, group in ((1, more), (0, values)):
        for p in _few(group):
            told = f"{p.name}: {_number(p.x)}, {_number(p.y)}"
            place = f'cx="{horizontal.at(p.x):.1f}" cy="{vertical.at(p.y):.1f}"'
            title = f"<title>{html.escape(told)}</title>"
            parts.append(f'<circle class="point c{number}" {place} r="4">{title}</circle>')
    return _svg(height, f"{y} against {x}", parts)


def shares(series: Sequence[Series], label: str) -> str:
    """Histograms of the share of clips by value, over each other."""
    filled = [s for s in series if len(s.values)]
    axis = _Axis([v for s in filled for v in s.values])
    fewest = min((len(s.values) for s in filled), default=0)
    edges = np.linspace(axis.low, axis.high, int(np.clip(2 * fewest**0.5, 8, 24)) + 1)
    counts = [np.histogram(s.values, edges)[0] / len(s.values) for s in filled]
    largest = max((float(c.max()) for c in counts), default=0) or 1.0
    bottom = 190
    parts = axis.grid(bottom, label)
    for i, (one, share) in enumerate(zip(filled, counts, strict=True)):
        tops = bottom - share / largest * (bottom - TOP - 22)
        steps = " ".join(
            f"L{axis.at(a):.1f} {t:.1f}L{axis.at(b):.1f} {t:.1f}"
            for a, b, t in zip(edges[:-1], edges[1:], tops, strict=True)
        )
        path = f"M{axis.at(edges[0]):.1f} {bottom}{steps}L{axis.at(edges[-1]):.1f} {bottom}"
        told = f"<title>{html.escape(one.name)}, {len(one.values)} clips</title>"
        dash = " dash" if i % 2 else ""
        parts.append(f'<path class="area c{i % 4}" d="{path}Z"/>')
        parts.append(
            f'<path class="step c{i % 4}{dash}" style="fill:none" d="{path}">{told}</path>'
        )
    parts.append(_text(SIDE, TOP + 6, f"tallest column: {100 * largest:.0f} % of the clips", "low"))
    return _svg(bottom + BOTTOM, f"Distribution of {label}", parts)


def extrapolation(
    values: Sequence[tuple[float, float]], limit: float, slope: float | None, label: str
) -> str:
    """A value against 1 / n, with the line limit + slope / n that ends at n = ∞.

    values: (n, value).
    """
    inverse = [(1 / n, v) for n, v in values if n > 0]
    axis = _Axis([0.0, *(x for x, _ in inverse)], left=SIDE + 40)
    bottom = 220
    vertical = _Axis([limit, *(v for _, v in inverse)], left=bottom, right=TOP)
    parts = [_line(SIDE + 40, bottom, WIDTH - SIDE, bottom, "axis")]
    for tick in vertical.ticks:
        y = vertical.at(tick)
        parts.append(_line(SIDE + 40, y, WIDTH - SIDE, y, "grid"))
        parts.append(_text(SIDE + 34, y + 4, _number(tick), "low", "end"))
    last = None
    for n, _ in [(math.inf, limit), *sorted(values, reverse=True)]:
        x = axis.at(0 if math.isinf(n) else 1 / n)
        if last is None or x - last > 34:
            parts.append(
                _text(x, bottom + 16, "∞" if math.isinf(n) else f"{n:.0f}", "low", "middle")
            )
            last = x
    parts.append(
        _text((SIDE + 40 + WIDTH) / 2, bottom + 33, "clips (spaced as 1 / n)", "low", "middle")
    )
    if inverse and slope is not None:
        far = max(x for x, _ in inverse)
        end = vertical.at(limit + slope * far)
        parts.append(_line(axis.at(0), vertical.at(limit), axis.at(far), end, "c0 dash"))
    dots = [(x, v, f"{1 / x:.0f} clips", "point c0", 4) for x, v in inverse]
    for x, v, name, kind, radius in [*dots, (0.0, limit, "extrapolated", "c1", 5)]:
        told = f"<title>{name}: {_number(v)}</title>"
        place = f'cx="{axis.at(x):.1f}" cy="{vertical.at(v):.1f}" r="{radius}"'
        parts.append(f'<circle class="{kind}" {place}>{told}</circle>')
    return _svg(bottom + BOTTOM, f"{label} against the number of clips", parts)


class _Axis:
    """Values → places, over round ticks that hold all values."""

    def __init__(
        self, values: Sequence[float], left: float = SIDE + 6, right: float = WIDTH - SIDE
    ) -> None:
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        if high - low < 1e-12 * max(1.0, abs(high)):
            low, high = min(low, 0.0), max(high, 0.0) or (0.0 if low < 0 else 1.0)
        step = _round_step((high - low) / 4)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        self.ticks = [k * step for k in range(first, last + 1)]
        self.low, self.high = self.ticks[0], self.ticks[-1]
        self.left, self.right = left, right

    def at(self, value: float) -> float:
        """The place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.left + share * (self.right - self.left)

    def grid(self, bottom: float, label: str) -> list[str]:
        """Vertical lines with their values, and the axis' label."""
        parts = []
        for tick in self.ticks:
            x = self.at(tick)
            parts.append(_line(x, TOP, x, bottom, "grid"))
            parts.append(_text(x, bottom + 15, _number(tick), "low", "middle"))
        return [*parts, _text((self.left + self.right) / 2, bottom + 32, label, "low", "middle")]


def _round_step(step: float) -> float:
    scale = 10.0 ** math.floor(math.log10(step))
    return next(m * scale for m in (1, 2, 2.5, 5, 10) if m * scale >= step * (1 - 1e-9))


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−") if abs(value) > 1e-12 else "0"


def _few(values: Sequence[Point]) -> Sequence[Point]:
    every = -(-len(values) // MOST)
    return values[:: max(every, 1)]


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    box = f'viewBox="0 0 {WIDTH} {height:.0f}"'
    name = html.escape(label, quote=True)
    return f'<svg class="svg" {box} role="img" aria-label="{name}">{"".join(parts)}</svg>'


def _text(
    x: float, y: float, text: str, kind: str = "", anchor: str = "start", more: str = ""
) -> str:
    short = text if len(text) <= 64 else f"{text[:63]}…"
    place = f'class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}'
    return f"<text {place}>{html.escape(short)}</text>"


def _line(x0: float, y0: float, x1: float, y1: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>'


def _estimate(axis: _Axis, row: Estimate, y: float, colour: int) -> str:
    if row.value is None:
        return _text(SIDE + 6, y + 4, "no value", "low")
    arm, told = "", _number(row.value)
    if row.low is not None and row.high is not None:
        arm = _line(axis.at(row.low), y, axis.at(row.high), y, f"arm c{colour}")
        told += f" ({_number(row.low)} … {_number(row.high)})"
    title = f"<title>{html.escape(row.name)}: {told}</title>"
    dot = f'<circle class="c{colour}" cx="{axis.at(row.value):.1f}" cy="{y}" r="6"/>'
    return f"<g>{title}{arm}{dot}</g>"


def _null(axis: _Axis, number: int, value: float, y: float, name: str) -> str:
    title = f"<title>chance: {html.escape(name)}: {_number(value)}</title></g>"
    return _mark(number, axis.at(value), y) + title


def _mark(number: int, x: float, y: float) -> str:
    """The beginning of a group with the sign of a null: a stroke, a cross, a diamond or a square."""
    shapes = (
        f"M{x:.1f} {y - 9}V{y + 9}",
        f"M{x - 5:.1f} {y - 5}l10 10m-10 0l10 -10",
        f"M{x:.1f} {y - 7}l6 7l-6 7l-6 -7Z",
        f"M{x - 5:.1f} {y - 5}h10v10h-10Z",
    )
    return f'<g><path class="null" d="{shapes[number % 4]}"/>'
