"""Interactive figures of results: estimates with 95 % intervals, and ratings against a metric.

Names come from files; plotly's markup in them is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from savg.viz import palette
from savg.viz.documents import NOT_ENOUGH, Estimate
from savg.viz.plots import GRID, INK, apply_theme

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "cross")

COLOURS_ON_DARK = ("#56A9E8", "#FF8A4C", "#2FC79B", "#E39AC4", "#F2C14E", "#9AD8FF")

TOOLS = (
    "lasso2d",
    "select2d",
    "zoom2d",
    "pan2d",
    "zoomIn2d",
    "zoomOut2d",
    "autoScale2d",
    "resetScale2d",
)
"""Buttons that these figures do not need."""

ROW = 54
"""Height of a row in pixels: a name, and below it the estimate."""

MAX_NAME = 60


BELOW = {
    "orientation": "h",
    "x": 0,
    "xanchor": "left",
    "yref": "container",
    "y": 0.01,
    "yanchor": "bottom",
}


def intervals(
    rows: Sequence[Estimate],
    title: str,
    axis: str,
    reach: tuple[float, float],
    *,
    ticks: Sequence[tuple[float, str]] = (),
    zero: bool = False,
    dark: bool = False,
    mark: str = "",
) -> go.Figure:
    """One row per estimate, readable at any width: dots with their intervals as lines.

    reach: range of the axis; ticks: (value, text); mark: watermark across the figure (simulated data).
    """
    import plotly.graph_objects as go

    names = [_plain(row.name) + (f" ({NOT_ENOUGH})" if row.value is None else "") for row in rows]
    figure = go.Figure()
    labels = list(dict.fromkeys(name for row in rows for name, _ in row.marks))
    for number, label in enumerate(labels):
        marks = [(n, dict(r.marks)[label]) for n, r in zip(names, rows, strict=True)
                 if label in dict(r.marks)]  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=[value for _, value in marks],
                y=[name for name, _ in marks],
                mode="markers",
                name=_plain(label),
                marker={
                    "symbol": ("line-ns-open", "x-thin-open", "diamond-open")[number % 3],
                    "size": 11,
                    "color": palette.UNKNOWN,
                    "line": {"width": 2, "color": palette.UNKNOWN},
                },
                hovertemplate="%{y}: %{x:.3f}<extra>" + _plain(label) + "</extra>",
            )
        )
    colour = "#7DB4FF" if dark else "#1D4E89"
    arms = [_arms(row) for row in rows]
    figure.add_trace(
        go.Scatter(
            x=[row.value for row in rows],
            y=names,
            mode="markers",
            name="measured, 95 %",
            marker={"size": 12, "color": colour},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [above for above, _ in arms],
                "arrayminus": [below for _, below in arms],
                "thickness": 3,
                "width": 6,
                "color": colour,
            },
            customdata=[_range(row) for row in rows],
            hovertemplate="%{y}: %{x:.3f} %{customdata}<extra></extra>",
        )
    )
    apply_theme(figure, dark, 120 + ROW * max(len(rows), 1) + (46 if labels else 0))
    figure.update_layout(
        title=_title(title),
        showlegend=bool(labels),
        legend=BELOW,
        margin={"l": 16, "r": 16, "t": 44, "b": 100 if labels else 52},
    )
    figure.update_yaxes(
        autorange="reversed", type="category", showticklabels=False, showgrid=False, fixedrange=True
    )
    for name in names:
        figure.add_annotation(
            text=name,
            x=0,
            xref="paper",
            xanchor="left",
            y=name,
            yshift=19,
            showarrow=False,
            font={"size": 13, "color": INK[dark]},
        )
    figure.update_xaxes(title_text=_plain(axis), range=list(reach), fixedrange=True)
    if ticks:
        figure.update_xaxes(
            tickvals=[value for value, _ in ticks], ticktext=[_plain(t) for _, t in ticks]
        )
    if zero:
        figure.add_vline(x=0, line={"color": INK[dark], "width": 1})
    return _watermarked(figure, mark, dark)


def ratings_against_score(
    points: Sequence[tuple[str, str, float, float, int]],
    title: str,
    scale: tuple[float, float],
    *,
    dark: bool = False,
    mark: str = "",
) -> go.Figure:
    """Mean rating of each clip against its Spatial AV-Align.

    points: (condition, clip, score, mean rating, number of ratings); scale: range of the ratings.
    """
    import plotly.graph_objects as go

    colours = COLOURS_ON_DARK if dark else COLOURS
    figure = go.Figure()
    for number, condition in enumerate(dict.fromkeys(point[0] for point in points)):
        selected = [point for point in points if point[0] == condition]
        figure.add_trace(
            go.Scatter(
                x=[p[2] for p in selected],
                y=[p[3] for p in selected],
                mode="markers",
                name=_plain(condition),
                text=[f"{_plain(p[1])}, {p[4]} ratings" for p in selected],
                marker={
                    "color": colours[number % len(colours)],
                    "symbol": SYMBOLS[number % len(SYMBOLS)],
                    "size": 9,
                    "opacity": 0.8,
                },
                hovertemplate="%{text}<br>Spatial AV-Align %{x:.2f}, rated %{y:.2f}",
            )
        )
    apply_theme(figure, dark, 420)
    figure.update_layout(title=_title(title), legend=BELOW, margin={"t": 44, "b": 100})
    figure.update_xaxes(title_text="Spatial AV-Align of the clip", range=[-0.03, 1.03])
    figure.update_yaxes(title_text="mean rating", range=[scale[0] - 0.15, scale[1] + 0.15])
    return _watermarked(figure, mark, dark)


def _watermarked(figure: go.Figure, mark: str, dark: bool) -> go.Figure:
    figure.update_layout(modebar={"remove": list(TOOLS), "bgcolor": "rgba(0,0,0,0)"})
    if mark:
        figure.add_annotation(
            text=_plain(mark),
            xref="paper", yref="paper", x=0.5, y=0.5,
            showarrow=False, textangle=-12,
            font={"size": 28, "color": GRID[dark]},
        )  # fmt: skip
    return figure


def _plain(text: str) -> str:
    short = text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 1]}…"
    return html.escape(short)


def _title(text: str) -> dict[str, Any]:
    place = {"x": 0, "xref": "container", "pad": {"l": 12}}
    return {"text": _plain(text), "font": {"size": 15}, **place}


def _arms(row: Estimate) -> tuple[float, float]:
    """Lengths of an interval above and below its estimate."""
    if row.value is None or row.low is None or row.high is None:
        return 0.0, 0.0
    return row.high - row.value, row.value - row.low


def _range(row: Estimate) -> str:
    return "" if row.low is None or row.high is None else f"({row.low:.3f} … {row.high:.3f})"
