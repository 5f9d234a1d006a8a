"""Interactive timeline: positions of people and sound events over time, and both channels' levels.

The vertical axis is the frame's horizontal one, left at the top, so that a source which moves to the
left moves up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from savg.annotation import Alignment, Boxes, SoundEvents
from savg.audio.levels import levels_db
from savg.clip import Clip
from savg.format import SAVGBENCH, ClipFormat
from savg.viz import palette
from savg.viz.plots import apply_theme, translucent

if TYPE_CHECKING:
    import plotly.graph_objects as go

LEVEL_RATE = 20
"""Levels per second in the plot."""

_MARKS = {True: ("circle", ""), False: ("x", "/")}
"""Marker and hatching of true positives and false negatives."""


def timeline(
    clip: Clip, boxes: Boxes, events: SoundEvents, alignment: Alignment, *, dark: bool = False
) -> go.Figure:
    """Boxes as horizontal extents, events as bands of x ± margin judged TP or FN, and levels in dB.

    Boxes last one frame, events one label frame; both panels share the time axis in seconds. Raises
    ValueError unless `alignment` has one judgement per event.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    if len(alignment.matched) != len(events):
        raise ValueError(
            "alignment must have one judgement per sound event, "
            f"got {len(alignment.matched)} for {len(events)}."
        )
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.06
    )
    figure.add_trace(_people(clip.format, boxes), row=1, col=1)
    for matched in (True, False):
        chosen = np.flatnonzero(alignment.matched == matched)
        for trace in _events(clip.format, events, chosen, matched, alignment.margin):
            figure.add_trace(trace, row=1, col=1)
    for name, colour, dash, level in zip(
        ("left level", "right level"),
        (palette.LEFT, palette.RIGHT),
        ("solid", "dash"),
        levels_db(clip.audio, clip.format.sample_rate, LEVEL_RATE),
        strict=True,
    ):
        line = {"color": colour, "dash": dash, "width": 2}
        time = (np.arange(len(level)) + 0.5) / LEVEL_RATE
        hover = "%{y:.1f} dB<extra>" + name + "</extra>"
        trace = go.Scatter(x=time, y=level, mode="lines", name=name, line=line, hovertemplate=hover)
        figure.add_trace(trace, row=2, col=1)
    size = SAVGBENCH.size
    ticks = {"tickvals": [0, size / 2, size], "ticktext": ["left 0", "128", f"right {size}"]}
    low, high = _extent(boxes, events, alignment.margin)
    title = "x in pixels, left at the top"
    figure.update_yaxes(range=[high, low], title_text=title, row=1, col=1, **ticks)
    figure.update_yaxes(range=[-80, 0], title_text="level, dB", row=2, col=1)
    figure.update_xaxes(range=[0, clip.format.seconds])
    figure.update_xaxes(title_text="time, s", row=2, col=1)
    figure.update_layout(barmode="overlay", bargap=0)
    return apply_theme(figure, dark, 520)


def _extent(boxes: Boxes, events: SoundEvents, margin: float) -> tuple[float, float]:
    """Range of the x axis: the frame's width, extended to boxes and bands outside of it, limited."""
    low = [0.0, *(events.x - margin), *boxes.xyxy[:, 0]]
    high = [float(SAVGBENCH.size), *(events.x + margin), *boxes.xyxy[:, 2]]
    return max(min(low), -SAVGBENCH.size), min(max(high), 2.0 * SAVGBENCH.size)


def _people(format: ClipFormat, boxes: Boxes) -> go.Bar:
    import plotly.graph_objects as go

    x0, x1 = boxes.xyxy[:, 0], boxes.xyxy[:, 2]
    scores = np.full(len(boxes), np.nan) if boxes.scores is None else boxes.scores
    return go.Bar(
        x=(boxes.frames + 0.5) / format.fps,
        width=np.full(len(boxes), 1.0 / format.fps),
        base=x0,
        y=x1 - x0,
        name="person",
        marker={
            "color": translucent(palette.PERSON_IN_PLOTS, 0.25),
            "line": {"color": palette.PERSON_IN_PLOTS, "width": 1.5},
        },
        customdata=np.stack([x0, x1, scores, boxes.frames], axis=1),
        hovertemplate="frame %{customdata[3]:.0f}: x %{customdata[0]:.0f} … %{customdata[1]:.0f}"
        ", score %{customdata[2]:.2f}<extra>person</extra>",
    )


def _events(
    format: ClipFormat, events: SoundEvents, rows: NDArray[np.int64], matched: bool, margin: float
) -> list[go.Bar | go.Scatter]:
    """The bands and the centre marks of one judgement, switched together in the legend."""
    import plotly.graph_objects as go

    symbol, hatching = _MARKS[matched]
    colour, word = palette.judgement(matched), palette.judgement_text(matched)
    name = f"{word}: {'a person is near' if matched else 'nobody is near'}"
    time, x = (events.frames[rows] + 0.5) / format.label_fps, events.x[rows]
    classes = [palette.category_name(c) for c in events.categories[rows].tolist()]
    pattern = {"shape": hatching, "fgcolor": colour, "size": 6, "fillmode": "overlay"}
    band = go.Bar(
        x=time,
        width=np.full(len(rows), 1.0 / format.label_fps),
        base=x - margin,
        y=np.full(len(rows), 2 * margin),
        name=name,
        legendgroup=word,
        showlegend=False,
        hoverinfo="skip",
        marker={
            "color": translucent(colour, 0.35 if matched else 0.12),
            "line": {"width": 0},
            "pattern": pattern,
        },
    )
    marks = go.Scatter(
        x=time,
        y=x,
        mode="markers",
        name=name,
        legendgroup=word,
        marker={"symbol": symbol, "color": colour, "size": 8, "line": {"width": 0}},
        text=classes,
        hovertemplate="%{x:.2f} s: %{text} at x %{y:.0f}<extra>" + word + "</extra>",
    )
    return [band, marks]
