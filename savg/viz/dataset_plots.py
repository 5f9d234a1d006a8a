"""Statistics of a set of clips as interactive plots.

Speech and instruments have their own colour and their own mark or hatching everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from savg.annotation import CATEGORY_NAMES, INSTRUMENT, SPEECH
from savg.data.bench_table import BenchTable, expected_difference_db
from savg.data.starss.results import RULES
from savg.format import SAVGBENCH
from savg.viz import palette
from savg.viz.panorama import signed_azimuth
from savg.viz.plots import apply_theme, translucent

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT = 330
POSITION_BINS, VIEW_BINS, LEVEL_BIN = 16, 36, 1.0

MAX_RECORDINGS = 14
"""Beyond this many, the recordings with the fewest clips share a bar."""

MAX_POINTS = 2000
"""Beyond this many, points are drawn for evenly chosen clips."""

RULE_WORDS = {
    "class": "other class",
    "overlap": "two sounds at once",
    "activity": "too little sound",
    "off_screen": "off screen",
    "clipping": "too loud",
    "kept": "kept",
}

_HATCH = {SPEECH: "", INSTRUMENT: "/", -1: "."}
_SYMBOL = {SPEECH: "circle", INSTRUMENT: "diamond", -1: "x"}


def recordings(table: BenchTable, *, dark: bool = False) -> go.Figure:
    """Clips of each recording, by category, the recording with the most clips on top."""
    names, inverse = np.unique(table.recordings, return_inverse=True)
    order = np.argsort(-np.bincount(inverse, minlength=len(names)), kind="stable")
    rest = order[MAX_RECORDINGS:]
    shown = [str(names[i]) for i in order[:MAX_RECORDINGS]]
    figure = _figure()
    for category, name in _categories(table):
        counts = np.bincount(inverse[table.categories == category], minlength=len(names))
        values = counts[order[:MAX_RECORDINGS]].tolist()
        labels = list(shown)
        if len(rest):
            values.append(int(counts[rest].sum()))
            labels.append(f"{len(rest)} more")
        _bar(figure, category, name, x=values, y=labels, orientation="h", hover="%{y}: %{x}")
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title_text="clips")
    return _themed(figure, "Recordings", dark)


def positions(table: BenchTable, *, dark: bool = False) -> go.Figure:
    """Histogram of the horizontal position of the labelled sound in the frame."""
    edges = np.linspace(0.0, SAVGBENCH.size, POSITION_BINS + 1)
    figure = _histogram(table, table.x, edges, "x %{x}: %{y}")
    size = SAVGBENCH.size
    title = "position x of the sound, pixels from the left"
    figure.update_xaxes(title_text=title, range=[0, size], tick0=0, dtick=size // 4)
    figure.update_yaxes(title_text="clips")
    return _themed(figure, "Positions", dark)


def levels(table: BenchTable, *, dark: bool = False) -> go.Figure:
    """Histogram of the clips' levels in dB."""
    finite = table.level_db[np.isfinite(table.level_db)]
    low, high = (np.floor(finite.min()), np.ceil(finite.max())) if len(finite) else (-40.0, 0.0)
    edges = np.arange(low, high + 2 * LEVEL_BIN, LEVEL_BIN)
    figure = _histogram(table, table.level_db, edges, "%{x} dB: %{y}")
    figure.update_xaxes(title_text="level of both channels, dB")
    figure.update_yaxes(title_text="clips")
    return _themed(figure, "Levels", dark)


def sides(table: BenchTable, *, dark: bool = False) -> go.Figure:
    """Level difference of the channels against the label's position, with that of W ± Y without
    reverberation."""
    import plotly.graph_objects as go

    figure = _figure()
    for category, name in _categories(table):
        rows = np.flatnonzero((table.categories == category) & np.isfinite(table.difference_db))
        rows = rows[:: max(1, -(-len(rows) // MAX_POINTS))]
        figure.add_trace(
            go.Scatter(
                x=table.x[rows],
                y=table.difference_db[rows],
                text=table.names[rows].tolist(),
                mode="markers",
                name=name,
                marker={
                    "color": translucent(palette.category_colour(category), 0.7),
                    "symbol": _SYMBOL[category],
                    "size": 6,
                    "line": {"width": 0},
                },
                hovertemplate="%{text}<br>x %{x:.0f}, %{y:+.1f} dB<extra></extra>",
            )
        )
    x = np.linspace(0.0, SAVGBENCH.size, 65)
    line = {"color": palette.UNKNOWN, "width": 2, "dash": "dash"}
    expected = expected_difference_db(x)
    curve = go.Scatter(x=x, y=expected, mode="lines", name="W ± Y, dry", line=line)
    figure.add_trace(curve.update(hovertemplate="x %{x:.0f}: %{y:+.1f} dB<extra>expected</extra>"))
    title, size = "position x of the sound, pixels from the left", SAVGBENCH.size
    figure.update_xaxes(title_text=title, range=[0, size], tick0=0, dtick=size // 4)
    figure.update_yaxes(title_text="left − right, dB", zeroline=True)
    return _themed(figure, "Level difference and position", dark)


def views(table: BenchTable, *, dark: bool = False) -> go.Figure:
    """Histogram of the views' azimuths: 0 is ahead (up), 90 to the left, −90 to the right."""
    import plotly.graph_objects as go

    figure = _figure()
    width = 360 // VIEW_BINS
    for category, name in _categories(table):
        azimuths = table.views[(table.categories == category) & (table.views >= 0)]
        counts = np.bincount(((azimuths + width // 2) // width) % VIEW_BINS, minlength=VIEW_BINS)
        figure.add_trace(
            go.Barpolar(
                r=counts,
                theta=np.arange(VIEW_BINS) * width,
                width=np.full(VIEW_BINS, width),
                name=name,
                marker=_fill(category),
                text=[signed_azimuth(view) for view in range(0, 360, width)],
                hovertemplate="azimuth %{text}: %{r}<extra>" + name + "</extra>",
            )
        )
    ticks = list(range(0, 360, 45))
    angular = {
        "rotation": 90,
        "direction": "counterclockwise",
        "tickvals": ticks,
        "ticktext": [signed_azimuth(view) for view in ticks],
    }
    ground = "rgba(0,0,0,0)"
    figure.update_layout(
        polar={
            "angularaxis": angular,
            "domain": {"y": [0.0, 0.94]},
            "bgcolor": ground,
            "hole": 0.15,
            "radialaxis": {"nticks": 4, "angle": 90, "tickangle": 90},
        }
    )
    return _themed(figure, "Views", dark)


def dropped(report: Mapping[str, Any], *, dark: bool = False) -> go.Figure:
    """Windows × views of a construction (its report.json) by rule that dropped them, logarithmic."""
    import plotly.graph_objects as go

    by_rule = report["dropped"]
    rules = [rule for rule in RULES if rule in by_rule] + sorted(set(by_rule) - set(RULES))
    counts = {**{rule: by_rule[rule] for rule in rules}, "kept": report["kept"]}
    labels = [RULE_WORDS.get(rule, rule) for rule in counts]
    values = list(counts.values())
    share = [100.0 * v / max(report["windows"], 1) for v in values]
    figure = _figure()
    colours = [palette.UNKNOWN] * (len(values) - 1) + [palette.TRUE_POSITIVE]
    figure.add_trace(
        go.Bar(
            x=[v or None for v in values],
            y=labels,
            orientation="h",
            marker={"color": colours},
            text=[f"{v:,}" if v else "none" for v in values],
            textposition="outside",
            cliponaxis=False,
            customdata=share,
            hovertemplate="%{y}: %{x:,} (%{customdata:.2f} %)<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_yaxes(autorange="reversed")
    top = np.log10(max([*values, 10])) + 0.5
    figure.update_xaxes(type="log", title_text="windows × views", range=[0, top], dtick=1)
    return _themed(figure, f"Of {report['windows']:,} windows × views", dark)


def _figure() -> go.Figure:
    import plotly.graph_objects as go

    return go.Figure()


def _themed(figure: go.Figure, title: str, dark: bool) -> go.Figure:
    figure = apply_theme(figure, dark, HEIGHT)
    figure.update_layout(
        barmode="stack",
        bargap=0.08,
        title={"text": title, "x": 0, "xref": "paper", "y": 0.97, "font": {"size": 15}},
        margin={"l": 52, "r": 14, "t": 74, "b": 48},
        legend_traceorder="normal",
    )
    return figure


def _categories(table: BenchTable) -> list[tuple[int, str]]:
    """Categories that occur, with their names."""
    categories = [
        (c, name) for c, name in enumerate(CATEGORY_NAMES) if (table.categories == c).any()
    ]
    return categories + ([(-1, "unknown")] if (table.categories == -1).any() else [])


def _fill(category: int) -> dict[str, Any]:
    colour = palette.category_colour(category)
    pattern = {"shape": _HATCH[category], "fgcolor": "rgba(255,255,255,0.55)", "size": 6}
    return {"color": colour, "line": {"width": 0}, "pattern": pattern}


def _bar(figure: go.Figure, category: int, name: str, hover: str, **data: Any) -> None:
    import plotly.graph_objects as go

    template = f"{hover}<extra>{name}</extra>"
    figure.add_trace(go.Bar(name=name, marker=_fill(category), hovertemplate=template, **data))


def _histogram(
    table: BenchTable, values: NDArray[np.float64], edges: NDArray[np.float64], hover: str
) -> go.Figure:
    figure = _figure()
    middles = (edges[1:] + edges[:-1]) / 2
    for category, name in _categories(table):
        chosen = values[(table.categories == category) & np.isfinite(values)]
        counts = np.histogram(np.clip(chosen, edges[0], edges[-1]), edges)[0]
        _bar(figure, category, name, hover=hover, x=middles, y=counts, width=np.diff(edges) * 0.94)
    return figure
