"""Statistics of the clips that the Dataset tab's filters leave: a heading and figures."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from savg.errors import SavgError
from savg.studio.dataset.components import heading_value
from savg.studio.dataset.selection import Selection
from savg.studio.dataset.sets import OpenSet, Sets

FIGURES = ("recordings", "positions", "views", "dropped", "sides", "levels")
"""Functions of `savg.viz.dataset_plots`, in the order of the page."""


def statistics(sets: Sets, counted: Any, dark: bool) -> list[Any]:
    """Updates of the heading, the plots' frame and the figures.

    counted: key of a dataset, split, fields of a `Selection`; whatever else shows nothing.
    """
    nothing = [gr.skip(), gr.update(visible=False), *[gr.skip()] * len(FIGURES)]
    if not isinstance(counted, list) or len(counted) != 3 or not isinstance(counted[2], dict):
        return nothing
    try:
        opened = sets.open(counted[0], counted[1])
        rows = Selection(**counted[2]).rows(opened.table)
    except (SavgError, TypeError):
        return nothing
    if not len(rows):
        return [heading_value("", ""), *nothing[1:]]
    figures = [_figure(opened, rows, name, bool(dark)) for name in FIGURES]
    return [_heading(opened, len(rows)), gr.update(visible=True), *figures]


def _figure(opened: OpenSet, rows: Any, name: str, dark: bool) -> dict[str, Any]:
    from savg.viz import dataset_plots

    table = opened.table.select(rows)
    data: Any = table
    if name == "dropped":
        data = opened.report
    elif name in ("levels", "sides") and not np.isfinite(table.level_db).any():
        data = None
    figure = None if data is None else getattr(dataset_plots, name)(data, dark=dark)
    return gr.update(value=figure, visible=figure is not None)


def _heading(opened: OpenSet, count: int) -> dict[str, Any]:
    total = len(opened.table)
    clips = f"all {total:,} clips" if count == total else f"{count:,} of {total:,} clips"
    words = f"{opened.title}: {clips}"
    if opened.report is None:
        words += ". Levels and dropped windows are known for sets that were built here."
    elif count != total:
        words += ". What each rule dropped is that of the whole split."
    return heading_value("Statistics", words)
