"""Above the tabs: what boxes, bands, colours and chance baselines mean."""

from __future__ import annotations

import gradio as gr

from savg.annotation import MARGIN
from savg.format import SAVGBENCH
from savg.geometry import x_to_azimuth
from savg.studio.shared.web import text
from savg.viz import palette


def html() -> str:
    """A closed `details` element in the colours of the overlay."""
    middle = SAVGBENCH.size / 2
    degrees = abs(float(x_to_azimuth(middle + MARGIN, SAVGBENCH.size)))
    facts = {"margin": str(MARGIN), "degrees": f"{degrees:.0f}"} | palette.names()
    return text("shared/tour.html").format(**facts)


def build() -> gr.HTML:
    """The component."""
    return gr.HTML(html(), apply_default_css=False, elem_id="savg-tour")
