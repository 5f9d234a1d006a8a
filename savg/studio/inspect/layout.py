"""What lies where in the Inspect tab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from savg.studio.shared import components
from savg.studio.shared.choices import DetectorChoice
from savg.studio.shared.inputs import person_detectors

SCRIPTS = [components.SCORE_SCRIPT, "inspect/timeline.js"]


@dataclass(frozen=True)
class Layout:
    """The components of the tab; `dark` tells handlers whether the page is."""

    shelf: gr.HTML
    upload: gr.UploadButton
    detector: gr.Dropdown
    notice: gr.HTML
    player: gr.HTML
    timeline: gr.Plot
    spectrograms: gr.Plot
    dark: gr.Checkbox


def lay_out(detectors: Mapping[str, DetectorChoice], clips: dict[str, Any]) -> Layout:
    """The shelf of clips, tools, the player, the plots; `clips` is what the shelf shows."""
    shelf = components.shelf("savg-inspect-shelf", clips)
    with gr.Row(elem_classes="savg-row-tools"):
        upload, detector = _tools(detectors)
    notice = components.notice_line("savg-inspect-notice")
    player = components.player("savg-player", components.SCORE, SCRIPTS)
    # Hidden by its style until it holds a plot: a figure that comes together with `visible=True` can be
    # lost before the browser has made the component.
    with gr.Column(elem_id="savg-plots"):
        timeline = gr.Plot(label="Timeline", show_label=False, elem_id="savg-timeline")
        spectrograms = gr.Plot(label="Spectrograms", show_label=False, elem_id="savg-spectrograms")
    dark = gr.Checkbox(visible=False)
    return Layout(shelf, upload, detector, notice, player, timeline, spectrograms, dark)


def _tools(detectors: Mapping[str, DetectorChoice]) -> tuple[gr.UploadButton, gr.Dropdown]:
    upload = gr.UploadButton(
        "Open a file …",
        file_count="single",
        elem_id="savg-upload",
        scale=0,
        size="md",
        min_width=170,
    )
    detector = person_detectors(detectors, "savg-detector", scale=0, min_width=220)
    gr.HTML(
        '<p class="savg-hint">Any video of up to 30 s with stereo audio, or a frame that the studio '
        "saved. It stays on this server and goes half an hour after you do.</p>",
        apply_default_css=False,
        elem_id="savg-upload-hint",
    )
    return upload, detector
