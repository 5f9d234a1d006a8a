"""The common theme of the interactive plots: light or dark, with margins that suit a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

INK = {False: "#22262C", True: "#E6E8EC"}
GRID = {False: "#D9DCE1", True: "#3A404A"}


def apply_theme(figure: go.Figure, dark: bool, height: int) -> go.Figure:
    """Set a figure's theme and height: transparent background, legend above; returns the figure."""
    ink, grid = INK[dark], GRID[dark]
    figure.update_layout(
        template="plotly_dark" if dark else "plotly_white",
        height=height,
        autosize=True,
        margin={"l": 52, "r": 12, "t": 64, "b": 44},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"size": 12, "color": ink},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        hoverlabel={"namelength": -1},
        dragmode=False,
    )
    figure.update_xaxes(gridcolor=grid, zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor=grid, zeroline=False, automargin=True)
    return figure


def translucent(colour: str, alpha: float) -> str:
    """A "#RRGGBB" colour with an opacity, as plotly writes it."""
    from savg.viz.palette import rgb

    return "rgba({},{},{},{})".format(*rgb(colour), alpha)
